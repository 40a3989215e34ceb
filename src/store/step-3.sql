-- From version 2 to 3: a proxy that is not declared. Released: never change it.

-- Who last spoke for others and isn't a trusted proxy, in one row or none: perhaps one that was forgotten.
CREATE TABLE undeclared_proxy (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    peer    TEXT    NOT NULL,                        -- an IP address, or unix
    seen_at INTEGER NOT NULL                         -- Unix seconds
) STRICT;
