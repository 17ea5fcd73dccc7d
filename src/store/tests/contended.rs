//! What hospital systems let two nodes write at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::Fingerprint;
use crate::store::Store;
use crate::store::fixtures::{TestStore, cluster};

fn assertion(number: usize, of: &str) -> Fingerprint {
    Fingerprint::sha256(format!("{of}{number}").as_bytes())
}

async fn use_both(store: &Store, place: &TestStore, number: usize, order: [&str; 2]) -> [bool; 2] {
    let ends = place.clock.now() + SignedDuration::from_mins(5);
    let id = format!("{number}{}", order[0]);
    // The message waits in the same batch.
    let message = store.record(place.record(&id, b"message"));
    let [first, second] = order.map(|of| store.use_assertion(assertion(number, of), ends));
    let (message, first, second) = tokio::join!(message, first, second);
    message.unwrap();
    [first.unwrap(), second.unwrap()]
}

// A client that sent two assertions to two nodes, in the other order to each, let their writers wait for each
// other until the server ended one of them: with the messages of devices in the same transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_use_the_same_assertions_do_not_wait_for_each_other() {
    let place = TestStore::on_postgres();
    let nodes = [place.open_as("here").await, place.open_as("there").await];
    for number in 0..100 {
        let (here, there) = tokio::join!(
            use_both(&nodes[0], &place, number, ["X", "Y"]),
            use_both(&nodes[1], &place, number, ["Y", "X"]),
        );
        assert!(here[0] != there[1] && here[1] != there[0], "each counts once: {here:?} {there:?}");
    }
    for node in nodes {
        node.close().await;
    }
    let database = place.url();
    let database = database.rsplit('/').next().unwrap();
    let counted = format!("SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster::shared().sql("postgres", &counted), "0\n");
}

// A node that stops, is paused or cut off within such a transaction keeps it open until the server ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_do_not_wait_for_a_node_that_has_stopped() {
    let place = TestStore::on_postgres();
    let store = place.open_as("here").await;
    let sessions = async || {
        let all = "SELECT pid::text FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        place.connect_directly().await.texts(all).await
    };
    store.use_assertion(assertion(0, "X"), Timestamp::MAX).await.unwrap();
    let mut stopped = place.connect_directly().await;
    stopped
        .execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('pcd-platform ' || current_schema()))")
        .await
        .unwrap();
    let before = sessions().await;
    let waits = tokio::spawn({
        let (store, assertion) = (store.clone(), assertion(1, "X"));
        async move { store.use_assertion(assertion, Timestamp::MAX).await }
    });
    for number in 0..50 {
        store.record(place.record(&number.to_string(), b"message")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!waits.is_finished(), "it waits for the other node, and no message does");
    let after = sessions().await;
    assert!(
        before.iter().all(|one| after.contains(one)),
        "the session that writes goes on: {before:?} {after:?}"
    );
    stopped.execute("ROLLBACK").await.unwrap();
    assert!(waits.await.unwrap().unwrap(), "it is written afterwards");
    store.close().await;
}
