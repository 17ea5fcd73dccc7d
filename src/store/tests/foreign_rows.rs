//! Tests of rows of the trail that an administrator of the database appends, and that cannot be read, or hide
//! what was done before or afterwards.

use super::*;
use crate::audit::Fault;
use crate::audit::fixtures::Repeating;

battery! {
    a_row_about_a_removal_that_cannot_be_read_hides_nothing,
    a_row_with_a_time_that_is_none_is_listed_and_hides_nothing,
    a_fault_of_a_chain_does_not_hide_what_is_removed_afterwards,
    rows_under_a_name_that_no_node_can_have_are_a_fault_and_no_obstacle,
}

fn record(place: &TestStore, control_id: &str) -> MessageRecord {
    place.clock.advance(Duration::from_secs(1));
    let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
    MessageRecord { id, ..place.record(control_id, b"MSH|") }
}

/// Appends a row with its right hash, or with one of nothing where there is none for its time.
async fn append(place: &TestStore, store: &Store, node: &str, at: i64, event: &str, details: &str) {
    let name: NodeName = node.parse().unwrap_or_else(|_| "x".parse().unwrap());
    let end = store.reader().audit_end(&name).await.unwrap();
    let time = Timestamp::from_microsecond(at).unwrap_or_default();
    let link = end.next(&name, time, event, details);
    let hash = link.hash.to_string();
    let hash = if place.is_postgres() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
    let sql = format!(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('{node}', {}, {at}, '{event}', '{details}', {hash})",
        link.number
    );
    place.execute(&sql).await.unwrap();
}

async fn faults(store: &Store) -> Vec<(u64, Fault)> {
    let reports = store.verify_audit(&Repeating).await.unwrap();
    reports.iter().flat_map(ChainReport::faults).map(|broken| (broken.number, broken.fault)).collect()
}

async fn a_row_about_a_removal_that_cannot_be_read_hides_nothing(place: TestStore) {
    // Deeper than a parser goes; the database takes it for JSON.
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for details in ["{\"messages\":1}", "[]", "{}", deep.as_str()] {
        let place = place.another();
        let store = place.open().await;
        let messages = [record(&place, "1"), record(&place, "2")];
        for message in &messages {
            store.record(message.clone()).await.unwrap();
        }
        place.execute("DELETE FROM message WHERE control_id = '1'").await.unwrap();
        let node = store.node().to_string();
        append(&place, &store, &node, 7, "messages-pruned", details).await;
        append(&place, &store, &node, 7, "message-accepted", details).await;
        assert_eq!(faults(&store).await, [(3, Fault::Unpermitted)], "{details}");
        let contents = store.check_contents(&Repeating).await.unwrap();
        assert_eq!(contents.missing.first, [messages[0].id], "{details}");
        assert_eq!(store.audit_rows(&TRAIL).await.unwrap().len(), 4, "{details}");
    }
}

/// SQLite takes any bytes for a text. One such row does not keep the others from being read.
#[tokio::test]
async fn a_text_that_is_no_utf_8_is_a_fault_of_its_row_and_hides_no_other() {
    let place = TestStore::new();
    let store = place.open().await;
    for control_id in ["1", "2", "3"] {
        store.record(record(&place, control_id)).await.unwrap();
    }
    for sql in [
        "DROP TRIGGER audit_no_update",
        "UPDATE audit SET details = CAST(x'7b2261223a22ff227d' AS TEXT) WHERE number = 2",
        "UPDATE message SET device = CAST(x'ff' AS TEXT) WHERE control_id = '3'",
    ] {
        place.execute(sql).await.unwrap();
    }
    assert_eq!(faults(&store).await, [(2, Fault::Altered)]);
    assert_eq!(store.audit_rows(&TRAIL).await.unwrap().len(), 3);
    let messages = store.messages(&ANY).await.unwrap();
    assert_eq!((messages.len(), messages[0].device.as_str()), (3, "\u{fffd}"));
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert!(!contents.are_whole(), "{contents:?}");
}

async fn a_row_with_a_time_that_is_none_is_listed_and_hides_nothing(place: TestStore) {
    let store = place.open().await;
    let message = record(&place, "1");
    store.record(message.clone()).await.unwrap();
    let node = store.node().to_string();
    append(&place, &store, &node, i64::MAX, "message-accepted", "{}").await;
    append(&place, &store, &node, i64::MIN, "messages-pruned", "{}").await;
    place.execute("DELETE FROM message").await.unwrap();
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.number, row.at, row.is_distorted)).collect();
    assert_eq!(found[1..], [(2, Timestamp::MAX, true), (3, Timestamp::MIN, true)]);
    assert!(!found[0].2);
    assert_eq!(store.own_audit_rows(0, 9).await.unwrap(), rows);
    assert_eq!(faults(&store).await, [(2, Fault::Altered), (3, Fault::Altered), (3, Fault::Unpermitted)]);
    assert_eq!(store.check_contents(&Repeating).await.unwrap().missing.first, [message.id]);
}

async fn a_fault_of_a_chain_does_not_hide_what_is_removed_afterwards(place: TestStore) {
    let store = place.open_as("here").await;
    let other = place.open_as("other").await;
    other.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    other.record(record(&place, "other")).await.unwrap();
    let messages: Vec<_> = (0..6).map(|n| record(&place, &n.to_string())).collect();
    for message in &messages {
        store.record(message.clone()).await.unwrap();
    }
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
    let free = if place.is_postgres() {
        "DROP TRIGGER audit_only_grows ON audit; DROP TRIGGER audit_only_pruned ON audit"
    } else {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete"
    };
    place.execute(free).await.unwrap();
    place.execute("UPDATE audit SET details = '{}' WHERE node = 'here' AND number = 2").await.unwrap();
    assert_eq!(faults(&store).await, [(2, Fault::Altered)]);
    place
        .execute(
            "DELETE FROM audit WHERE node = 'here' AND number = 5; DELETE FROM message WHERE control_id = '4';
             DELETE FROM audit WHERE node = 'other' AND number = 2",
        )
        .await
        .unwrap();
    let found = faults(&store).await;
    assert_eq!(found, [(2, Fault::Altered), (5, Fault::Missing), (2, Fault::ListedElsewhere)], "{found:?}");
    // The message is not in the trail any more, and the row that is missing may have named it.
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!(contents.missing.count, 0, "{contents:?}");
}

async fn rows_under_a_name_that_no_node_can_have_are_a_fault_and_no_obstacle(place: TestStore) {
    let store = place.open().await;
    store.record(record(&place, "1")).await.unwrap();
    append(&place, &store, "no name", 7, "messages-pruned", "{}").await;
    assert!(faults(&store).await.contains(&(0, Fault::NoNode)));
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    assert_eq!((rows[1].node.as_str(), rows[1].is_distorted), ("no_name", true));
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    assert_eq!(store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap().number, 1);
}
