-- The whole schema, version 7. src/store/schema.rs creates a new database by exactly this text.

PRAGMA application_id = 0x676B6579; -- "gkey": how a database is known to be ours
PRAGMA user_version = 7;

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- AUTOINCREMENT: an id is never given twice, or old tokens would fit new users
    username      TEXT    NOT NULL UNIQUE,           -- in Unicode Normalization Form C, as logged in with
    folded        TEXT    NOT NULL UNIQUE,           -- as src/unicode.rs folds it: no two users whose names other software takes for the same
    password_hash TEXT    NOT NULL,                  -- PHC string
    generation    INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 0), -- a token of another generation is dead
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at    INTEGER NOT NULL                   -- Unix seconds
) STRICT;

-- What holds for everybody, in exactly one row, so that it can be read in one statement with a user.
CREATE TABLE realm (
    only              INTEGER PRIMARY KEY CHECK (only = 1),
    tokens_not_before INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; tokens issued earlier are dead
    newest_time       INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; the newest that was ever seen: it is not earlier now
    throttle_key      BLOB,                          -- 32 random bytes under which names and addresses are hashed; NULL until needed
    throttle_epoch    INTEGER NOT NULL DEFAULT 0,    -- another number: not the server changed the counters, so it reads them again
    first_generation  INTEGER NOT NULL DEFAULT 1     -- the generation of a new user; raised where tokens of unknown generations may exist
) STRICT;
INSERT INTO realm (only) VALUES (1);

-- What is known of each signing key, by its fingerprint: when an old one may go. Never the key.
CREATE TABLE signing_keys (
    fingerprint      TEXT    PRIMARY KEY,
    first_seen_at    INTEGER NOT NULL,               -- Unix seconds
    retired_at       INTEGER,                        -- since when a newer key signs; NULL while this one does
    longest_lifetime INTEGER NOT NULL DEFAULT 0      -- seconds; the longest token lifetime ever served under it
) STRICT, WITHOUT ROWID;

-- What was counted against guessing, in one row or none. Not in realm, whose row is read at every token check.
CREATE TABLE throttle (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    saved_at INTEGER NOT NULL,                       -- Unix seconds
    counters BLOB    NOT NULL                        -- what they are, src/limiter/ knows
) STRICT;

-- From where a user logged in lately. Hashes under throttle_key: the addresses themselves are nowhere.
CREATE TABLE remembered_addresses (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address BLOB    NOT NULL,                        -- 8 bytes of the hash
    seen_at INTEGER NOT NULL,                        -- Unix seconds
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;
-- A login asks for an address before it reads anything about the user.
CREATE INDEX remembered_addresses_by_address ON remembered_addresses (address, seen_at);

-- Who first spoke for others since the last start and isn't a trusted proxy, in one row or none: perhaps one that was
-- forgotten.
CREATE TABLE undeclared_proxy (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    peer    TEXT    NOT NULL,                        -- an IP address, or unix
    seen_at INTEGER NOT NULL                         -- Unix seconds
) STRICT;
