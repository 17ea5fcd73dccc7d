//! What was committed is read back over another session before it is acknowledged: whatever made the database
//! report a commit, and whether an examination could see it.

use super::*;
use crate::model::{StoreRisk, StoreRisks};

battery! {
    a_message_that_is_changed_as_it_is_stored_is_not_acknowledged,
    a_row_of_the_trail_that_is_changed_as_it_is_stored_acknowledges_nothing,
    a_resend_is_compared_with_the_row_that_it_repeats,
}

/// Accepts every risk that can be accepted, so that nothing but the comparison stops a message.
async fn open_at_any_risk(place: &TestStore) -> Store {
    let accepted: StoreRisks = StoreRisk::ALL.into_iter().filter(|risk| risk.is_acceptable()).collect();
    let url = StoreUrl::new(place.url()).with_accepted_risks(accepted);
    Store::open(url, place.clock.clone()).await.unwrap()
}

fn is_dropped(outcome: &Result<RecordOutcome, StoreError>, table: &str) -> bool {
    matches!(outcome, Err(StoreError::Dropped(of)) if *of == table)
}

async fn require_risk(store: &Store, object: &str) {
    let found = store.unaccepted_risks();
    assert_eq!(found.iter().collect::<Vec<_>>(), [StoreRisk::NotReadBack], "{found}");
    assert!(found.to_string().contains(object), "{found}");
    let ready = store.check().await;
    assert!(matches!(ready, Err(StoreError::Risky(_))), "{ready:?}");
}

/// The risk is over with a batch that was read back well, a moment after the last that was not.
async fn require_recovery(place: &TestStore, store: &Store) {
    tokio::time::sleep(Duration::from_millis(120)).await;
    store.record(place.record("afterwards", b"MSH|afterwards")).await.unwrap();
    assert!(!store.found_risks().set().contains(StoreRisk::NotReadBack), "{}", store.found_risks());
}

/// A trigger that changes what is stored, and that no examination sees or stops.
async fn a_message_that_is_changed_as_it_is_stored_is_not_acknowledged(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    let is_postgres = place.is_postgres();
    for number in 0..3 {
        store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
    }
    for (n, change) in
        ["raw = ''", "acknowledgement = ''", "session = 'x'", "identities = '[]'"].iter().enumerate()
    {
        let change = change.replace("= ''", if is_postgres { "= ''" } else { "= x''" });
        let (cause, end) = if is_postgres {
            let (column, value) = change.split_once(" = ").unwrap();
            (
                format!(
                    "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.{column} = {value};
                     RETURN NEW; END$$;
                     CREATE TRIGGER mine BEFORE INSERT ON message FOR EACH ROW WHEN (NEW.control_id LIKE 'changed%')
                     EXECUTE FUNCTION mine()"
                ),
                "DROP TRIGGER mine ON message; DROP FUNCTION mine",
            )
        } else {
            (
                format!(
                    "CREATE TRIGGER mine AFTER INSERT ON message WHEN NEW.control_id LIKE 'changed%'
                     BEGIN UPDATE message SET {change} WHERE id = NEW.id; END"
                ),
                "DROP TRIGGER mine",
            )
        };
        place.execute(&cause).await.unwrap();
        let (changed, whole) = tokio::join!(
            store.record(place.record(&format!("changed {n}"), b"MSH|1")),
            store.record(place.record(&format!("whole {n}"), b"MSH|2"))
        );
        assert!(is_dropped(&changed, "message"), "{change}: {changed:?}");
        assert!(whole.is_ok(), "{change}: {whole:?}");
        place.execute(end).await.unwrap();
    }
    let changed = store.record(place.record("changed 0", b"MSH|1")).await;
    assert!(is_dropped(&changed, "message"), "its resend finds the altered row: {changed:?}");
    require_risk(&store, "table message, message ").await;
    require_recovery(&place, &store).await;
    // A frame that is damaged later: its message is not acknowledged again.
    let raw = Bytes::from("MSH|^~\\&|ACME|WARD|||".repeat(20));
    let framed = MessageRecord { raw, ..place.record("framed", b"") };
    let again = MessageRecord { id: place.record("", b"").id, ..framed.clone() };
    store.record(framed).await.unwrap();
    place.execute("UPDATE message SET raw_size = raw_size + 1 WHERE control_id = 'framed'").await.unwrap();
    let again = store.record(again).await;
    assert!(is_dropped(&again, "message"), "{again:?}");
    require_recovery(&place, &store).await;
    store.check().await.unwrap();
}

async fn a_row_of_the_trail_that_is_changed_as_it_is_stored_acknowledges_nothing(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    store.record(place.record("1", b"MSH|")).await.unwrap();
    store.record(place.record("2", b"MSH|")).await.unwrap();
    let cause = if place.is_postgres() {
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.details = '{}'; RETURN NEW; END$$;
         CREATE TRIGGER mine BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION mine()"
    } else {
        "DROP TRIGGER audit_no_update;
         CREATE TRIGGER mine AFTER INSERT ON audit BEGIN UPDATE audit SET details = '{}' WHERE sequence = NEW.sequence; END"
    };
    place.execute(cause).await.unwrap();
    let refused = store.record(place.record("3", b"MSH|")).await;
    assert!(is_dropped(&refused, "audit"), "{refused:?}");
    let refused = store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await;
    assert!(matches!(refused, Err(StoreError::Dropped("audit"))), "{refused:?}");
}

async fn a_resend_is_compared_with_the_row_that_it_repeats(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    let large = Bytes::from("OBX|1|NA|||1^2^3\r".repeat(5_000));
    let record = |id: &str| MessageRecord { raw: large.clone(), ..place.record(id, b"") };
    for id in ["raw", "whole"] {
        assert!(matches!(store.record(record(id)).await, Ok(RecordOutcome::Stored(_))));
    }
    let empty = if place.is_postgres() { "''" } else { "x''" };
    place.execute(&format!("UPDATE message SET raw = {empty} WHERE control_id = 'raw'")).await.unwrap();
    let resent = store.record(record("raw")).await;
    assert!(is_dropped(&resent, "message"), "{resent:?}");
    let (resent, other) =
        tokio::join!(store.record(record("whole")), store.record(place.record("other", b"MSH|")));
    assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "{resent:?}");
    assert!(matches!(other, Ok(RecordOutcome::Stored(_))), "{other:?}");
    require_recovery(&place, &store).await;
}

/// Code of the database that is no trigger.
#[tokio::test]
async fn nothing_that_other_code_of_a_server_takes_away_is_acknowledged() {
    let operator_class = "
        CREATE SCHEMA evil;
        CREATE FUNCTION evil.compare(a bytea, b bytea) RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS
        $$BEGIN DELETE FROM public.message WHERE control_id LIKE '%7'; RETURN byteacmp(a, b); END$$;
        CREATE OPERATOR CLASS evil.ops FOR TYPE bytea USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
            OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 evil.compare(bytea, bytea);
        CREATE INDEX evil ON audit (hash evil.ops)";
    let cast = "
        CREATE FUNCTION nothing(b bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT ''::text$$;
        ALTER TABLE message ALTER raw TYPE text USING encode(raw, 'escape');
        CREATE CAST (bytea AS text) WITH FUNCTION nothing(bytea) AS ASSIGNMENT";
    let cut = "ALTER TABLE message ALTER peer TYPE \"char\", ALTER session TYPE \"char\"";
    let deferred = "
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN DELETE FROM message WHERE id = NEW.id AND control_id LIKE '%7'; RETURN NULL; END$$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION late()";
    for (name, cause, code) in [
        ("operator class", operator_class, "foreign-code"),
        ("cast", cast, "foreign-code"),
        ("cut", cut, "not-a-table"),
        ("deferred", deferred, "foreign-code"),
    ] {
        let place = TestStore::on_postgres();
        let store = open_at_any_risk(&place).await;
        for number in 0..3 {
            store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
        }
        place.execute(cause).await.unwrap();
        let refused = store.record(place.record("17", b"MSH|1")).await;
        assert!(is_dropped(&refused, "message"), "{name}: {refused:?}");
        // Nor does the examination accept it.
        let opened = Store::open(&place.url(), place.clock.clone()).await;
        let Err(StoreError::Risky(found)) = opened else { panic!("{name}: {opened:?}") };
        assert!(found.iter().any(|risk| risk.code() == code), "{name}: {found}");
    }
}

/// A lock on a catalog, by a user who owns nothing but the database, keeps the examination waiting.
#[tokio::test]
async fn nothing_is_acknowledged_while_the_tables_cannot_be_examined() {
    let place = TestStore::on_postgres();
    let store = Store::open(&place.url(), place.clock.clone()).await.unwrap();
    store.record(place.record("1", b"MSH|")).await.unwrap();
    let mut other = place.connect_directly().await;
    other.execute("BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    place.clock.advance(Duration::from_secs(5));
    let refused = store.record(place.record("2", b"MSH|")).await;
    let Err(StoreError::Risky(found)) = refused else { panic!("{refused:?}") };
    assert_eq!(found.iter().collect::<Vec<_>>(), [StoreRisk::Unexamined], "{found}");
    let ready = store.check().await;
    assert!(matches!(ready, Err(StoreError::Risky(_))), "{ready:?}");
    other.execute("ROLLBACK").await.unwrap();
    place.clock.advance(Duration::from_secs(2));
    store.record(place.record("2", b"MSH|")).await.unwrap();
    assert!(store.found_risks().is_empty());
}

/// A table that is put in the place of another one, with the number of the schema put back.
#[tokio::test]
async fn a_file_whose_tables_change_places_takes_no_acknowledged_message_with_it() {
    let place = TestStore::new();
    let store = Store::open(&place.url(), place.clock.clone()).await.unwrap();
    for number in 0..3 {
        store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
    }
    for number in 3..6 {
        exchange(&place, number).await;
        // It may be refused; then it is sent again.
        let first = store.record(place.record(&number.to_string(), b"MSH|")).await;
        if first.is_err() {
            store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
        }
        let mut direct = place.connect_directly().await;
        let found =
            direct.texts(&format!("SELECT control_id FROM message WHERE control_id = '{number}'")).await;
        assert_eq!(found, [number.to_string()]);
    }
}

/// As a program that writes the file: a copy of `message`, whose pages take the place of those of the table.
async fn exchange(place: &TestStore, number: u32) {
    let mut file = place.connect_directly().await;
    let decoy = format!("decoy{number}");
    file.execute("BEGIN IMMEDIATE").await.unwrap();
    let version =
        file.texts("SELECT CAST(schema_version AS TEXT) FROM pragma_schema_version").await.remove(0);
    let create = file.texts("SELECT sql FROM sqlite_master WHERE name = 'message'").await.remove(0);
    let of_message = "FROM sqlite_master WHERE tbl_name = 'message' AND type = 'index' ORDER BY name";
    let names = file.texts(&format!("SELECT name {of_message}")).await;
    let texts = file.texts(&format!("SELECT coalesce(sql, '') {of_message}")).await;
    file.execute(&create.replacen("message", &decoy, 1)).await.unwrap();
    file.execute(&format!("INSERT INTO {decoy} SELECT * FROM message; PRAGMA writable_schema = ON"))
        .await
        .unwrap();
    let mut pairs = vec![("message".to_owned(), decoy.clone())];
    for (name, text) in names.into_iter().zip(texts) {
        // That of the primary key has no text.
        let other = if text.is_empty() { name.replace("message", &decoy) } else { format!("{decoy}_{name}") };
        let text = text.replacen(&name, &other, 1).replacen(" ON message", &format!(" ON {decoy}"), 1);
        file.execute(&text).await.unwrap();
        pairs.push((name, other));
    }
    for (one, other) in pairs {
        let root =
            |name: &str| format!("SELECT CAST(rootpage AS TEXT) FROM sqlite_master WHERE name = '{name}'");
        let (first, second) =
            (file.texts(&root(&one)).await.remove(0), file.texts(&root(&other)).await.remove(0));
        for (name, page) in [(one, second), (other, first)] {
            let set = format!("UPDATE sqlite_master SET rootpage = {page} WHERE name = '{name}'");
            file.execute(&set).await.unwrap();
        }
    }
    file.execute(&format!("PRAGMA schema_version = {version}; COMMIT")).await.unwrap();
}
