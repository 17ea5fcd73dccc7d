//! Differences of a server from what the migrations make, and what is none.

use super::integrity::{open, risks};
use super::*;

/// A cause on PostgreSQL, its end, and the risks that it is.
const ON_POSTGRES: &[(&str, &str, &[&str])] = &[
    (
        "ALTER TABLE probe RENAME TO kept; CREATE VIEW probe AS SELECT * FROM kept;
         ALTER TABLE kept SET UNLOGGED",
        "DROP VIEW probe; ALTER TABLE kept SET LOGGED; ALTER TABLE kept RENAME TO probe",
        &["not-a-table"],
    ),
    ("CREATE TABLE child () INHERITS (message)", "DROP TABLE child", &["not-a-table"]),
    ("ALTER TABLE probe RENAME TO kept", "ALTER TABLE kept RENAME TO probe", &["not-a-table"]),
    ("ALTER TABLE probe SET UNLOGGED", "ALTER TABLE probe SET LOGGED", &["unlogged-table"]),
    (
        "UPDATE pg_class SET relpersistence = 'u' WHERE oid =
         (SELECT reltoastrelid FROM pg_class WHERE oid = 'message'::regclass)",
        "UPDATE pg_class SET relpersistence = 'p' WHERE oid =
         (SELECT reltoastrelid FROM pg_class WHERE oid = 'message'::regclass)",
        &["unlogged-table"],
    ),
    (
        "ALTER TABLE message ALTER session DROP NOT NULL",
        "ALTER TABLE message ALTER session SET NOT NULL",
        &["not-a-table"],
    ),
    (
        "ALTER TABLE audit DROP CONSTRAINT audit_details_check",
        "ALTER TABLE audit ADD CONSTRAINT audit_details_check CHECK (details::json IS NOT NULL)",
        &["not-a-table"],
    ),
    (
        "ALTER TABLE message ALTER peer TYPE varchar COLLATE \"C\"",
        "ALTER TABLE message ALTER peer TYPE text COLLATE \"C\"",
        &["not-a-table"],
    ),
    (
        "ALTER TABLE message DISABLE TRIGGER USER",
        "ALTER TABLE message ENABLE TRIGGER USER",
        &["triggers-off"],
    ),
    (
        "ALTER TABLE audit ENABLE REPLICA TRIGGER audit_only_grows",
        "ALTER TABLE audit ENABLE TRIGGER audit_only_grows",
        &["triggers-off"],
    ),
    (
        "ALTER TRIGGER audit_only_pruned ON audit RENAME TO other",
        "ALTER TRIGGER other ON audit RENAME TO audit_only_pruned",
        &["triggers-off", "foreign-code"],
    ),
    (
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER mine BEFORE INSERT ON audit FOR EACH ROW WHEN (NEW.event = 'message-viewed')
         EXECUTE FUNCTION mine()",
        "DROP TRIGGER mine ON audit; DROP FUNCTION mine",
        &["foreign-code"],
    ),
    (
        "CREATE RULE mine AS ON INSERT TO message DO INSTEAD NOTHING",
        "DROP RULE mine ON message",
        &["foreign-code"],
    ),
    (
        "CREATE OR REPLACE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql
         SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'",
        "CREATE OR REPLACE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql
         SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$",
        &["foreign-code"],
    ),
    (
        "ALTER FUNCTION message_identity_inserted() SET search_path = elsewhere, public",
        "ALTER FUNCTION message_identity_inserted() SET search_path = public, pg_temp",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION mine(bytea) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         ALTER TABLE message ADD CONSTRAINT mine CHECK (mine(raw))",
        "ALTER TABLE message DROP CONSTRAINT mine; DROP FUNCTION mine",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
         ALTER TABLE message ADD COLUMN mine BIGINT DEFAULT mine()",
        "ALTER TABLE message DROP COLUMN mine; DROP FUNCTION mine",
        &["foreign-code"],
    ),
    // Functions of the server that do more than compute: these could change what the session searches.
    (
        "ALTER TABLE message ADD COLUMN mine TEXT DEFAULT set_config('application_name', 'mine', true)",
        "ALTER TABLE message DROP COLUMN mine",
        &["foreign-code"],
    ),
    (
        "ALTER TABLE device ADD CONSTRAINT mine CHECK (set_config('application_name', id, true) IS NOT NULL)",
        "ALTER TABLE device DROP CONSTRAINT mine",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION mine(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
         CREATE INDEX mine ON message (mine(control_id))",
        "DROP INDEX mine; DROP FUNCTION mine",
        &["foreign-code"],
    ),
    (
        "CREATE TABLE mine (id BYTEA REFERENCES message ON DELETE CASCADE)",
        "DROP TABLE mine",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION replace(text, varchar, varchar) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        "DROP FUNCTION replace(text, varchar, varchar)",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION mine(bytea, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR = (leftarg = bytea, rightarg = text, function = mine)",
        "DROP OPERATOR = (bytea, text); DROP FUNCTION mine",
        &["foreign-code"],
    ),
    (
        "ALTER TABLE message ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE message DISABLE ROW LEVEL SECURITY",
        &["hidden-rows"],
    ),
    (
        "CREATE POLICY mine ON audit FOR SELECT USING (number <> 5)",
        "DROP POLICY mine ON audit",
        &["hidden-rows"],
    ),
    (
        "DROP INDEX message_resend",
        "CREATE UNIQUE INDEX resend_again ON message (device, correlation, digest) WITH (fillfactor = 70)
         WHERE rejection IS NULL; ALTER INDEX resend_again RENAME TO message_resend",
        &["changed-index"],
    ),
    (
        "DROP INDEX message_resend; CREATE UNIQUE INDEX message_resend ON message (device, correlation, digest)
         WHERE rejection IS NULL AND device <> 'PUMP-1'",
        "DROP INDEX message_resend; CREATE UNIQUE INDEX message_resend ON message (device, correlation, digest)
         WHERE rejection IS NULL",
        &["changed-index"],
    ),
    (
        "DROP INDEX outbox_control_id; CREATE INDEX outbox_control_id ON outbox (device, control_id)
         WHERE outcome IS NULL",
        "DROP INDEX outbox_control_id; CREATE UNIQUE INDEX outbox_control_id ON outbox (device, control_id)
         WHERE outcome IS NULL",
        &["changed-index"],
    ),
    (
        "ALTER TABLE audit DROP CONSTRAINT audit_node_number_key",
        "ALTER TABLE audit ADD CONSTRAINT audit_node_number_key UNIQUE (node, number)",
        &["changed-index"],
    ),
    (
        "ALTER TABLE audit DROP CONSTRAINT audit_node_number_key,
         ADD CONSTRAINT audit_node_number_key UNIQUE (node, number) DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE audit DROP CONSTRAINT audit_node_number_key,
         ADD CONSTRAINT audit_node_number_key UNIQUE (node, number)",
        // The check at the end of the transaction is a trigger.
        &["foreign-code", "changed-index"],
    ),
    // A function with the genuine source that nothing calls, beside the one that the trigger calls.
    (
        "SET check_function_bodies = off;
         DO $$ BEGIN EXECUTE (
             SELECT format('CREATE FUNCTION message_identity_inserted(int) RETURNS trigger LANGUAGE plpgsql
                 SECURITY DEFINER SET search_path = public, pg_temp AS %L', prosrc)
             FROM pg_proc WHERE proname = 'message_identity_inserted'
         ); END $$;
         CREATE OR REPLACE FUNCTION message_identity_inserted() RETURNS trigger LANGUAGE plpgsql
         SECURITY DEFINER SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'",
        "DO $$ BEGIN EXECUTE (
             SELECT format('CREATE OR REPLACE FUNCTION message_identity_inserted() RETURNS trigger LANGUAGE plpgsql
                 SECURITY DEFINER SET search_path = public, pg_temp AS %L', prosrc)
             FROM pg_proc WHERE proname = 'message_identity_inserted' AND pronargs = 1
         ); END $$;
         DROP FUNCTION message_identity_inserted(int)",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION identity_keys(bytea) RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL::text'",
        "DROP FUNCTION identity_keys(bytea)",
        &["foreign-code"],
    ),
    // The name of one schema.
    (
        "ALTER FUNCTION message_identity_inserted() SET search_path = \"public, pg_temp\"",
        "ALTER FUNCTION message_identity_inserted() SET search_path = public, pg_temp",
        &["foreign-code"],
    ),
    // A function of the owner in an extension of a superuser: preferred to the server's for any array.
    (
        "CREATE EXTENSION citext; CREATE ROLE of_integrity;
         CREATE FUNCTION cardinality(bytea[]) RETURNS int LANGUAGE sql AS 'SELECT 0';
         ALTER FUNCTION cardinality(bytea[]) OWNER TO of_integrity;
         ALTER EXTENSION citext ADD FUNCTION cardinality(bytea[])",
        "DROP EXTENSION citext; DROP ROLE of_integrity",
        &["foreign-code"],
    ),
    (
        "CREATE EXTENSION hstore; CREATE ROLE of_integrity;
         CREATE FUNCTION mine(bytea, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR = (leftarg = bytea, rightarg = text, function = mine);
         ALTER OPERATOR = (bytea, text) OWNER TO of_integrity;
         ALTER EXTENSION hstore ADD OPERATOR = (bytea, text)",
        "DROP EXTENSION hstore; DROP FUNCTION mine; DROP ROLE of_integrity",
        &["foreign-code"],
    ),
    (
        "CREATE FUNCTION pg_catalog.cardinality(bytea[]) RETURNS int LANGUAGE sql AS 'SELECT 0'",
        "DROP FUNCTION pg_catalog.cardinality(bytea[])",
        &["foreign-code"],
    ),
    // An operator that would answer for the server when the schema of a function is compared.
    (
        "CREATE FUNCTION mine(oid, regnamespace) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR = (leftarg = oid, rightarg = regnamespace, function = mine)",
        "DROP OPERATOR = (oid, regnamespace); DROP FUNCTION mine",
        &["foreign-code"],
    ),
    // Collations of others, with the name of the server's and with a name that ends like a definition.
    (
        "CREATE COLLATION public.\"C\" (provider = icu, locale = 'en');
         ALTER TABLE message ALTER peer TYPE text COLLATE public.\"C\"",
        "ALTER TABLE message ALTER peer TYPE text COLLATE pg_catalog.\"C\"; DROP COLLATION public.\"C\"",
        &["not-a-table"],
    ),
    (
        "CREATE COLLATION \"C not null\" (provider = icu, locale = 'en');
         ALTER TABLE message ALTER peer TYPE text COLLATE \"C not null\", ALTER peer DROP NOT NULL",
        "ALTER TABLE message ALTER peer TYPE text COLLATE \"C\", ALTER peer SET NOT NULL;
         DROP COLLATION \"C not null\"",
        &["not-a-table"],
    ),
    // Decoys: unique indexes whose condition looks like the definition of the one that is gone.
    (
        "DROP INDEX message_resend; CREATE UNIQUE INDEX decoy ON message (id) WHERE device <>
         ' USING btree (device, correlation, digest) WHERE (rejection IS NULL) WITH ('",
        "DROP INDEX decoy; CREATE UNIQUE INDEX message_resend ON message (device, correlation, digest)
         WHERE rejection IS NULL",
        &["changed-index"],
    ),
    (
        "ALTER TABLE audit DROP CONSTRAINT audit_node_number_key;
         CREATE UNIQUE INDEX decoy ON audit (sequence) WHERE event <> ' USING btree (node, number) WITH ('",
        "DROP INDEX decoy; ALTER TABLE audit ADD CONSTRAINT audit_node_number_key UNIQUE (node, number)",
        &["changed-index"],
    ),
    // One column with the name of two, and the columns in another order.
    (
        "ALTER TABLE audit DROP CONSTRAINT audit_node_number_key, ADD COLUMN \"node, number\" TEXT;
         CREATE UNIQUE INDEX decoy ON audit (\"node, number\")",
        "ALTER TABLE audit DROP COLUMN \"node, number\", ADD CONSTRAINT audit_node_number_key UNIQUE (node, number)",
        &["changed-index"],
    ),
    (
        "ALTER TABLE audit DROP CONSTRAINT audit_node_number_key; CREATE UNIQUE INDEX decoy ON audit (number, node)",
        "DROP INDEX decoy; ALTER TABLE audit ADD CONSTRAINT audit_node_number_key UNIQUE (node, number)",
        &["changed-index"],
    ),
    (
        "DROP INDEX outbox_control_id; CREATE UNIQUE INDEX decoy ON outbox (device COLLATE \"POSIX\", control_id)
         WHERE outcome IS NULL",
        "DROP INDEX decoy; CREATE UNIQUE INDEX outbox_control_id ON outbox (device, control_id)
         WHERE outcome IS NULL",
        &["changed-index"],
    ),
    // What an administrator may want, and what runs nothing.
    (
        "ALTER TABLE message ADD COLUMN size BIGINT GENERATED ALWAYS AS (length(raw)) STORED",
        "ALTER TABLE message DROP COLUMN size",
        &[],
    ),
    (
        "CREATE INDEX mine ON message (control_id); CREATE TABLE notes (text TEXT);
         CREATE VIEW mine_too AS SELECT id FROM message; CREATE PUBLICATION mine FOR TABLE message;
         ALTER TABLE message ADD COLUMN note TEXT DEFAULT 'none'",
        "DROP INDEX mine; DROP TABLE notes; DROP VIEW mine_too; DROP PUBLICATION mine;
         ALTER TABLE message DROP COLUMN note",
        &[],
    ),
    (
        "CREATE INDEX mine ON message (lower(device), to_timestamp(received_at / 1000000.0));
         CREATE INDEX mine_too ON message USING brin (received_at);
         CREATE INDEX mine_also ON message USING gin (to_tsvector('english', control_id));
         CREATE STATISTICS mine ON device, pcd_transaction FROM message; ANALYZE message;
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM message",
        "DROP INDEX mine, mine_too, mine_also; DROP STATISTICS mine; DROP MATERIALIZED VIEW counted",
        &[],
    ),
    (
        "ALTER TABLE message REPLICA IDENTITY FULL; ALTER TABLE message ALTER raw SET STORAGE EXTERNAL;
         ALTER TABLE message SET (fillfactor = 80, autovacuum_enabled = off);
         ALTER INDEX message_pkey SET (fillfactor = 70); GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
         ALTER INDEX message_resend RENAME TO resend; ALTER TABLE message RENAME CONSTRAINT message_digest_check TO mine",
        "ALTER INDEX resend RENAME TO message_resend; ALTER TABLE message RENAME CONSTRAINT mine TO message_digest_check",
        &[],
    ),
    ("VACUUM FULL message", "CLUSTER message USING message_device", &[]),
    ("REINDEX TABLE CONCURRENTLY message", "REINDEX TABLE CONCURRENTLY audit", &[]),
    ("CREATE PUBLICATION mine FOR ALL TABLES", "DROP PUBLICATION mine", &[]),
];

#[tokio::test]
async fn each_difference_of_a_server_from_the_migrations_has_its_risk() {
    let place = TestStore::on_postgres();
    assert_eq!(risks(open(&place).await), [""; 0]);
    let mut others = Vec::new();
    for (cause, end, expected) in ON_POSTGRES {
        place.execute(cause).await.unwrap();
        for found in [risks(open(&place).await), risks(Store::plan_migration(&place.url()).await)] {
            if found != *expected {
                others.push(format!("{found:?} instead of {expected:?}: {cause}"));
            }
        }
        place.execute(end).await.unwrap();
        assert_eq!(risks(open(&place).await), [""; 0], "{end}");
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// Each unique index of the migrations is in the list, and each of the list is one of them.
#[tokio::test]
async fn every_unique_index_of_a_server_is_compared() {
    let place = TestStore::on_postgres();
    open(&place).await.unwrap();
    let mut direct = place.connect_directly().await;
    let indexes = direct
        .texts(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
             WHERE relnamespace = 'public'::regnamespace AND indisunique
                AND relname NOT IN ('_sqlx_migrations', 'probe')",
        )
        .await;
    assert_eq!(indexes.len(), 57, "{indexes:?}");
    for index in indexes {
        // As a concurrent build that failed leaves it.
        let set = |valid: bool| {
            format!("UPDATE pg_index SET indisvalid = {valid} WHERE indexrelid = '{index}'::regclass")
        };
        direct.execute(&set(false)).await.unwrap();
        assert_eq!(risks(open(&place).await), ["changed-index"], "{index}");
        direct.execute(&set(true)).await.unwrap();
    }
}

/// With the functions and operators that they bring, such as those of `citext` and `hstore` for their types.
#[tokio::test]
async fn the_extensions_of_a_server_beside_the_tables_are_no_risk() {
    let place = TestStore::on_postgres();
    open(&place).await.unwrap();
    let mut direct = place.connect_directly().await;
    let available = "SELECT quote_ident(name) FROM pg_available_extensions WHERE installed_version IS NULL";
    for name in direct.texts(available).await {
        // Some need a library that the server has to load first.
        let _ = direct.execute(&format!("CREATE EXTENSION IF NOT EXISTS {name} CASCADE")).await;
    }
    let installed = direct.texts("SELECT extname::text FROM pg_extension").await;
    for name in ["citext", "hstore", "pgcrypto", "pg_trgm", "intarray", "ltree", "btree_gist"] {
        assert!(installed.iter().any(|installed| installed == name), "{name}: {installed:?}");
    }
    assert_eq!(risks(open(&place).await), [""; 0]);
}

/// Also in the seconds before such a function is noticed, or where it is accepted: one for exactly these
/// types would be preferred to the server's for any array.
#[tokio::test]
async fn the_statement_that_writes_calls_no_function_beside_the_tables() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    store.record(place.record("slow", b"1")).await.unwrap();
    let functions = ["bytea", "bigint"].map(|kind| {
        format!(
            "CREATE FUNCTION cardinality({kind}[]) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
             AS 'BEGIN INSERT INTO called DEFAULT VALUES; RETURN array_length($1, 1); END'"
        )
    });
    place.execute(&format!("CREATE TABLE called (); {}", functions.join("; "))).await.unwrap();
    store.record(place.record("fast", b"1")).await.unwrap();
    let mut direct = place.connect_directly().await;
    assert_eq!(direct.texts("SELECT count(*)::text FROM called").await, ["0"]);
    // The server would have called it.
    direct.execute("SELECT cardinality(ARRAY['a'::bytea])").await.unwrap();
    assert_eq!(direct.texts("SELECT count(*)::text FROM called").await, ["1"]);
}
