//! Tests of what the operator's side asks of the store as a whole.

use super::*;
use crate::audit::Settlement;
use crate::store::statement::Statement;

battery! {
    every_process_names_a_patient_by_the_same_digits,
    a_milestone_is_remembered_with_its_row_in_the_trail,
    the_size_of_the_store_is_known_without_reading_its_tables,
    orders_that_failed_are_found_until_they_are_old,
}

async fn a_milestone_is_remembered_with_its_row_in_the_trail(place: TestStore) {
    let store = place.open().await;
    assert_eq!(store.milestones().await.unwrap(), []);
    let (first, backup) = (place.clock.now(), Milestone::Backup);
    store.reach(backup, first, true, None).await.unwrap();
    assert_eq!(event_names(&store).await, [""; 0]);
    place.clock.advance(Duration::from_secs(60));
    let (second, actor) = (place.clock.now(), "alice".to_owned());
    store.reach(backup, second, true, None).await.unwrap();
    let verified = Event::AuditVerified { chains: Vec::new(), missing_heads: Vec::new(), actor };
    store.reach(Milestone::AuditVerified, second, false, Some(verified)).await.unwrap();
    assert_eq!(event_names(&store).await, ["audit-verified"]);
    store.close().await;
    // Another process knows it.
    let store = place.open().await;
    let reached = |what, is_good| Reached { what, at: second, is_good };
    let expected = [reached(Milestone::AuditVerified, false), reached(backup, true)];
    assert_eq!(store.milestones().await.unwrap(), expected);
}

async fn every_process_names_a_patient_by_the_same_digits(place: TestStore) {
    let store = place.open().await;
    let digits = store.patient_key().await.digits("654321^L1^L");
    store.close().await;
    let other = place.open_as("another-node").await;
    assert_eq!(other.patient_key().await.digits("654321^L1^L"), digits);
    other.close().await;
    // Another store has another key, and one without a key names patients all the same.
    let elsewhere = place.another();
    let store = elsewhere.open().await;
    assert_ne!(store.patient_key().await.digits("654321^L1^L"), digits);
    store.close().await;
    elsewhere.execute("DELETE FROM patient_key").await.unwrap();
    let unkeyed = elsewhere.open().await.patient_key().await.digits("654321^L1^L");
    assert!(unkeyed.len() == 8 && unkeyed != digits, "{unkeyed}");
}

async fn the_size_of_the_store_is_known_without_reading_its_tables(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    for id in ["1", "2", "3"] {
        store.record(place.record(id, b"MSH|")).await.unwrap();
    }
    let size = store.size().await.unwrap();
    assert_eq!(size.disk.is_none(), place.is_postgres());
    assert!(size.disk.is_none_or(|disk| disk.free > 0 && disk.free <= disk.bytes), "{size:?}");
    assert!(size.bytes > 10_000, "{size:?}");
    let tables: Vec<_> = size.rows.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables, ["message", "audit", "outbox", "device"]);
    if !place.is_postgres() {
        // A server counts a while later.
        assert_eq!(size.rows, [("message", 3), ("audit", 3), ("outbox", 0), ("device", 2)]);
    }
    assert_eq!(store.queued().0, 0);
}

async fn orders_that_failed_are_found_until_they_are_old(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let (device, began) = ("PUMP-1".parse().unwrap(), store.now());
    let (one, other) = (order(&place), QueuedMessage { control_id: "2".to_owned(), ..order(&place) });
    let (id, withdrawn) = (one.id, other.id);
    store.queue(QueuedMessage { expires_at: began, ..one }).await.unwrap();
    store.queue(other).await.unwrap();
    assert_eq!(store.failed_orders(began, 10).await.unwrap(), []);
    assert!(store.lapse(id, &device, Settlement::Expired).await.unwrap());
    assert!(store.withdraw(withdrawn, &device, "alice").await.unwrap());
    let failed = store.failed_orders(began, 10).await.unwrap();
    let [FailedOrder { id: found, outcome: Settlement::Expired, at, .. }] = failed.as_slice() else {
        panic!("{failed:?}")
    };
    assert_eq!(*found, id);
    let later = *at + jiff::SignedDuration::from_secs(1);
    assert_eq!(store.failed_orders(later, 10).await.unwrap(), []);
}

#[tokio::test]
async fn failed_orders_are_found_by_an_index() {
    let place = TestStore::new();
    let store = place.open().await;
    let statement = Statement::new(crate::store::read::outbox::SELECT_FAILED).bind(0_i64).bind(1_u32);
    let rows = store.reader().fetch(statement.prefixed("EXPLAIN QUERY PLAN ")).await.unwrap();
    let plan: String = rows.iter().map(|row| row.get::<String>("detail").unwrap()).collect();
    assert!(plan.contains("outbox_settled (settled_at>?)") && !plan.contains("TEMP B-TREE"), "{plan}");
}
