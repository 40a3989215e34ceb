-- From version 5 to 6: the generation of a new user. Released: never change it.

-- As in step-2.sql: the table's text shall be that of a new database.
ALTER TABLE realm RENAME TO realm_5;
CREATE TABLE realm (
    only              INTEGER PRIMARY KEY CHECK (only = 1),
    tokens_not_before INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; tokens issued earlier are dead
    newest_time       INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; the newest that was ever seen: it is not earlier now
    throttle_key      BLOB,                          -- 32 random bytes under which names and addresses are hashed; NULL until needed
    throttle_epoch    INTEGER NOT NULL DEFAULT 0,    -- another number: not the server changed the counters, so it reads them again
    first_generation  INTEGER NOT NULL DEFAULT 1     -- the generation of a new user; raised where tokens of unknown generations may exist
) STRICT;
INSERT INTO realm (only, tokens_not_before, newest_time, throttle_key, throttle_epoch)
    SELECT only, tokens_not_before, newest_time, throttle_key, throttle_epoch FROM realm_5;
DROP TABLE realm_5;
