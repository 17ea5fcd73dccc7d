//! A server that fails: senders are told within a bounded time, nothing that was acknowledged is lost, and the store
//! comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::relay::{Cut, Relay};
use super::*;
use crate::audit::fixtures::Repeating;
use crate::store::fixtures::cluster::{self, Cluster};

/// How long anything may take that must not last.
const BOUND: Duration = Duration::from_secs(30);

async fn bounded<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, what).await.expect("an answer in a bounded time")
}

/// How often the server is disturbed; `PCD_TEST_KILL_CYCLES=50` for a long run.
fn cycles() -> usize {
    std::env::var("PCD_TEST_KILL_CYCLES").map_or(2, |cycles| cycles.parse().unwrap())
}

/// Sends messages until told to stop; each again and again until it is acknowledged, as a device does. The control ids.
async fn sender(store: Store, place: Arc<Place>, name: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let id = format!("{name}-{}", acknowledged.len());
        let raw = Bytes::from(format!("message {id}"));
        loop {
            let record = MessageRecord { raw: raw.clone(), ..place.record(&id, b"") };
            match bounded(store.record(record)).await {
                Ok(_) => break,
                Err(StoreError::Refused(error)) => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        acknowledged.push(id);
    }
    acknowledged
}

/// Eight senders, while `disturb` does something to the server; then everything that was acknowledged has to be there.
async fn under_load(disturb: fn(&Cluster)) {
    let server = Arc::new(tokio::task::spawn_blocking(Cluster::start).await.unwrap());
    let place = Arc::new(Place::of(&server));
    let store = place.open().await;
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..8)
        .map(|name| tokio::spawn(sender(store.clone(), Arc::clone(&place), name, Arc::clone(&stop))))
        .collect();
    for cycle in 0..cycles() {
        tokio::time::sleep(Duration::from_millis(200 + 37 * (cycle as u64 % 7))).await;
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || disturb(&server)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::SeqCst);
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    assert!(acknowledged.len() > 8 * cycles(), "only {} were acknowledged", acknowledged.len());
    bounded(store.check()).await.unwrap();
    let reports = store.verify_audit(&Repeating).await.unwrap();
    assert!(reports.iter().all(|report| report.verdict.is_ok()), "{reports:?}");
    store.close().await;

    let store = place.open().await;
    let all = MessageFilter { limit: 10_000_000, ..ANY };
    let mut stored: Vec<_> =
        store.messages(&all).await.unwrap().into_iter().map(|message| message.control_id).collect();
    stored.sort();
    acknowledged.sort();
    assert_eq!(stored, acknowledged, "each exactly once");
}

#[tokio::test]
async fn a_server_that_is_restarted_under_load_loses_nothing() {
    under_load(|server| {
        server.stop();
        server.restart();
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_killed_under_load_loses_nothing() {
    under_load(|server| {
        server.crash();
        server.restart();
    })
    .await;
}

#[tokio::test]
async fn connections_that_are_ended_under_load_lose_nothing() {
    under_load(|server| {
        server.sql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pcd-platform'",
        );
    })
    .await;
}

#[tokio::test]
async fn while_the_server_is_away_senders_are_told_so_and_then_it_goes_on() {
    let server = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let place = Place::of(&server);
    let store = place.open().await;
    server.stop();
    for n in 0..3 {
        let outcome = bounded(store.record(place.record(&n.to_string(), b"message"))).await;
        let error = outcome.unwrap_err();
        assert!(crate::model::explained(&error).contains("check that the server runs"), "{error:?}");
        assert!(bounded(store.check()).await.is_err());
        assert!(bounded(store.messages(&ANY)).await.is_err());
    }
    server.restart();
    bounded(async {
        while store.check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    store.record(place.record("1", b"message")).await.unwrap();
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let server = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let place = Place::of(&server);
    let store = place.open().await;
    server.freeze();
    let outcome = bounded(store.record(place.record("1", b"message"))).await;
    assert!(matches!(outcome, Err(StoreError::Timeout(_))), "{outcome:?}");
    server.thaw();
    bounded(async {
        while store.record(place.record("1", b"message")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_of_which_nobody_knows_is_answered_no_and_its_resend_is_found() {
    let place = Place::on_postgres();
    let relay = Relay::start(cluster::shared()).await;
    let store = Store::open(&relay.url(&place.url()), place.clock.clone()).await.unwrap();
    let record = place.record("1", b"message");
    relay.arm(Cut::AfterCommit);
    let outcome = bounded(store.record(record.clone())).await;
    assert!(matches!(outcome, Err(StoreError::Unreachable(_))), "{outcome:?}");
    assert!(relay.has_cut());
    let resend = place.record("1", b"message");
    let expected = Recorded::Resend { of: record.id, acknowledgement: record.acknowledgement };
    assert_eq!(bounded(store.record(resend)).await.unwrap(), expected);

    // The other way round: the sender is told no as well, and nothing was kept.
    relay.arm(Cut::BeforeCommit);
    let outcome = bounded(store.record(place.record("2", b"message"))).await;
    assert!(matches!(outcome, Err(StoreError::Unreachable(_))), "{outcome:?}");
    assert!(relay.has_cut());
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
    let resend = place.record("2", b"message");
    assert_eq!(bounded(store.record(resend.clone())).await.unwrap(), Recorded::Stored(resend.id));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_commit_is_nobody_elses_business() {
    let place = Place::on_postgres();
    let relay = Relay::start(cluster::shared()).await;
    let store = Store::open(&relay.url(&place.url()), place.clock.clone()).await.unwrap();
    for n in 0..3 {
        relay.arm(Cut::BeforeRows);
        let record = place.record(&n.to_string(), b"message");
        assert_eq!(bounded(store.record(record.clone())).await.unwrap(), Recorded::Stored(record.id));
        assert!(relay.has_cut());
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 3);
    assert_eq!(event_names(&store).await, ["message-accepted"; 3]);
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let place = Place::on_postgres();
    let store = place.open().await;
    store.record(place.record("0", b"message")).await.unwrap();
    let mut outside = place.outside().await;
    // The server chooses whoever has waited for deadlock_timeout: not this one.
    let hold = "SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE";
    outside.execute(hold).await.unwrap();
    let (record, ()) = tokio::join!(bounded(store.record(place.record("1", b"message"))), async {
        // Its row is in, and it waits for the audit trail.
        tokio::time::sleep(Duration::from_millis(300)).await;
        bounded(outside.execute("LOCK TABLE message IN SHARE MODE; ROLLBACK")).await.unwrap();
    });
    assert!(matches!(record, Ok(Recorded::Stored(_))), "{record:?}");
    assert_eq!(event_names(&store).await, ["message-accepted"; 2]);
    let database = place.url();
    let database = database.rsplit('/').next().unwrap();
    let counted = format!("SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'");
    bounded(async {
        while cluster::shared().sql("postgres", &counted) == "0\n" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}
