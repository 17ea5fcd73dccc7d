-- Hospital systems that read: to whom they belong, and what each may read. Changed by commands, followed by every node.
CREATE TABLE organisation (
    oid       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    name      TEXT   NOT NULL,
    networks  TEXT   NOT NULL CHECK (networks::json IS NOT NULL),          -- of its clients; empty: every network
    suspended BIGINT NOT NULL CHECK (suspended IN (0, 1))
);

CREATE TABLE api_client (
    id           TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    organisation TEXT   COLLATE "C" NOT NULL,                              -- organisation.oid
    scopes       TEXT   NOT NULL,                                          -- with blanks between them
    devices      TEXT,                                                     -- senders whose messages it may read, in JSON; NULL: all
    suspended    BIGINT NOT NULL CHECK (suspended IN (0, 1))
);

-- A certificate belongs to one client.
CREATE TABLE api_certificate (
    known  TEXT COLLATE "C" NOT NULL PRIMARY KEY,                          -- sha256:DIGITS, or subject:COMMUNITY:SUBJECT
    client TEXT COLLATE "C" NOT NULL                                       -- api_client.id
);

-- Only hashes: what a client sends is in no table.
CREATE TABLE api_secret (
    hash   TEXT   COLLATE "C" NOT NULL PRIMARY KEY,                        -- SHA-256, hexadecimal
    client TEXT   COLLATE "C" NOT NULL,                                    -- api_client.id
    ends   BIGINT                                                          -- microseconds since 1970-01-01 UTC; NULL: at the next rotation
);

-- Grows with every change.
CREATE TABLE api_revision (
    one   BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    value BIGINT NOT NULL
);
INSERT INTO api_revision (one, value) VALUES (1, 0);
