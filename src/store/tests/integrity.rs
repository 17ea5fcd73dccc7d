//! Tables that are no longer what the migrations made. The tests that open the store with
//! [`TestStore::open`] accept triggers; these accept nothing.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::model::{SchemaName, StoreRisk, StoreRisks};

async fn open(place: &TestStore) -> Result<Store, StoreError> {
    Store::open(&place.url(), place.clock.clone()).await
}

fn risks(outcome: Result<impl Sized, StoreError>) -> Vec<&'static str> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(StoreError::Risky(found)) => {
            assert!(found.iter().all(|risk| !found.objects(risk).is_empty()), "each has a place: {found}");
            found.iter().map(StoreRisk::code).collect()
        }
        Err(error) => panic!("{error:?}"),
    }
}

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
];

#[tokio::test]
async fn each_difference_of_a_server_from_the_migrations_has_its_risk() {
    let place = TestStore::on_postgres();
    assert_eq!(risks(open(&place).await), [""; 0]);
    for (cause, end, expected) in ON_POSTGRES {
        place.execute(cause).await.unwrap();
        assert_eq!(risks(open(&place).await), *expected, "{cause}");
        assert_eq!(risks(Store::plan_migration(&place.url()).await), *expected, "{cause}");
        place.execute(end).await.unwrap();
        assert_eq!(risks(open(&place).await), [""; 0], "{end}");
    }
}

/// The columns of the platform alone are written and tested, so that another one takes no right away.
#[tokio::test]
async fn a_generated_column_makes_no_store_unready() {
    let place = TestStore::on_postgres();
    let store = open(&place).await.unwrap();
    for table in ["message", "audit"] {
        let add = format!("ALTER TABLE {table} ADD COLUMN extra BIGINT GENERATED ALWAYS AS (1) STORED");
        place.execute(&add).await.unwrap();
    }
    store.check().await.unwrap();
    store.record(place.record("1", b"1")).await.unwrap();
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
    // A column that is not there any more is no missing right either.
    place.execute("ALTER TABLE message RENAME COLUMN peer TO other").await.unwrap();
    let refused = store.record(place.record("2", b"2")).await;
    assert!(matches!(refused, Err(StoreError::NoTable(_))), "{refused:?}");
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
    assert_eq!(indexes.len(), 19, "{indexes:?}");
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

#[tokio::test]
async fn a_changed_file_is_found_by_the_next_batch_and_the_end_of_it_too() {
    let place = TestStore::new();
    let store = open(&place).await.unwrap();
    store.record(place.record("1", b"1")).await.unwrap();
    for (cause, end, code) in [
        (
            "ALTER TABLE message RENAME TO kept; CREATE VIEW message AS SELECT * FROM kept;
             CREATE TRIGGER into_nothing INSTEAD OF INSERT ON message BEGIN SELECT 1; END",
            "DROP VIEW message; ALTER TABLE kept RENAME TO message",
            "not-a-table",
        ),
        (
            "CREATE TRIGGER mine BEFORE INSERT ON audit BEGIN SELECT raise(ignore); END",
            "DROP TRIGGER mine",
            "foreign-code",
        ),
    ] {
        place.execute(cause).await.unwrap();
        let refused = risks(store.record(place.record(code, b"2")).await);
        assert!(refused.contains(&code), "{code}: {refused:?}");
        assert!(risks(store.check().await).contains(&code));
        assert!(risks(Store::plan_migration(&place.url()).await).contains(&code));
        assert!(risks(open(&place).await).contains(&code));
        place.execute(end).await.unwrap();
        store.record(place.record(code, b"2")).await.unwrap();
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 3);
}

async fn a_row_that_is_dropped_without_an_error_is_not_reported_as_stored(place: TestStore) {
    let accepted: StoreRisks = [StoreRisk::ForeignCode].into_iter().collect();
    let store = Store::open(StoreUrl::new(place.url()).with_accepted_risks(accepted), place.clock.clone());
    let store = store.await.unwrap();
    // The second batch of a process takes the fast path.
    store.record(place.record("1", b"1")).await.unwrap();
    for (table, column) in [("message", "device = 'dropped'"), ("audit", "details LIKE '%dropped%'")] {
        let (cause, end) = if place.is_postgres() {
            (
                format!(
                    "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                     CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.{column})
                     EXECUTE FUNCTION mine()"
                ),
                format!("DROP TRIGGER mine ON {table}; DROP FUNCTION mine"),
            )
        } else {
            (
                format!(
                    "CREATE TRIGGER mine BEFORE INSERT ON {table} WHEN NEW.{column}
                     BEGIN SELECT raise(ignore); END"
                ),
                "DROP TRIGGER mine".to_owned(),
            )
        };
        place.execute(&cause).await.unwrap();
        for rejected in [false, true] {
            let record = if rejected { TestStore::rejected } else { TestStore::record };
            let (dropped, kept) = tokio::join!(
                store.record(MessageRecord {
                    device: "dropped".parse().unwrap(),
                    ..record(&place, "dropped", b"dropped")
                }),
                store.record(record(&place, table, if rejected { b"other" } else { b"one" }))
            );
            assert!(matches!(dropped, Err(StoreError::Dropped(of)) if of == table), "{table}: {dropped:?}");
            assert!(kept.is_ok(), "{table}: {kept:?}");
        }
        place.execute(&end).await.unwrap();
    }
    let listed = store.messages(&ANY).await.unwrap();
    assert!(listed.len() == 5 && listed.iter().all(|row| row.control_id != "dropped"), "{listed:?}");
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
}

/// Code that existed for an instant, and changed the session of the writer for good.
#[tokio::test]
async fn code_that_is_gone_again_leaves_no_session_in_which_messages_vanish() {
    let place = TestStore::on_postgres();
    let accepted: StoreRisks = [StoreRisk::ForeignCode].into_iter().collect();
    let store = Store::open(StoreUrl::new(place.url()).with_accepted_risks(accepted), place.clock.clone());
    let store = store.await.unwrap();
    for number in 0..3 {
        store.record(place.record(&format!("before {number}"), b"1")).await.unwrap();
    }
    place
        .execute(
            "CREATE SCHEMA elsewhere; CREATE VIEW elsewhere.message AS SELECT * FROM public.message;
             CREATE FUNCTION elsewhere.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER nothing INSTEAD OF INSERT ON elsewhere.message FOR EACH ROW
             EXECUTE FUNCTION elsewhere.nothing()",
        )
        .await
        .unwrap();
    for (code, change) in [
        ("path", "PERFORM set_config(''search_path'', ''elsewhere,pg_catalog,public'', false)"),
        ("statement", "EXECUTE ''PREPARE mine AS SELECT 1''"),
    ] {
        let create = format!(
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {change}; RETURN NEW; END';
             CREATE TRIGGER mine BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION mine()"
        );
        place.execute(&create).await.unwrap();
        // It may be refused: the session is no longer that of the platform.
        let _ = store.record(place.record(&format!("{code} during"), b"2")).await;
        place.execute("DROP TRIGGER mine ON audit; DROP FUNCTION mine").await.unwrap();
        let mut direct = place.connect_directly().await;
        let poisoned = direct.texts(SESSIONS).await;
        for number in 0..3 {
            let id = format!("{code} {number}");
            store.record(place.record(&id, b"2")).await.unwrap();
            let stored = format!("SELECT control_id FROM public.message WHERE control_id = '{id}'");
            assert_eq!(direct.texts(&stored).await, [id]);
        }
        if code == "statement" {
            place.clock.advance(Duration::from_secs(2));
            store.record(place.record("in another session", b"3")).await.unwrap();
            let after = direct.texts(SESSIONS).await;
            assert!(after.iter().any(|session| !poisoned.contains(session)), "{after:?}");
        }
    }
}

const SESSIONS: &str =
    "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'pcd-platform' AND query LIKE '%audit%'";

battery! {
    a_row_that_is_dropped_without_an_error_is_not_reported_as_stored,
    a_store_with_a_risk_is_read_and_not_written,
}

async fn a_store_with_a_risk_is_read_and_not_written(place: TestStore) {
    let store = open(&place).await.unwrap();
    store.record(place.record("1", b"1")).await.unwrap();
    store.close().await;
    let (cause, end) = if place.is_postgres() {
        ("CREATE RULE mine AS ON DELETE TO probe DO INSTEAD NOTHING", "DROP RULE mine ON probe")
    } else {
        ("CREATE TRIGGER mine AFTER INSERT ON probe BEGIN SELECT 1; END", "DROP TRIGGER mine")
    };
    place.execute(cause).await.unwrap();
    let chain = OwnChain::new(store.node().clone());
    let reading = Store::open_to_read(chain, &*place.url(), place.clock.clone()).await.unwrap();
    assert_eq!(reading.unaccepted_risks().iter().collect::<Vec<_>>(), [StoreRisk::ForeignCode]);
    assert_eq!(reading.messages(&ANY).await.unwrap().len(), 1);
    assert!(reading.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
    assert_eq!(risks(reading.add_device(gateway("GW-1"), "alice").await), ["foreign-code"]);
    assert_eq!(risks(reading.record(place.record("2", b"2")).await), ["foreign-code"]);
    assert!(reading.devices().await.unwrap().is_empty());
    reading.close().await;
    assert_eq!(risks(open(&place).await), ["foreign-code"], "who writes does not open it");
    let existing = Store::open_existing(store.node().clone(), &*place.url(), place.clock.clone()).await;
    assert_eq!(risks(existing), ["foreign-code"]);
    place.execute(end).await.unwrap();
    let chain = OwnChain::new(store.node().clone());
    let reading = Store::open_to_read(chain, &*place.url(), place.clock.clone()).await.unwrap();
    assert!(reading.unaccepted_risks().is_empty());
    reading.add_device(gateway("GW-1"), "alice").await.unwrap();
}

/// A role that may create schemas, and nothing else.
#[tokio::test]
async fn a_schema_with_the_name_of_the_role_captures_nothing() {
    let server = crate::store::fixtures::cluster::Cluster::start();
    let database = server.database();
    let name = database.rsplit('/').next().unwrap();
    let place = TestStore::new();
    let store = Store::open(&database, place.clock.clone()).await.unwrap();
    store.record(place.record("1", b"1")).await.unwrap();
    // The owner of the database here is its superuser `postgres`; the schema that it would find is
    // `postgres`.
    server.sql("postgres", &format!("CREATE ROLE eve LOGIN; GRANT CREATE ON DATABASE {name} TO eve"));
    server.sql(
        name,
        "SET ROLE eve; CREATE SCHEMA postgres; GRANT USAGE ON SCHEMA postgres TO PUBLIC;
         CREATE TABLE postgres.message AS SELECT * FROM (VALUES (1)) AS none (id);
         CREATE TABLE postgres.message_identity (identity TEXT, message BYTEA);
         CREATE TABLE postgres.audit (node TEXT, number BIGINT, hash BYTEA);
         CREATE TABLE postgres._sqlx_migrations (version BIGINT);
         CREATE FUNCTION postgres.identity_keys(text) RETURNS SETOF text LANGUAGE sql AS 'SELECT ''eve''';
         CREATE FUNCTION postgres.length(bytea) RETURNS int LANGUAGE sql AS 'SELECT 1';
         GRANT ALL ON ALL TABLES IN SCHEMA postgres TO PUBLIC",
    );
    server.sql("postgres", "ALTER ROLE postgres SET search_path = postgres, public");
    for open in 2..4 {
        let store = Store::open(&database, place.clock.clone()).await.unwrap();
        let id = open.to_string();
        store.record(place.record(&id, b"2")).await.unwrap();
        store.record(place.record(&format!("{id} fast"), b"2")).await.unwrap();
        store.close().await;
    }
    store.record(place.record("last", b"1")).await.unwrap();
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 6);
    let filter = MessageFilter { identity: DeviceIdentity::parse("00A037EB2175780F"), ..ANY };
    assert_eq!(
        store.messages(&filter).await.unwrap().len(),
        6,
        "the trigger has written public.message_identity"
    );
    assert_eq!(server.sql(name, "SELECT count(*) FROM postgres.message").trim(), "1");
    assert_eq!(server.sql(name, "SELECT count(*) FROM postgres.message_identity").trim(), "0");
    server.sql(name, "DROP SCHEMA postgres CASCADE");
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 6);
}

#[tokio::test]
async fn the_schema_of_the_tables_is_configured_and_another_one_is_not_forgotten() {
    let place = TestStore::on_postgres();
    place.execute("CREATE SCHEMA wards").await.unwrap();
    let wards: SchemaName = "wards".parse().unwrap();
    let url = StoreUrl::new(place.url()).with_schema(wards);
    let store = Store::open(url.clone(), place.clock.clone()).await.unwrap();
    store.record(place.record("1", b"1")).await.unwrap();
    let mut direct = place.connect_directly().await;
    assert_eq!(direct.texts("SELECT control_id FROM wards.message").await, ["1"]);
    let forgotten = open(&place).await;
    assert!(
        matches!(&forgotten, Err(StoreError::OtherSchema { found, .. }) if found == "wards"),
        "{forgotten:?}"
    );
    let planned = Store::plan_migration(&place.url()).await;
    assert!(matches!(planned, Err(StoreError::OtherSchema { .. })), "{planned:?}");
    Store::open(url.clone(), place.clock.clone()).await.unwrap();
    let nowhere = url.with_schema("nowhere".parse().unwrap());
    place.execute("DROP SCHEMA wards CASCADE").await.unwrap();
    let opened = Store::open(nowhere, place.clock.clone()).await;
    assert!(matches!(&opened, Err(StoreError::NotGranted(what)) if what.contains("nowhere")), "{opened:?}");
}
