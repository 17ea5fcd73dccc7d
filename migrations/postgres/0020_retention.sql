-- Where the chain of a node begins since its older rows were removed: the last of them, signed by the platform's key.
CREATE TABLE audit_begin (
    node        TEXT   COLLATE "C" PRIMARY KEY,
    number      BIGINT NOT NULL,
    hash        BYTEA  NOT NULL CHECK (length(hash) = 32),
    at          BIGINT NOT NULL,  -- when it was signed; microseconds since 1970-01-01 UTC
    scheme      TEXT   COLLATE "C" NOT NULL,
    certificate BYTEA  NOT NULL,
    signature   BYTEA  NOT NULL
);

-- Rows go only after it was signed that the chain begins behind them; all of a statement, or none.
DROP TRIGGER audit_only_grows ON audit;

CREATE TRIGGER audit_only_grows BEFORE UPDATE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows();

CREATE FUNCTION audit_only_pruned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM gone LEFT JOIN audit_begin USING (node)
        WHERE audit_begin.number IS NULL OR gone.number > audit_begin.number
    ) THEN
        RAISE EXCEPTION 'the audit trail is append-only';
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER audit_only_pruned AFTER DELETE ON audit
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION audit_only_pruned();

-- The beginning only moves on.
CREATE FUNCTION audit_begin_moves_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.node = OLD.node AND NEW.number >= OLD.number THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END;
$$;

CREATE TRIGGER audit_begin_moves_on BEFORE UPDATE OR DELETE ON audit_begin
FOR EACH ROW EXECUTE FUNCTION audit_begin_moves_on();
