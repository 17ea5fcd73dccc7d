//! What the log of a PostgreSQL server holds after conflicts that are expected: no error, which would come
//! with the statement and its names, and no table that the writer reads as a whole.

use super::*;
use crate::pcd::{AlertKey, AlertReport, Filler};
use crate::store::fixtures::cluster::Cluster;

async fn resend(store: &Store, place: &TestStore) {
    // In the same batch, in the same moment with others, and later.
    let copies = (0..10).map(|n| store.record(place.record(&(n / 2).to_string(), b"message")));
    let outcomes = join_all(copies).await;
    assert!(
        outcomes.iter().filter(|outcome| matches!(outcome, Ok(RecordOutcome::Resend { .. }))).count() >= 5
    );
    for n in 0..5 {
        let again = store.record(place.record(&n.to_string(), b"message")).await.unwrap();
        assert!(matches!(again, RecordOutcome::Resend { .. }), "{again:?}");
        // The fast path, which the batch before has left.
        store.record(place.record(&format!("new {n}"), b"other")).await.ok();
    }
}

async fn conflict(store: &Store, place: &TestStore) {
    resend(store, place).await;
    store.record(place.record("0", b"other bytes with a known control id")).await.unwrap();
    let filler = Filler { number: b"1".to_vec(), namespace: Vec::new(), assigner: Vec::new() };
    let (event, phase) = (b"196670".to_vec(), b"start".to_vec());
    let key = AlertKey { filler, event, phase, time: b"2026".to_vec(), equipment: Vec::new() };
    let alert = AlertReport { key, continues: None, device: Vec::new() };
    for id in ["alert 1", "alert 2", "alert 2"] {
        let raw = Bytes::copy_from_slice(id.as_bytes());
        let not_allowed = vec!["A".to_owned()];
        let record = MessageRecord { alerts: vec![alert.clone()], not_allowed, raw, ..place.record(id, b"") };
        store.record(record).await.unwrap();
    }
    let store = &with_pumps(place, store.clone()).await;
    let orders = join_all([store.queue(order(place)), store.queue(order(place))]).await;
    assert!(orders.iter().any(|outcome| matches!(outcome, Err(StoreError::AlreadyWaiting(_)))), "{orders:?}");
    let devices =
        join_all([store.add_device(gateway("A"), "alice"), store.add_device(gateway("A"), "alice")]).await;
    assert!(devices.iter().any(|outcome| matches!(outcome, Err(StoreError::DeviceExists(_)))), "{devices:?}");
    let unknown = store.remove_device(&gateway("B").id, "alice").await;
    assert!(matches!(unknown, Err(StoreError::DeviceUnknown(_))), "{unknown:?}");
    store.check().await.unwrap();
}

#[tokio::test]
async fn expected_conflicts_leave_no_error_in_the_servers_log() {
    let cluster = Cluster::start();
    let place = TestStore::on(&cluster);
    // Nodes that create the store at once, one of them twice.
    let names = ["one", "two", "three", "one"];
    let stores = join_all(names.map(|name| place.open_as(name))).await;
    for store in &stores {
        conflict(store, &place).await;
    }
    let log = cluster.log();
    assert!(!log.contains("ERROR") && !log.contains("STATEMENT"), "{log}");
}

/// The server counts what a table is read by; it publishes the counts a moment later.
#[tokio::test]
async fn a_message_is_stored_without_reading_a_table_as_a_whole() {
    const ROWS: u64 = 20_000;
    let cluster = Cluster::start();
    let place = TestStore::on(&cluster);
    place.open().await.close().await;
    place.execute(&rows::sql(true, 0, ROWS, ROWS)).await.unwrap();
    place.execute("VACUUM ANALYZE").await.unwrap();
    let counted = async |column: &str| -> u64 {
        let sql = format!("SELECT sum({column})::text FROM pg_stat_user_tables WHERE relname = 'message'");
        place.connect_directly().await.texts(&sql).await[0].parse().unwrap()
    };
    while counted("n_tup_ins").await < ROWS {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (whole, rows) = (counted("seq_scan").await, counted("n_tup_ins").await);
    let store = place.open().await;
    for n in 0..40 {
        store.record(place.record(&n.to_string(), b"message")).await.unwrap();
        store.record(place.record(&n.to_string(), b"message")).await.unwrap();
    }
    // A connection reports its counts when it ends.
    store.close().await;
    for _ in 0..600 {
        if counted("n_tup_ins").await >= rows + 40 {
            assert_eq!(counted("seq_scan").await, whole);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server has not counted the new messages");
}
