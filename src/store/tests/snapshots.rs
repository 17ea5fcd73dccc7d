//! Tests of the store on PostgreSQL while another transaction has an open snapshot, as `pg_dump` has.

use super::*;
use crate::store::fixtures::DirectConnection;

/// Opens a snapshot that lasts until the connection is dropped.
async fn snapshot(place: &TestStore) -> DirectConnection {
    let mut connection = place.connect_directly().await;
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM audit").await.unwrap();
    connection
}

async fn store(place: &TestStore, number: usize) -> Store {
    let store = place.open().await;
    write(&store, place, 0, number).await;
    store
}

/// One message a batch.
async fn write(store: &Store, place: &TestStore, from: usize, number: usize) {
    for n in from..from + number {
        let raw = n.to_string().into();
        store.record(MessageRecord { raw, ..place.record(&n.to_string(), b"") }).await.unwrap();
    }
}

// The server removes old versions of a row only when no snapshot can see them. A batch that updated one row
// would read all of its versions, more with each batch.
#[tokio::test]
async fn batches_update_no_row_while_a_snapshot_is_open() {
    let place = TestStore::on_postgres();
    let store = store(&place, 2).await;
    let mut open = snapshot(&place).await;
    let mut direct = place.connect_directly().await;
    let mut version = async || direct.texts("SELECT ctid::text || ' ' || xmin::text FROM audit_end").await;
    let before = version().await;
    write(&store, &place, 2, 50).await;
    for _ in 0..10 {
        // A resend goes the slow path.
        write(&store, &place, 0, 1).await;
        write(&store, &place, 1000 + place.clock.now().as_second() as usize, 1).await;
        place.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(version().await, before, "the row of the chain is locked and not written");
    store.close().await;
    open.execute("ROLLBACK").await.unwrap();
    // Statistics of a process are complete when it has ended.
    let counted = "SELECT (n_tup_ins >= 62)::text FROM pg_stat_user_tables WHERE relname = 'message'";
    let deadline = Clock::system().instant() + Duration::from_secs(60);
    while direct.texts(counted).await != ["true"] && Clock::system().instant() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(direct.texts(counted).await, ["true"], "the statistics arrive");
    let updated = "SELECT relname || ' ' || n_tup_upd FROM pg_stat_user_tables
        WHERE n_tup_upd > 0 AND relname <> '_sqlx_migrations'";
    assert_eq!(direct.texts(updated).await, Vec::<String>::new());
}
