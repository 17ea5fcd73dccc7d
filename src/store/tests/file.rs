//! Tests of the store on SQLite.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::audit::fixtures::Repeating;
use crate::store::handle::Opener;
use crate::store::instance::process::ProcessId;
use crate::store::read::reader::Reader;
use crate::store::write::queue::Queue;

#[tokio::test]
async fn the_writer_synchronises_at_every_commit() {
    let place = TestStore::new();
    let location = sqlite::location::Location::parse(&StoreUrl::new(place.url())).unwrap();
    place.open().await.close().await;
    let connection = location.connect_to_write().unwrap();
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"));
}

#[tokio::test]
async fn committed_pages_are_checkpointed_besides_the_writer() {
    let place = TestStore::new();
    let store = place.open().await;
    let large = incompressible(64 * 1024);
    // More pages than the minimum of the checkpoint thread, and fewer than the writer would checkpoint
    // itself.
    for n in 0..80 {
        store.record(place.record(&n.to_string(), large)).await.unwrap();
    }
    let direct =
        sqlite::location::Location::parse(&StoreUrl::new(place.url())).unwrap().connect_to_write().unwrap();
    let moved = || direct.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(2)).unwrap();
    let wait = async {
        while moved() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_at_once_and_recovers_when_there_is_space() {
    let place = TestStore::new();
    let mut location = sqlite::location::Location::parse(&StoreUrl::new(place.url())).unwrap();
    location.max_pages = Some(145);
    sqlite::open::prepare(&location, MigrationPolicy::Always).await.unwrap();
    let (writer, pool) = sqlite::open::open(location, OwnChain::new(NodeName::from_hostname())).unwrap();
    let queue = Queue::start(writer);
    let (url, clock) = (StoreUrl::new(place.url()), place.clock.clone());
    let opener = Opener {
        chain: OwnChain::new(NodeName::from_hostname()),
        process: ProcessId::new(clock.now()),
        instance: None,
    };
    let store = Store::new(queue, Reader::Sqlite(pool), url, opener, clock, Default::default(), None);
    let large = incompressible(16 * 1024);

    let fill = join_all((0..20).map(|n| store.record(place.record(&n.to_string(), large))));
    let outcomes = tokio::time::timeout(Duration::from_secs(30), fill).await.unwrap();
    for outcome in outcomes {
        // One transaction, too large as a whole: no caller gets a success for a message that was not stored.
        assert!(matches!(outcome, Ok(_) | Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    let mut kept = store.messages(&ANY).await.unwrap().len();
    let full = loop {
        match store.record(place.record(&format!("more {kept}"), large)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Unavailable(_)), "{full:?}");
    assert_eq!(store.messages(&ANY).await.unwrap().len(), kept);

    place.execute("DELETE FROM message").await.unwrap();
    let record = place.record("after", large);
    assert_eq!(store.record(record.clone()).await.unwrap(), RecordOutcome::Stored(record.id));
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

/// Bytes that compression does not shrink (Knuth's MMIX generator).
fn incompressible(length: usize) -> &'static [u8] {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    let bytes = std::iter::successors(Some(1_u64), next).map(|state| state.to_be_bytes()[0]);
    bytes.take(length).collect::<Vec<_>>().leak()
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let place = TestStore::new();
    let store = place.open().await;
    store.record(place.record("1", b"message")).await.unwrap();
    for ending in ["", "-wal", "-shm"] {
        let path = format!("{}{ending}", place.path().display());
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{ending}");
    }
}

#[tokio::test]
async fn opening_reports_why_a_store_cannot_be_opened() {
    let place = TestStore::new();
    for url in ["", "platform.db", "sqlite:", "sqlite::memory:", "sqlite:a?mode=memory", "postgres://host"] {
        let opened = Store::open(url, place.clock.clone()).await;
        assert!(matches!(opened, Err(StoreError::Url)), "{url}");
    }
    // A file in the place of the directory.
    std::fs::write(place.path(), [b'x'; 4096]).unwrap();
    let nowhere = format!("sqlite:{}", place.path().join("in-a-file.db").display());
    let opened = Store::open(&nowhere, place.clock.clone()).await;
    assert!(matches!(opened, Err(StoreError::Access(_))), "{opened:?}");

    let opened = Store::open(&place.url(), place.clock.clone()).await;
    assert!(matches!(opened, Err(StoreError::NotDatabase { .. })), "{opened:?}");
}

/// A foreign key would run the triggers of its table in a transaction of the platform.
#[tokio::test]
async fn a_table_that_refers_to_messages_gets_nothing_run() {
    let place = TestStore::new();
    let store = Store::open(&place.url(), place.clock.clone()).await.unwrap();
    // An identifier of this clock: the others are later than any that the tests of this process have had.
    let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
    store.record(MessageRecord { id, ..place.record("old", b"1") }).await.unwrap();
    place.clock.advance(Duration::from_secs(86_400));
    let before = place.clock.now();
    store.record(place.record("new", b"2")).await.unwrap();
    place
        .execute(
            "CREATE TABLE mine (message BLOB REFERENCES message (id) ON DELETE CASCADE);
             CREATE TRIGGER mine AFTER DELETE ON mine BEGIN DELETE FROM message WHERE control_id = 'new'; END;
             INSERT INTO mine SELECT id FROM message WHERE control_id = 'old'",
        )
        .await
        .unwrap();
    assert_eq!(store.prune_messages(before, &Repeating).await.unwrap(), 1);
    let left = store.messages(&ANY).await.unwrap();
    assert_eq!(left.iter().map(|message| message.control_id.as_str()).collect::<Vec<_>>(), ["new"]);
}

/// A row that SQLite itself refuses. What the documentation says removes it, and no message is lost.
#[tokio::test]
async fn a_row_that_makes_the_schema_of_a_file_unreadable_needs_no_backup() {
    let place = TestStore::new();
    let store = Store::open(&place.url(), place.clock.clone()).await.unwrap();
    store.record(place.record("1", b"1")).await.unwrap();
    let write = |sql: &str| {
        let file = rusqlite::Connection::open(place.path()).unwrap();
        file.execute_batch(&format!("PRAGMA writable_schema = ON; {sql}; PRAGMA writable_schema = RESET"))
    };
    write(
        "INSERT INTO sqlite_schema VALUES ('trigger', 'mine', 'probe', 0,
             'CREATE TRIGGER other AFTER INSERT ON message BEGIN SELECT 1; END')",
    )
    .unwrap_or_default();
    // The connection that is open has read the schema before.
    let refused = store.record(place.record("2", b"2")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Risky(_)), "{refused:?}");
    let opened = Store::open(&place.url(), place.clock.clone()).await.unwrap_err();
    assert!(matches!(opened, StoreError::Malformed(_)), "{opened:?}");
    let text = crate::model::explained(&opened);
    assert!(text.contains("mine") && text.contains("remove that row"), "{text}");
    write("DELETE FROM sqlite_schema WHERE name = 'mine'").unwrap();
    store.record(place.record("2", b"2")).await.unwrap();
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 2);
}
