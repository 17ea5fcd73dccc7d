-- Each row of the audit trail carries the hash of the row before: see audit::Link. No release has written rows without
-- one, and they could not be vouched for.
DROP TABLE audit;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    node     TEXT    NOT NULL,
    number   INTEGER NOT NULL,  -- the place in the chain of the node, from 1, without gaps
    at       INTEGER NOT NULL,  -- microseconds since 1970-01-01 UTC
    event    TEXT    NOT NULL,
    details  TEXT    NOT NULL CHECK (json_valid(details)),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    UNIQUE (node, number)
) STRICT;

CREATE INDEX audit_at ON audit (at);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE sequence = NEW.sequence OR (node = NEW.node AND number = NEW.number))
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- Where the chain of each node ends.
CREATE TABLE audit_end (
    node   TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
