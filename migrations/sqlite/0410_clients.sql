-- Hospital systems that read: to whom they belong, and what each may read. Changed by commands, followed by every node.
CREATE TABLE organisation (
    oid       TEXT    NOT NULL PRIMARY KEY,
    name      TEXT    NOT NULL,
    networks  TEXT    NOT NULL CHECK (json_valid(networks)),               -- of its clients; empty: every network
    suspended INTEGER NOT NULL CHECK (suspended IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE api_client (
    id           TEXT    NOT NULL PRIMARY KEY,
    organisation TEXT    NOT NULL,                                         -- organisation.oid
    scopes       TEXT    NOT NULL,                                         -- with blanks between them
    devices      TEXT    CHECK (json_valid(devices)),                      -- senders whose messages it may read; NULL: all
    suspended    INTEGER NOT NULL CHECK (suspended IN (0, 1))
) STRICT, WITHOUT ROWID;

-- A certificate belongs to one client.
CREATE TABLE api_certificate (
    known  TEXT NOT NULL PRIMARY KEY,                                      -- sha256:DIGITS, or subject:COMMUNITY:SUBJECT
    client TEXT NOT NULL                                                   -- api_client.id
) STRICT, WITHOUT ROWID;

-- Only hashes: what a client sends is in no table.
CREATE TABLE api_secret (
    hash   TEXT    NOT NULL PRIMARY KEY,                                   -- SHA-256, hexadecimal
    client TEXT    NOT NULL,                                               -- api_client.id
    ends   INTEGER                                                         -- microseconds since 1970-01-01 UTC; NULL: at the next rotation
) STRICT, WITHOUT ROWID;

-- Grows with every change.
CREATE TABLE api_revision (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO api_revision (one, value) VALUES (1, 0);
