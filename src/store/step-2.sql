-- From version 1 to 2: the throttle, and the newest time that was seen. Released: never change it.

-- Not ALTER TABLE ADD COLUMN: the table's text shall be that of a new database. The name is free for it when the old
-- table has another.
ALTER TABLE realm RENAME TO realm_1;
CREATE TABLE realm (
    only              INTEGER PRIMARY KEY CHECK (only = 1),
    tokens_not_before INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; tokens issued earlier are dead
    newest_time       INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; the newest that was ever seen: it is not earlier now
    throttle_key      BLOB,                          -- 32 random bytes under which names and addresses are hashed; NULL until needed
    throttle_epoch    INTEGER NOT NULL DEFAULT 0     -- another number: not the server changed the counters, so it reads them again
) STRICT;
INSERT INTO realm (only, tokens_not_before) SELECT only, tokens_not_before FROM realm_1;
DROP TABLE realm_1;

-- What was counted against guessing, in one row or none. Not in realm, whose row is read at every token check.
CREATE TABLE throttle (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    saved_at INTEGER NOT NULL,                       -- Unix seconds
    counters BLOB    NOT NULL                        -- what they are, src/throttle/ knows
) STRICT;

-- From where a user logged in lately. Hashes under throttle_key: the addresses themselves are nowhere.
CREATE TABLE remembered_addresses (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address BLOB    NOT NULL,                        -- 8 bytes of the hash
    seen_at INTEGER NOT NULL,                        -- Unix seconds
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;
