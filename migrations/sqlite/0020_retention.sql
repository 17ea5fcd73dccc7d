-- Where the chain of a node begins since its older rows were removed: the last of them, signed by the platform's key.
CREATE TABLE audit_begin (
    node        TEXT    PRIMARY KEY,
    number      INTEGER NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    at          INTEGER NOT NULL,  -- when it was signed; microseconds since 1970-01-01 UTC
    scheme      TEXT    NOT NULL,
    certificate BLOB    NOT NULL,
    signature   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows go only after it was signed that the chain begins behind them.
DROP TRIGGER audit_no_delete;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_begin WHERE node = OLD.node AND number >= OLD.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- The beginning only moves on.
CREATE TRIGGER audit_begin_no_return BEFORE UPDATE ON audit_begin
WHEN NEW.node <> OLD.node OR NEW.number < OLD.number
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_begin_no_delete BEFORE DELETE ON audit_begin
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
