//! The store as its callers see it.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::Timestamp;
use sqlx::{Connection as _, SqliteConnection};

use super::fixtures::{Place, gateway};
use super::*;
use crate::audit::{Event, StopReason};
use crate::authz::DeviceKind;
use crate::hl7::AcknowledgeAs;
use crate::pcd::IdentityPattern;

const ANY: MessageFilter =
    MessageFilter { device: None, kind: None, since: None, rejected: false, before: None, limit: 100 };
const TRAIL: AuditFilter = AuditFilter { event: None, since: None, page: Page::After(0), limit: 100 };

async fn raw_connection(place: &Place) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", place.path().display())).await.unwrap()
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

async fn event_names(store: &Store) -> Vec<String> {
    store.audit_rows(&TRAIL).await.unwrap().into_iter().map(|row| row.event).collect()
}

#[tokio::test]
async fn what_was_recorded_reads_back_byte_for_byte_from_another_connection() {
    let place = Place::new();
    let store = place.open().await;
    let record = place.record("1", b"MSH|^~\\&|\xff\x00\r");
    assert_eq!(store.record(record.clone()).await.unwrap(), Recorded::Stored(record.id));

    // Another process sees it at once: it was committed before the answer.
    let other = place.open().await;
    let stored = other.message(record.id).await.unwrap().unwrap();
    assert_eq!(stored.raw, record.raw);
    assert_eq!(stored.acknowledgement, record.acknowledgement);
    assert_eq!(stored.session, record.session.to_string());
    assert_eq!(stored.fingerprint, record.fingerprint.to_string());
    assert_eq!(stored.peer, record.peer);
    assert_eq!(stored.identities, record.identities);
    let summary = MessageSummary {
        id: record.id,
        received_at: record.received_at,
        event_time: record.event_time,
        device: record.device,
        transaction: record.transaction,
        message_type: record.message_type,
        control_id: record.control_id,
        sending_application: record.sending_application,
        verdict: record.verdict,
        warnings: record.warnings,
        size: 12,
    };
    assert_eq!(stored.summary, summary);
    assert_eq!(other.messages(&ANY).await.unwrap(), [summary]);
    assert_eq!(event_names(&other).await, ["message-accepted"]);
    assert!(other.message(crate::model::MessageId::at(Timestamp::UNIX_EPOCH)).await.unwrap().is_none());
}

#[tokio::test]
async fn the_writer_synchronises_at_every_commit() {
    let place = Place::new();
    let location = sqlite::Location::parse(&place.url()).unwrap();
    let mut connection = location.connect().await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut connection).await.unwrap();
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"));
}

#[tokio::test]
async fn a_resend_is_answered_as_the_first_time_and_stored_once() {
    let place = Place::new();
    let store = place.open().await;
    let first = place.record("1", b"same");
    store.record(first.clone()).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let again =
        MessageRecord { acknowledgement: Bytes::from_static(b"another"), ..place.record("1", b"same") };
    let expected = Recorded::Resend { of: first.id, acknowledgement: first.acknowledgement };
    assert_eq!(store.record(again.clone()).await.unwrap(), expected);
    // Also after a restart, and through another handle.
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.record(again).await.unwrap(), expected);
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
    assert_eq!(event_names(&store).await, ["message-accepted"]);
}

#[tokio::test]
async fn of_one_batch_of_resends_one_is_stored() {
    let place = Place::new();
    let store = place.open().await;
    let outcomes = join_all((0..50).map(|_| store.record(place.record("1", b"same")))).await;
    let stored: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome.as_ref().unwrap() {
            Recorded::Stored(id) => Some(*id),
            Recorded::Resend { .. } => None,
        })
        .collect();
    assert_eq!(stored.len(), 1);
    for outcome in outcomes {
        if let Recorded::Resend { of, .. } = outcome.unwrap() {
            assert_eq!(of, stored[0]);
        }
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn in_a_mixed_batch_everybody_gets_the_answer_to_their_own_request() {
    let place = Place::new();
    let store = place.open().await;
    // Every fifth has the control id and the bytes of the one before it; something else comes between.
    let records: Vec<_> = (0..60_u32)
        .map(|n| MessageRecord {
            acknowledgement: Bytes::from(format!("acknowledgement {n}")),
            ..place.record(&(if n % 5 == 4 { n - 1 } else { n }).to_string(), b"message")
        })
        .collect();
    let outcomes = join_all(records.iter().enumerate().map(async |(n, record)| {
        let aside = async {
            if n % 7 == 6 {
                let event = Event::PlatformStopped { reason: StopReason::Requested };
                let device = gateway(&format!("GW-{n}"));
                let (audited, added) = tokio::join!(store.audit(event), store.add_device(device, "alice"));
                audited.and(added).unwrap();
            }
        };
        tokio::join!(store.record(record.clone()), aside).0.unwrap()
    }))
    .await;
    let stored = |n: usize| Recorded::Stored(records[n].id);
    let resend_of = |n: usize| {
        let acknowledgement = records[n].acknowledgement.clone();
        Recorded::Resend { of: records[n].id, acknowledgement }
    };
    for (five, outcomes) in outcomes.chunks(5).enumerate() {
        let first = five * 5;
        assert_eq!(outcomes[..3], [stored(first), stored(first + 1), stored(first + 2)]);
        // Whichever of the two the runtime let through first.
        let (one, other) = (first + 3, first + 4);
        let pair = [outcomes[3].clone(), outcomes[4].clone()];
        assert!(
            pair == [stored(one), resend_of(one)] || pair == [resend_of(other), stored(other)],
            "{one}: {pair:?}"
        );
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 48);
    let names = event_names(&store).await;
    let count = |name: &str| names.iter().filter(|event| *event == name).count();
    assert_eq!((count("message-accepted"), count("platform-stopped"), count("device-added")), (48, 8, 8));
}

#[tokio::test]
async fn a_record_that_is_handed_in_twice_is_stored_once() {
    let place = Place::new();
    let store = place.open().await;
    let record = place.record("1", b"message");
    store.record(record.clone()).await.unwrap();
    let again = store.record(record.clone()).await.unwrap();
    assert_eq!(again, Recorded::Resend { of: record.id, acknowledgement: record.acknowledgement.clone() });
    // A rejected one has its name for itself.
    let rejected = MessageRecord { id: record.id, ..place.rejected("1", b"message") };
    assert!(matches!(store.record(rejected).await, Err(StoreError::Refused(_))));
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_control_id_from_another_sender_is_another_message() {
    let place = Place::new();
    let store = place.open().await;
    let record = place.record("1", b"same");
    let other_device = MessageRecord { device: "PUMP-2".parse().unwrap(), ..place.record("1", b"same") };
    let other_application =
        MessageRecord { sending_application: "OTHER".to_owned(), ..place.record("1", b"same") };
    for record in [record, other_device, other_application] {
        let id = record.id;
        assert_eq!(store.record(record).await.unwrap(), Recorded::Stored(id));
        assert_eq!(store.message(id).await.unwrap().unwrap().summary.warnings, ["eui64-spelling"]);
    }
}

#[tokio::test]
async fn other_bytes_under_a_used_control_id_are_stored_with_a_warning() {
    let place = Place::new();
    let store = place.open().await;
    store.record(place.record("1", b"first")).await.unwrap();
    let second = place.record("1", b"second");
    assert_eq!(store.record(second.clone()).await.unwrap(), Recorded::Stored(second.id));
    let stored = store.message(second.id).await.unwrap().unwrap();
    assert_eq!(stored.summary.warnings, ["eui64-spelling", CONTROL_ID_REUSED]);
    // And both are known from now on.
    assert!(matches!(store.record(place.record("1", b"first")).await.unwrap(), Recorded::Resend { .. }));
    assert!(matches!(store.record(place.record("1", b"second")).await.unwrap(), Recorded::Resend { .. }));
}

#[tokio::test]
async fn rejected_messages_are_always_stored() {
    let place = Place::new();
    let store = place.open().await;
    for _ in 0..2 {
        let record = place.rejected("1", b"same");
        assert_eq!(store.record(record.clone()).await.unwrap(), Recorded::Stored(record.id));
    }
    // Once it is accepted, it is neither a resend nor a reused control id.
    let accepted = place.record("1", b"same");
    assert_eq!(store.record(accepted.clone()).await.unwrap(), Recorded::Stored(accepted.id));
    assert_eq!(store.message(accepted.id).await.unwrap().unwrap().summary.warnings, ["eui64-spelling"]);
    let rejected = place.rejected("1", b"same");
    assert_eq!(store.record(rejected.clone()).await.unwrap(), Recorded::Stored(rejected.id));
    assert_eq!(
        event_names(&store).await,
        ["message-rejected", "message-rejected", "message-accepted", "message-rejected"]
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_stored_fails_alone() {
    let place = Place::new();
    let store = place.open().await;
    let mut outside = raw_connection(&place).await;
    execute(
        &mut outside,
        "CREATE TRIGGER poison BEFORE INSERT ON audit WHEN NEW.details LIKE '%poison%'
         BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )
    .await
    .unwrap();
    let outcomes = join_all((0..20).map(|n| {
        let mut record = place.record(&n.to_string(), b"message");
        if n % 7 == 3 {
            record.device = "poison".parse().unwrap();
        }
        store.record(record)
    }))
    .await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        if n % 7 == 3 {
            assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
        } else {
            assert!(matches!(outcome, Ok(Recorded::Stored(_))), "{outcome:?}");
        }
    }
    // The message's row went with its audit row.
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 17);
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    assert!(rows.iter().map(|row| row.sequence).eq(1..=17));
}

#[tokio::test]
async fn the_audit_trail_only_grows() {
    let place = Place::new();
    let store = place.open().await;
    store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    let mut outside = raw_connection(&place).await;
    for sql in [
        "UPDATE audit SET event = 'nothing'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT 1, node, 9, 0, 'nothing', '{}', hash FROM audit",
        "INSERT OR REPLACE INTO audit SELECT 9, node, number, 0, 'nothing', '{}', hash FROM audit",
        "INSERT INTO audit SELECT 1, node, 9, 0, 'nothing', '{}', hash FROM audit WHERE TRUE
            ON CONFLICT DO UPDATE SET event = 'nothing'",
    ] {
        let error = execute(&mut outside, sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let details = r#"{"reason":"requested"}"#;
    let node = NodeName::of_host();
    let link = Link::START.next(&node, place.clock.now(), "platform-stopped", details);
    let row = AuditRow {
        sequence: 1,
        node,
        number: 1,
        at: place.clock.now(),
        event: "platform-stopped".to_owned(),
        details: details.to_owned(),
        hash: link.hash,
    };
    assert_eq!(store.audit_rows(&TRAIL).await.unwrap(), [row]);
}

#[tokio::test]
async fn the_audit_trail_is_read_by_page_event_and_time() {
    let place = Place::new();
    let store = place.open().await;
    for _ in 0..3 {
        store.audit(Event::PlatformStarted { version: "1".to_owned(), listen: vec![] }).await.unwrap();
        store.audit(Event::PlatformStopped { reason: StopReason::Fault }).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    let rows = async |filter: AuditFilter| -> Vec<u64> {
        store.audit_rows(&filter).await.unwrap().into_iter().map(|row| row.sequence).collect()
    };
    assert_eq!(rows(AuditFilter { page: Page::Latest, limit: 2, ..TRAIL }).await, [6, 5]);
    assert_eq!(rows(AuditFilter { page: Page::Before(5), limit: 2, ..TRAIL }).await, [4, 3]);
    assert_eq!(rows(AuditFilter { page: Page::After(4), ..TRAIL }).await, [5, 6]);
    let event = Some("platform-started".to_owned());
    assert_eq!(rows(AuditFilter { event, page: Page::Latest, ..TRAIL }).await, [5, 3, 1]);
    let since = Some(place.clock.now() - jiff::SignedDuration::from_secs(61));
    assert_eq!(rows(AuditFilter { since, ..TRAIL }).await, [5, 6]);
}

#[tokio::test]
async fn messages_are_listed_by_device_type_time_verdict_and_page() {
    let place = Place::new();
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..6_u32 {
        let mut record = place.record(&n.to_string(), b"message");
        if n == 1 {
            record.device = "PUMP-2".parse().unwrap();
        }
        if n == 2 {
            record.transaction = None;
            record.message_type = "ADT^A01".to_owned();
        }
        if n >= 4 {
            record.verdict = Verdict::Rejected { code: "type".to_owned() };
        }
        ids.push(record.id);
        store.record(record).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    let list = async |filter: MessageFilter| -> Vec<usize> {
        let found = store.messages(&filter).await.unwrap();
        found.iter().map(|message| ids.iter().position(|id| *id == message.id).unwrap()).collect()
    };
    assert_eq!(list(ANY).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(list(MessageFilter { limit: 2, ..ANY }).await, [5, 4]);
    assert_eq!(list(MessageFilter { before: Some(ids[4]), limit: 2, ..ANY }).await, [3, 2]);
    assert_eq!(list(MessageFilter { device: Some("PUMP-2".parse().unwrap()), ..ANY }).await, [1]);
    assert_eq!(list(MessageFilter { kind: Some("ADT^A01".to_owned()), ..ANY }).await, [2]);
    assert_eq!(list(MessageFilter { kind: Some("PCD-01".to_owned()), ..ANY }).await, [5, 4, 3, 1, 0]);
    assert_eq!(list(MessageFilter { rejected: true, ..ANY }).await, [5, 4]);
    let since = Some(place.clock.now() - jiff::SignedDuration::from_secs(120));
    assert_eq!(list(MessageFilter { since, ..ANY }).await, [5, 4]);
}

#[tokio::test]
async fn the_directory_keeps_what_it_is_told_and_accounts_for_it() {
    let place = Place::new();
    let store = place.open().await;
    let entry = gateway("GATEWAY-1");
    store.add_device(entry.clone(), "alice").await.unwrap();
    assert_eq!(store.device(&entry.id).await.unwrap(), Some(entry.clone()));
    let again = store.add_device(entry.clone(), "alice").await;
    assert!(matches!(again, Err(StoreError::DeviceExists(id)) if id == entry.id));

    store.set_device_status(&entry.id, DeviceStatus::Suspended, "bob").await.unwrap();
    let described = Device {
        kind: DeviceKind::Device,
        speaks_for: vec![IdentityPattern::any()],
        acknowledge: AcknowledgeAs::Original,
        note: String::new(),
        ..entry.clone()
    };
    store.describe_device(described.clone(), "bob").await.unwrap();
    let expected = Device { status: DeviceStatus::Suspended, ..described.clone() };
    assert_eq!(store.devices().await.unwrap(), [expected]);
    store.set_device_status(&entry.id, DeviceStatus::Active, "bob").await.unwrap();
    store.remove_device(&entry.id, "bob").await.unwrap();
    assert_eq!(store.device(&entry.id).await.unwrap(), None);

    let unknown = |outcome| matches!(outcome, Err(StoreError::DeviceUnknown(_)));
    assert!(unknown(store.remove_device(&entry.id, "bob").await));
    assert!(unknown(store.set_device_status(&entry.id, DeviceStatus::Active, "bob").await));
    assert!(unknown(store.describe_device(described, "bob").await));

    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.details.as_str())).collect();
    let by_bob = r#"{"actor":"bob","device":"GATEWAY-1"}"#;
    assert_eq!(
        rows,
        [
            (
                "device-added",
                r#"{"acknowledge":"as-asked","actor":"alice","device":"GATEWAY-1","kind":"gateway","speaks-for":["00A037*","0004A30000000001"],"status":"active"}"#
            ),
            ("device-suspended", by_bob),
            (
                "device-changed",
                r#"{"acknowledge":"original","actor":"bob","device":"GATEWAY-1","kind":"device","speaks-for":["*"]}"#
            ),
            ("device-resumed", by_bob),
            ("device-removed", by_bob),
        ]
    );
}

#[tokio::test]
async fn a_list_of_devices_comes_in_whole_or_not_at_all() {
    let place = Place::new();
    let store = place.open().await;
    let list = |names: &[&str]| names.iter().map(|name| gateway(name)).collect::<Vec<_>>();
    let twice = store.add_devices(list(&["A", "B", "A"]), "alice").await;
    assert!(matches!(twice, Err(StoreError::DeviceExists(id)) if id.as_str() == "A"));
    assert!(store.devices().await.unwrap().is_empty());
    assert!(event_names(&store).await.is_empty());
    store.add_devices(list(&["B", "A"]), "alice").await.unwrap();
    let names: Vec<_> =
        store.devices().await.unwrap().into_iter().map(|device| device.id.to_string()).collect();
    assert_eq!(names, ["A", "B"]);
}

#[tokio::test]
async fn a_change_of_the_directory_shows_in_every_process() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    let id = gateway("A").id;
    let mut seen = here.device_revision().await.unwrap();
    let mut grown = async || {
        let now = here.device_revision().await.unwrap();
        let grown = now > seen;
        seen = now;
        grown
    };
    assert!(!grown().await);
    there.add_device(gateway("A"), "alice").await.unwrap();
    assert!(grown().await);
    there.set_device_status(&id, DeviceStatus::Suspended, "alice").await.unwrap();
    assert!(grown().await);
    there.describe_device(gateway("A"), "alice").await.unwrap();
    assert!(grown().await);
    there.remove_device(&id, "alice").await.unwrap();
    assert!(grown().await);
    there.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    assert!(!grown().await);
}

#[tokio::test]
async fn many_processes_may_open_a_new_store_at_once() {
    let place = Place::new();
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let (url, clock) = (place.url(), place.clock.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let store = Store::open(&url, clock).await?;
                    store.check().await?;
                    store.close().await;
                    Ok::<_, StoreError>(())
                })
            })
        })
        .collect();
    for thread in opened {
        thread.join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_at_once_and_passes_when_there_is_space() {
    let place = Place::new();
    let mut location = sqlite::Location::parse(&place.url()).unwrap();
    location.max_pages = Some(64);
    let store = Store::with(NodeName::of_host(), location, place.clock.clone()).await.unwrap();
    static LARGE: [u8; 16 * 1024] = [b'x'; 16 * 1024];

    let fill = join_all((0..20).map(|n| store.record(place.record(&n.to_string(), &LARGE))));
    let outcomes = tokio::time::timeout(Duration::from_secs(5), fill).await.unwrap();
    for outcome in outcomes {
        // One transaction, too large as a whole: nobody is told that it was stored.
        assert!(matches!(outcome, Ok(_) | Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    let mut kept = store.messages(&ANY).await.unwrap().len();
    let full = loop {
        match store.record(place.record(&format!("more {kept}"), &LARGE)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Unavailable(_)), "{full:?}");
    assert_eq!(store.messages(&ANY).await.unwrap().len(), kept);

    let mut outside = raw_connection(&place).await;
    execute(&mut outside, "DELETE FROM message").await.unwrap();
    let record = place.record("after", &LARGE);
    assert_eq!(store.record(record.clone()).await.unwrap(), Recorded::Stored(record.id));
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_another_process_holds_is_unavailable_in_bounded_time_and_comes_back() {
    let place = Place::new();
    let store = place.open().await;
    let mut outside = raw_connection(&place).await;
    execute(&mut outside, "BEGIN IMMEDIATE").await.unwrap();
    let (checked, recorded) = tokio::join!(store.check(), store.record(place.record("1", b"message")));
    assert!(matches!(checked, Err(StoreError::Unavailable(_) | StoreError::Timeout(_))), "{checked:?}");
    assert!(matches!(recorded, Err(StoreError::Unavailable(_))), "{recorded:?}");
    // Reading goes on meanwhile.
    assert!(store.messages(&ANY).await.unwrap().is_empty());
    execute(&mut outside, "ROLLBACK").await.unwrap();
    store.check().await.unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_store_closes() {
    let place = Place::new();
    let store = place.open().await;
    let records: Vec<_> = (0..30)
        .map(|n| {
            tokio::spawn({
                let (store, record) = (store.clone(), place.record(&n.to_string(), b"message"));
                async move { store.record(record).await }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut stored = 0;
    for record in records {
        match record.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, StoreError::Closed), "{error:?}"),
        }
    }
    assert!(stored > 0);
    assert!(matches!(store.record(place.record("late", b"message")).await, Err(StoreError::Closed)));
    assert!(matches!(store.check().await, Err(StoreError::Closed)));
    assert_eq!(place.open().await.messages(&ANY).await.unwrap().len(), stored);
}

#[tokio::test]
async fn only_the_owner_reads_the_files() {
    let place = Place::new();
    let store = place.open().await;
    store.record(place.record("1", b"message")).await.unwrap();
    for ending in ["", "-wal", "-shm"] {
        let path = format!("{}{ending}", place.path().display());
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{ending}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_why() {
    let place = Place::new();
    for url in ["", "platform.db", "sqlite:", "sqlite::memory:", "sqlite:a?mode=memory", "postgres://host/db"]
    {
        let opened = Store::open(url, place.clock.clone()).await;
        assert!(matches!(opened, Err(StoreError::Url)), "{url}");
    }
    // Where a directory would have to be made stands a file.
    std::fs::write(place.path(), [b'x'; 4096]).unwrap();
    let nowhere = format!("sqlite:{}", place.path().join("in-a-file.db").display());
    let opened = Store::open(&nowhere, place.clock.clone()).await;
    assert!(matches!(opened, Err(StoreError::Open { .. })), "{opened:?}");

    let opened = Store::open(&place.url(), place.clock.clone()).await;
    assert!(matches!(opened, Err(StoreError::Open { .. } | StoreError::Corrupt { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_store_of_a_later_version_is_left_alone() {
    let place = Place::new();
    place.open().await.close().await;
    let mut outside = raw_connection(&place).await;
    execute(
        &mut outside,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .await
    .unwrap();
    let opened = Store::open(&place.url(), place.clock.clone()).await;
    assert!(matches!(opened, Err(StoreError::Schema(_))), "{opened:?}");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_damage_and_no_panic() {
    let place = Place::new();
    let store = place.open().await;
    let record = place.record("1", b"message");
    store.record(record.clone()).await.unwrap();
    let mut outside = raw_connection(&place).await;
    execute(&mut outside, "UPDATE message SET peer = 'nowhere'").await.unwrap();
    let read = store.message(record.id).await;
    assert!(matches!(read, Err(StoreError::Corrupt { place: "message.peer", .. })), "{read:?}");
}

#[test]
fn no_content_is_shown_by_debug() {
    let place = Place::new();
    let record = place.record("1", b"PID|1||SECRET");
    let resend = Recorded::Resend { of: record.id, acknowledgement: Bytes::from_static(b"SECRET") };
    let shown = format!("{record:?} {resend:?}");
    assert!(!shown.contains("SECRET") && !shown.contains("83, 69"), "{shown}");
}

#[tokio::test]
async fn identities_that_were_not_allowed_are_remembered_and_counted_once_per_message() {
    let place = Place::new();
    let store = place.open().await;
    let seen = |id: &'static str, not_allowed: &[&str]| MessageRecord {
        not_allowed: not_allowed.iter().map(|&identity| identity.to_owned()).collect(),
        ..place.record(id, b"message")
    };
    store.record(seen("1", &["A", "B"])).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    store.record(seen("2", &["A"])).await.unwrap();
    store.record(seen("2", &["A"])).await.unwrap();
    let pump: DeviceId = "PUMP-1".parse().unwrap();
    let known = store.seen_identities(&pump).await.unwrap();
    let shown: Vec<_> = known
        .iter()
        .map(|seen| (seen.identity.as_str(), seen.messages, seen.last.duration_since(seen.first).as_secs()))
        .collect();
    assert_eq!(shown, [("A", 2, 60), ("B", 1, 0)], "a resend is no second message");
    assert!(store.seen_identities(&"PUMP-2".parse().unwrap()).await.unwrap().is_empty());

    // A device that makes identities up fills no disk; what came last stays.
    for n in 0..3 {
        place.clock.advance(Duration::from_secs(1));
        let many = (0..200).map(|i| format!("M{n}-{i:03}")).collect();
        let raw = Bytes::from(format!("message {n}"));
        let record = MessageRecord { not_allowed: many, raw, ..place.record("3", b"") };
        store.record(record).await.unwrap();
    }
    let known = store.seen_identities(&pump).await.unwrap();
    assert_eq!(known.len(), 256);
    assert_eq!(known.iter().filter(|seen| seen.identity.starts_with("M2-")).count(), 200);
}
