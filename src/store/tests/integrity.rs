//! Tables that are no longer what the migrations made. The tests that open the store with
//! [`TestStore::open`] accept triggers; these accept nothing. Each difference of a server has its risk:
//! see [`super::differences`].

use super::*;
use crate::audit::fixtures::Repeating;
use crate::model::{SchemaName, StoreRisk, StoreRisks};

pub(super) async fn open(place: &TestStore) -> Result<Store, StoreError> {
    Store::open(&place.url(), place.clock.clone()).await
}

pub(super) fn risks(outcome: Result<impl Sized, StoreError>) -> Vec<&'static str> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(StoreError::Risky(found)) => {
            assert!(found.iter().all(|risk| !found.objects(risk).is_empty()), "each has a place: {found}");
            found.iter().map(StoreRisk::code).collect()
        }
        Err(error) => panic!("{error:?}"),
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
