-- The database schema, version 7. src/store/schema.rs creates a new database by exactly this text.

PRAGMA application_id = 0x676B6579; -- "gkey": identifies the file as gatekey's
PRAGMA user_version = 7;

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- AUTOINCREMENT: ids are never reused, or old tokens would fit new users
    username      TEXT    NOT NULL UNIQUE,           -- Unicode NFC; exact match at login
    folded        TEXT    NOT NULL UNIQUE,           -- src/unicode.rs: rejects names that other software takes for the same
    password_hash TEXT    NOT NULL,                  -- PHC string
    generation    INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 0), -- tokens of another generation are revoked
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at    INTEGER NOT NULL,                  -- Unix seconds
    link          INTEGER NOT NULL DEFAULT 0         -- a one-time link of another number is dead
) STRICT;

-- Sessions: a signed-in browser, its guard cookie, or a named token. A token with the claim `sid` is valid only while its
-- row exists, so whatever raises users.generation deletes the user's rows in the same transaction.
CREATE TABLE sessions (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16), -- random: never given again, also after a restore
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL CHECK (kind IN ('browser', 'guard', 'token')),
    parent     BLOB    REFERENCES sessions (id) ON DELETE CASCADE, -- of a guard cookie: its browser session
    name       TEXT    NOT NULL,                     -- of a token: as the user named it; of a browser: its own
    auth_time  INTEGER NOT NULL,                     -- Unix seconds; when the password was shown
    created_at INTEGER NOT NULL,                     -- Unix seconds
    expires_at INTEGER NOT NULL,                     -- Unix seconds; never moves
    used_at    INTEGER NOT NULL,                     -- Unix seconds; written once a day, and may be lost
    CHECK ((kind = 'guard') = (parent IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id, kind, created_at);
CREATE INDEX sessions_by_parent ON sessions (parent) WHERE parent IS NOT NULL; -- for ON DELETE CASCADE
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Groups, second factors and recovery codes of users.
CREATE TABLE user_groups (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name    TEXT    NOT NULL,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE second_factors (
    user_id   INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret    BLOB    NOT NULL,                      -- of TOTP (RFC 6238)
    last_step INTEGER NOT NULL                       -- the newest time step whose code was used
) STRICT;
CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BLOB    NOT NULL,                        -- SHA-256
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- State of the realm. One row, so that one statement reads it together with a user.
CREATE TABLE realm (
    only              INTEGER PRIMARY KEY CHECK (only = 1),
    tokens_not_before INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; tokens issued earlier are revoked
    newest_time       INTEGER NOT NULL DEFAULT 0,    -- Unix seconds; high-water mark of the clock
    limiter_key       BLOB,                          -- 32 random bytes; key of the hashes of names and addresses; NULL until needed
    limiter_epoch     INTEGER NOT NULL DEFAULT 0,    -- raised when a command replaces the limiter's counters: the server reloads them
    first_generation  INTEGER NOT NULL DEFAULT 1     -- generation of new users; raised where tokens of unknown generations may exist
) STRICT;
INSERT INTO realm (only) VALUES (1);

-- Use of each signing key, by fingerprint: when an old key may be removed. Contains no key.
CREATE TABLE signing_keys (
    fingerprint      TEXT    PRIMARY KEY,
    first_seen_at    INTEGER NOT NULL,               -- Unix seconds
    retired_at       INTEGER,                        -- Unix seconds; NULL while this key signs
    longest_lifetime INTEGER NOT NULL DEFAULT 0      -- seconds; the longest token lifetime while this key signed
) STRICT, WITHOUT ROWID;

-- Counters of the rate limiter: one row or none. Not in realm, which every token check reads.
CREATE TABLE limiter (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    saved_at INTEGER NOT NULL,                       -- Unix seconds
    counters BLOB    NOT NULL                        -- format: src/limiter/saved.rs
) STRICT;

-- Addresses from which a user logged in recently, as hashes under limiter_key: no address can be read from the file.
CREATE TABLE remembered_addresses (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address BLOB    NOT NULL,                        -- 8 bytes of the hash
    seen_at INTEGER NOT NULL,                        -- Unix seconds
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;
-- A login looks up the address before it reads anything about the user.
CREATE INDEX remembered_addresses_by_address ON remembered_addresses (address, seen_at);

-- The last peer that sent forwarding headers without being a trusted proxy: one row or none.
CREATE TABLE undeclared_proxy (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    peer    TEXT    NOT NULL,                        -- an IP address, or unix
    seen_at INTEGER NOT NULL                         -- Unix seconds
) STRICT;
