//! What hospital systems let two nodes write at once.

use std::time::Duration;

use jiff::SignedDuration;

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
