//! Opening a store of an earlier version migrates it with all its data.

use super::fixtures::DirectConnection;
use super::*;
use crate::audit::fixtures::Repeating;
use crate::audit::{RowHash, Signer as _, signed_bytes};
use crate::store::migration::pending::Pending;
use crate::store::migration::plan::{MigrationPlan, Volume};

battery! {
    data_of_an_earlier_version_reads_unchanged,
}

// The number of a migration in the documentation or in `store check` means the same on both databases.
#[test]
fn migrations_have_the_same_numbers_and_names_on_both_databases() {
    let of = |migrator: &sqlx::migrate::Migrator| {
        migrator.iter().map(|one| (one.version, one.description.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(of(&sqlite::migrator::MIGRATOR), of(&postgres::schema::MIGRATOR));
}

// Nodes compare the functions and triggers of the tables with those of their own migrations.
#[test]
fn the_plan_names_each_migration_that_stops_nodes_of_the_former_version() {
    const FIRST_COMPARED: i64 = 140;
    for migration in postgres::schema::MIGRATOR.iter().filter(|one| one.version > FIRST_COMPARED) {
        let sql = migration.sql.as_str();
        let changes = ["REPLACE FUNCTION", "ALTER FUNCTION", "CREATE TRIGGER", "DROP TRIGGER", "DROP INDEX"];
        let is_changed = changes.iter().any(|change| sql.contains(change));
        let number = migration.version.unsigned_abs();
        let migrations = vec![(number, String::new())];
        let pending = Pending { from: FIRST_COMPARED.unsigned_abs(), migrations };
        let plan = |creates| MigrationPlan::new(pending.clone(), creates, Volume::default());
        assert_eq!(plan(false).stops_former_nodes(), is_changed, "migration {number}");
        assert!(!plan(true).stops_former_nodes(), "no node serves a store that is not there");
    }
}

/// The last migration of the earlier version.
const EARLIER: i64 = 20;
const ROWS: u64 = 4_000;

async fn data_of_an_earlier_version_reads_unchanged(place: TestStore) {
    if !place.is_postgres() {
        std::fs::write(place.path(), b"").unwrap();
    }
    let mut direct = place.connect_directly().await;
    match &mut direct {
        DirectConnection::Sqlite(connection) => {
            sqlite::migrator::MIGRATOR.run_direct(Some(EARLIER), connection, false).await.unwrap()
        }
        DirectConnection::Postgres(connection) => {
            postgres::schema::MIGRATOR.run_direct(Some(EARLIER), connection, false).await.unwrap()
        }
    }
    direct.execute(&rows::sql(place.is_postgres(), 0, ROWS, ROWS)).await.unwrap();
    let identities = vec!["00A037EB2175780F".to_owned(), "\0\"A".to_owned()];
    let known = MessageRecord { identities, ..place.record("known", b"MSH|^~\\&|what was received\xff") };
    direct.execute(&insert(&known, place.is_postgres())).await.unwrap();
    let node = NodeName::from_hostname();
    let end = trail(&mut direct, &node, &place, &known).await;
    let before = everything(&mut direct, place.is_postgres()).await;
    assert_eq!(before.len() as u64, ROWS + 1 + end.number);

    let store = place.open().await;
    assert_eq!(everything(&mut direct, place.is_postgres()).await, before);
    let inspection = store.inspect().await.unwrap();
    assert!(inspection.schema > EARLIER.unsigned_abs());
    assert_eq!((inspection.messages, inspection.audit_rows), (ROWS + 1, end.number));
    assert!(inspection.damage.is_none_or(|damage| damage.is_empty()));

    // The message reads back byte for byte, and a resend of it is recognised.
    let stored = store.message(known.id).await.unwrap().unwrap();
    assert_eq!((&stored.raw, &stored.acknowledgement), (&known.raw, &known.acknowledgement));
    assert_eq!((&stored.identities, stored.peer), (&known.identities, known.peer));
    let resend = MessageRecord { id: place.record("known", b"").id, ..known.clone() };
    assert!(
        matches!(store.record(resend).await.unwrap(), RecordOutcome::Resend { original: of, .. } if of == known.id)
    );
    // Messages are found by their identities, and the trail continues.
    let all = store.messages(&MessageFilter { limit: 10_000, ..ANY }).await.unwrap();
    assert_eq!(all.len() as u64, ROWS + 1);
    for (name, found) in
        [("SUB-RARE", 40), ("SILENT", 600), ("00A037EB2175780F", 1), ("\0\"A", 1), ("UNKNOWN", 0)]
    {
        let filter = MessageFilter { identity: DeviceIdentity::parse(name), limit: 1000, ..ANY };
        assert_eq!(store.messages(&filter).await.unwrap().len(), found, "{name}");
    }
    store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    let intact = store.verify_audit(&Repeating).await.unwrap().remove(0).verdict.unwrap();
    assert_eq!((intact.end.number, intact.signature.unwrap().number), (end.number + 2, 40));
}

/// A literal of bytes.
fn literal(bytes: &[u8], postgres: bool) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if postgres { format!("'\\x{digits}'") } else { format!("x'{digits}'") }
}

/// The statement with which the earlier version stored `record`, with an identity that contains U+0000.
fn insert(record: &MessageRecord, postgres: bool) -> String {
    let bytes = |bytes: &[u8]| literal(bytes, postgres);
    let (application, id) = (&record.sending_application, &record.control_id);
    let correlation = |text: &str| format!("int8send({}) || convert_to('{text}', 'UTF8')", text.len());
    let (column, value) = if postgres {
        ("correlation, ", format!("sha256({} || {}), ", correlation(application), correlation(id)))
    } else {
        ("", String::new())
    };
    format!(
        "INSERT INTO message (id, received_at, device, session, fingerprint, peer, message_type, control_id,
            sending_application, {column}digest, warnings, identities, acknowledgement, raw)
         VALUES ({}, {}, '{}', '{}', '{}', '{}', '{}', '{id}', '{application}', {value}{}, '[]',
            '[\"00A037EB2175780F\",\"\\u0000\\\"A\"]', {}, {})",
        bytes(record.id.as_bytes()),
        record.received_at.as_microsecond(),
        record.device,
        record.session,
        record.fingerprint,
        record.peer,
        record.message_type,
        bytes(Fingerprint::sha256(&record.raw).as_bytes()),
        bytes(&record.acknowledgement),
        bytes(&record.raw)
    )
}

/// Writes fifty audit rows as the earlier version chained them, with a signature of the fortieth. Returns the
/// last of them.
async fn trail(
    direct: &mut DirectConnection,
    node: &NodeName,
    place: &TestStore,
    known: &MessageRecord,
) -> ChainHead {
    let postgres = place.is_postgres();
    let at = place.clock.now();
    let mut link = ChainHead::START;
    for n in 1..=50 {
        let event = if n == 41 {
            let signature = Repeating.sign(&signed_bytes(node, &link)).unwrap();
            Event::AuditSigned { link, signature, chains: Vec::new() }
        } else {
            Event::PlatformStopped { reason: StopReason::Requested }
        };
        let (name, details) = if n == 7 {
            let MessageRecord { id, session, device, .. } = known;
            let details = format!(r#"{{"device":"{device}","message":"{id}","session":"{session}"}}"#);
            ("message-accepted", details)
        } else {
            (event.name(), event.details())
        };
        link = link.next(node, at, name, &details);
        let hash = literal(RowHash::as_bytes(&link.hash), postgres);
        let row = format!(
            "INSERT INTO audit (node, number, at, event, details, hash)
             VALUES ('{node}', {n}, {}, '{}', '{details}', {hash})",
            at.as_microsecond(),
            name
        );
        direct.execute(&row).await.unwrap();
    }
    let hash = literal(link.hash.as_bytes(), postgres);
    let end =
        format!("INSERT INTO audit_end (node, number, hash) VALUES ('{node}', {}, {hash})", link.number);
    direct.execute(&end).await.unwrap();
    link
}

/// All messages and audit rows, in the columns of the earlier version.
async fn everything(direct: &mut DirectConnection, postgres: bool) -> Vec<String> {
    const MESSAGE: &str =
        "id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type,
        control_id, sending_application, digest, rejection, warnings, identities, acknowledgement, raw";
    const AUDIT: &str = "sequence, node, number, at, event, details, hash";
    let row = |columns: &str| {
        if postgres {
            return format!("ROW({columns})::text");
        }
        let columns: Vec<_> = columns.split(',').map(|column| format!("quote({})", column.trim())).collect();
        columns.join(" || ',' || ")
    };
    let messages = direct.texts(&format!("SELECT {} FROM message ORDER BY id", row(MESSAGE))).await;
    let audit = direct.texts(&format!("SELECT {} FROM audit ORDER BY sequence", row(AUDIT))).await;
    [messages, audit].concat()
}
