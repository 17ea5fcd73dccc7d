//! Failures of the server: callers get an error within a bounded time, no acknowledged message is lost, and
//! the store reconnects by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::relay::{Cut, Relay};
use super::*;
use crate::audit::fixtures::Repeating;
use crate::store::fixtures::cluster::{self, Cluster};

/// The time limit of operations that must not block.
const BOUND: Duration = Duration::from_secs(30);

async fn bounded<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, what).await.expect("an answer in a bounded time")
}

/// How often the server is disturbed; `PCD_TEST_KILL_CYCLES=50` for a long run.
fn cycles() -> usize {
    std::env::var("PCD_TEST_KILL_CYCLES").map_or(2, |cycles| cycles.parse().unwrap())
}

/// What the senders and the test know of each other.
#[derive(Default)]
struct Load {
    /// Messages that were acknowledged, of all senders.
    acknowledged: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    /// Waits until so many more messages are acknowledged.
    async fn go_on(&self, more: usize) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        bounded(async {
            while self.acknowledged.load(Ordering::SeqCst) < before + more {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Sends messages until it is to stop, and resends each until it is acknowledged, as a device does. Returns
/// the control ids.
async fn sender(store: Store, place: Arc<TestStore>, name: usize, load: Arc<Load>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !load.stop.load(Ordering::SeqCst) {
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
        load.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

/// Runs eight senders while `disturb` disturbs the server, and checks that every acknowledged message is
/// stored.
async fn under_load(disturb: fn(&Cluster)) {
    let server = Arc::new(tokio::task::spawn_blocking(Cluster::start).await.unwrap());
    let place = Arc::new(TestStore::on(&server));
    let store = place.open().await;
    let load = Arc::new(Load::default());
    let senders: Vec<_> = (0..8)
        .map(|name| tokio::spawn(sender(store.clone(), Arc::clone(&place), name, Arc::clone(&load))))
        .collect();
    for cycle in 0..cycles() {
        load.go_on(9).await;
        tokio::time::sleep(Duration::from_millis(37 * (cycle as u64 % 7))).await;
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || disturb(&server)).await.unwrap();
    }
    load.go_on(9).await;
    load.stop.store(true, Ordering::SeqCst);
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
async fn a_server_restarted_under_load_loses_nothing() {
    under_load(|server| {
        server.stop();
        server.restart();
    })
    .await;
}

#[tokio::test]
async fn a_server_killed_under_load_loses_nothing() {
    under_load(|server| {
        server.crash();
        server.restart();
    })
    .await;
}

#[tokio::test]
async fn connections_closed_under_load_lose_nothing() {
    under_load(|server| {
        server.sql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pcd-platform'",
        );
    })
    .await;
}

#[tokio::test]
async fn writes_fail_while_the_server_is_down_and_succeed_afterwards() {
    let server = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let place = TestStore::on(&server);
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
async fn a_server_that_does_not_respond_is_not_awaited() {
    let server = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let place = TestStore::on(&server);
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

/// A store behind a relay, and direct access to its database.
struct Behind {
    place: TestStore,
    relay: Relay,
    store: Store,
}

impl Behind {
    async fn start() -> Self {
        let place = TestStore::on_postgres();
        let relay = Relay::start(cluster::shared()).await;
        let store = Store::open(&relay.url(&place.url()), place.clock.clone()).await.unwrap();
        Self { place, relay, store }
    }

    /// Writes an accepted message, a rejected message and an event in one batch, and checks that they are
    /// stored.
    async fn write(&self, control_id: &str) {
        let accepted = self.place.record(control_id, b"message");
        let rejected = self.place.rejected(control_id, b"message");
        let outcomes = bounded(async {
            tokio::join!(
                self.store.record(accepted.clone()),
                self.store.record(rejected.clone()),
                self.store.audit(Event::PlatformStopped { reason: StopReason::Requested }),
            )
        });
        let (one, other, event) = outcomes.await;
        assert_eq!(one.unwrap(), RecordOutcome::Stored(accepted.id));
        assert_eq!(other.unwrap(), RecordOutcome::Stored(rejected.id));
        event.unwrap();
    }

    /// Checks that `batches` such batches are stored, each once.
    async fn expect(&self, batches: usize) {
        let three = ["message-accepted", "message-rejected", "platform-stopped"];
        assert_eq!(event_names(&self.store).await, three.repeat(batches));
        assert_eq!(self.store.messages(&ANY).await.unwrap().len(), 2 * batches);
        let reports = self.store.verify_audit(&Repeating).await.unwrap();
        assert!(reports.iter().all(|report| report.verdict.is_ok()), "{reports:?}");
    }

    /// Returns when `connections` connections wait for a lock.
    async fn until_waiting(&self, connections: usize) {
        let mut direct = self.place.connect_directly().await;
        let waiting = "SELECT pid::text FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        bounded(async {
            while direct.texts(waiting).await.len() < connections {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_commit_in_doubt_is_resolved_after_the_connection_is_lost() {
    let behind = Behind::start().await;
    for (n, cut) in [Cut::AfterCommit, Cut::BeforeCommit].into_iter().enumerate() {
        behind.relay.arm(cut);
        // A batch on the slow path, of several statements.
        let device = behind.store.add_device(gateway(&format!("GW-{n}")), "alice");
        bounded(device).await.unwrap();
        assert!(behind.relay.has_cut(), "{cut:?}");
        assert_eq!(event_names(&behind.store).await.len(), n + 1, "{cut:?}");
    }
    assert_eq!(behind.store.devices().await.unwrap().len(), 2);
    // A batch without audit rows can be written twice.
    for cut in [Cut::AfterCommit, Cut::BeforeCommit] {
        behind.relay.arm(cut);
        bounded(behind.store.check()).await.unwrap();
        assert!(behind.relay.has_cut(), "{cut:?}");
    }
}

#[tokio::test]
async fn a_delayed_commit_is_awaited_before_a_retry() {
    // Before the first row of the chain there is no head to lock.
    let behind = Behind::start().await;
    behind.relay.arm(Cut::LateCommit);
    tokio::join!(behind.write("1"), async {
        behind.until_waiting(1).await;
        assert!(behind.relay.has_cut());
        behind.relay.deliver().await;
    });
    behind.expect(1).await;
    // The same for a later row, by a process that does not know the head of the chain.
    let behind = Behind {
        store: Store::open(&behind.relay.url(&behind.place.url()), behind.place.clock.clone()).await.unwrap(),
        ..behind
    };
    behind.relay.arm(Cut::LateCommit);
    tokio::join!(behind.write("2"), async {
        behind.until_waiting(1).await;
        assert!(behind.relay.has_cut());
        behind.relay.deliver().await;
    });
    behind.expect(2).await;
}

#[tokio::test]
async fn a_single_statement_in_doubt_is_resolved_after_the_connection_is_lost() {
    let behind = Behind::start().await;
    behind.write("0").await;
    for (n, cut) in [Cut::AfterRows, Cut::BeforeRows, Cut::AfterRows].into_iter().enumerate() {
        behind.relay.arm(cut);
        behind.write(&format!("{n} {cut:?}")).await;
        assert!(behind.relay.has_cut(), "{cut:?}");
        behind.expect(n + 2).await;
    }
}

#[tokio::test]
async fn a_single_statement_still_running_is_awaited_before_a_retry() {
    let behind = Behind::start().await;
    behind.write("0").await;
    let mut direct = behind.place.connect_directly().await;
    direct.execute("BEGIN; SELECT FROM audit_end FOR UPDATE").await.unwrap();
    behind.relay.arm(Cut::AtRows);
    tokio::join!(behind.write("1"), async {
        // The statement, and the retry that checks its outcome.
        behind.until_waiting(2).await;
        assert!(behind.relay.has_cut());
        direct.execute("ROLLBACK").await.unwrap();
    });
    behind.expect(2).await;
}

#[tokio::test]
async fn a_delayed_single_statement_writes_nothing() {
    let behind = Behind::start().await;
    behind.write("0").await;
    behind.relay.arm(Cut::LateRows);
    behind.write("1").await;
    assert!(behind.relay.has_cut());
    behind.expect(2).await;
    bounded(behind.relay.deliver()).await;
    behind.expect(2).await;
    behind.write("2").await;
    behind.expect(3).await;
}

#[tokio::test]
async fn the_common_batch_takes_one_round_trip_and_two_to_read_it_back() {
    let Behind { place, relay, store } = Behind::start().await;
    let ways = || relay.round_trips();
    let records = |from: usize, to: usize| {
        let record = |n: usize| match n % 5 {
            4 => place.rejected(&n.to_string(), b"message"),
            _ => place.record(&n.to_string(), b"message"),
        };
        join_all((from..to).map(|n| store.record(record(n))).collect::<Vec<_>>())
    };
    // The first batch queries the head of the chain; the second is a single statement.
    for n in 0..2 {
        records(n, n + 1).await;
    }
    for (from, to) in [(2, 3), (3, 4), (4, 100), (100, 200)] {
        let before = ways();
        let stored = records(from, to).await;
        assert_eq!(ways() - before, 3, "{from} to {to}");
        assert!(stored.iter().all(|stored| matches!(stored, Ok(RecordOutcome::Stored(_)))), "{stored:?}");
    }
    let before = ways();
    let event = || store.audit(Event::PlatformStopped { reason: StopReason::Requested });
    let (one, other, records) = tokio::join!(event(), event(), records(200, 203));
    assert_eq!(ways() - before, 3, "with events of the trail");
    assert!(one.is_ok() && other.is_ok() && records.iter().all(Result::is_ok));

    // The single statement of a resend fails; the slow path finds the resend and learns the head of the
    // chain.
    let resend = store.record(place.record("2", b"message")).await;
    assert!(matches!(resend, Ok(RecordOutcome::Resend { .. })), "{resend:?}");
    let before = ways();
    store.record(place.record("203", b"message")).await.unwrap();
    assert_eq!(ways() - before, 3, "after a resend");
    // The same when another process of the node has written.
    place.open().await.record(place.record("204", b"message")).await.unwrap();
    store.record(place.record("205", b"message")).await.unwrap();
    let before = ways();
    store.record(place.record("206", b"message")).await.unwrap();
    assert_eq!(ways() - before, 3, "after another process");
    let reports = store.verify_audit(&Repeating).await.unwrap();
    assert_eq!(reports[0].verdict.as_ref().unwrap().end.number, 210, "with the row about the resend");
}

#[tokio::test]
async fn a_failure_at_commit_is_not_acknowledged() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    store.record(place.record("0", b"message")).await.unwrap();
    // The server reports the inserted row, and then fails at the commit.
    let late =
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'late'; END $$;
                CREATE CONSTRAINT TRIGGER late AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION late()";
    place.execute(late).await.unwrap();
    let outcome = bounded(store.record(place.record("1", b"message"))).await;
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    assert_eq!(event_names(&store).await, ["message-accepted"]);
    place.execute("DROP TRIGGER late ON message").await.unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
    assert_eq!(event_names(&store).await, ["message-accepted"; 2]);
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_is_retried_silently() {
    let place = TestStore::on_postgres();
    let relay = Relay::start(cluster::shared()).await;
    let store = Store::open(&relay.url(&place.url()), place.clock.clone()).await.unwrap();
    for n in 0..3 {
        relay.arm(Cut::BeforeRows);
        let record = place.record(&n.to_string(), b"message");
        assert_eq!(bounded(store.record(record.clone())).await.unwrap(), RecordOutcome::Stored(record.id));
        assert!(relay.has_cut());
    }
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 3);
    assert_eq!(event_names(&store).await, ["message-accepted"; 3]);
}

#[tokio::test]
async fn a_deadlock_is_retried() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    store.record(place.record("0", b"message")).await.unwrap();
    let mut direct = place.connect_directly().await;
    // The server aborts the transaction that has waited for deadlock_timeout: not this one.
    let hold = "SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE";
    direct.execute(hold).await.unwrap();
    let (record, ()) = tokio::join!(bounded(store.record(place.record("1", b"message"))), async {
        // Its row is inserted, and it waits for the audit trail.
        let waiting = "SELECT pid::text FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut other = place.connect_directly().await;
        bounded(async {
            while other.texts(waiting).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        bounded(direct.execute("LOCK TABLE message IN SHARE MODE; ROLLBACK")).await.unwrap();
    });
    assert!(matches!(record, Ok(RecordOutcome::Stored(_))), "{record:?}");
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

battery! { a_store_that_refuses_the_messages_of_all_devices_is_not_ready }

/// As a unique index or a constraint that an administrator has added does.
async fn a_store_that_refuses_the_messages_of_all_devices_is_not_ready(place: TestStore) {
    let store = Store::open(&place.url(), place.clock.clone()).await.unwrap();
    place.execute("CREATE UNIQUE INDEX mine ON message (peer)").await.unwrap();
    store.record(place.record("first", b"1")).await.unwrap();
    let send = async |device: &str, id: &str| {
        let device = device.parse().unwrap();
        store.record(MessageRecord { device, ..place.record(id, b"2") }).await
    };
    for second in 0..5 {
        store.check().await.unwrap_or_else(|error| panic!("after {second} s: {error}"));
        for device in ["A", "B"] {
            let refused = send(device, &format!("{second}")).await;
            assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        }
        place.clock.advance(Duration::from_secs(1));
    }
    let stalled = store.check().await.unwrap_err();
    assert!(matches!(&stalled, StoreError::Stalled { seconds: 5.., source: Some(_) }), "{stalled:?}");
    place.execute("DROP INDEX mine").await.unwrap();
    send("A", "last").await.unwrap();
    store.check().await.unwrap();
}
