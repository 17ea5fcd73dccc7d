//! The queue of a gateway.

use bytes::Bytes;

use super::*;
use crate::audit::fixtures::Repeating;
use crate::store::{ForwardClass, ForwardFilter, ForwardLane, ForwardOutcome, ForwardState, Forwarding};

battery! {
    a_message_is_queued_by_the_transaction_that_stores_it,
    a_message_that_an_operator_has_removed_holds_up_no_retention,
    a_lane_has_the_order_of_arrival_and_each_node_its_own,
    a_damaged_message_is_named_and_the_others_of_its_lane_are_read,
    a_row_that_cannot_be_read_hides_no_other_lane,
    an_answer_stays_as_long_as_its_message,
    a_late_result_replaces_an_outcome,
    what_the_platform_refused_is_forwarded_again_and_nothing_else,
    messages_are_listed_by_what_became_of_them_on_their_way,
}

fn queued(place: &TestStore, control_id: &str, class: ForwardClass) -> MessageRecord {
    let raw = Bytes::from(control_id.to_owned());
    MessageRecord { forward: Some(class), raw, ..place.record(control_id, b"") }
}

fn lane(class: ForwardClass) -> ForwardLane {
    ForwardLane { class, device: "PUMP-1".parse().unwrap() }
}

fn accepted(answer: Option<&'static [u8]>) -> ForwardOutcome {
    let answer = answer.map(Bytes::from_static);
    ForwardOutcome { is_accepted: true, code: "CA".to_owned(), reason: None, answer }
}

async fn waiting(store: &Store, class: ForwardClass) -> Vec<Bytes> {
    let page = store.waiting_forwards(&lane(class), None, 100, 1 << 20).await.unwrap();
    page.messages.into_iter().map(|message| message.raw).collect()
}

async fn a_message_is_queued_by_the_transaction_that_stores_it(place: TestStore) {
    let store = place.open().await;
    let record = queued(&place, "1", ForwardClass::Alarm);
    let again = MessageRecord { id: place.record("", b"").id, ..record.clone() };
    store.record(record.clone()).await.unwrap();
    // A resend is not forwarded again.
    assert!(matches!(store.record(again).await.unwrap(), RecordOutcome::Resend { .. }));
    assert_eq!(store.forward_lanes().await.unwrap().lanes, [(lane(ForwardClass::Alarm), 1)]);
    let backlog = store.forward_backlog().await.unwrap();
    assert_eq!((backlog.messages, backlog.oldest), (1, Some(record.id)));
    assert_eq!(waiting(&store, ForwardClass::Alarm).await, ["1"]);
    assert_eq!(store.forward_state(record.id).await.unwrap(), ForwardState::Waiting { elsewhere: false });
    assert_eq!(store.forwarding(record.id).await.unwrap(), Some(Forwarding::Waiting));
    // What the platform has, and no device waits for, leaves no row.
    assert!(store.settle_forward(record.id, accepted(None)).await.unwrap());
    assert!(!store.settle_forward(record.id, accepted(None)).await.unwrap(), "it was known");
    assert_eq!(store.forward_state(record.id).await.unwrap(), ForwardState::Absent);
    assert_eq!(store.forward_backlog().await.unwrap().messages, 0);
}

async fn a_message_that_an_operator_has_removed_holds_up_no_retention(place: TestStore) {
    let store = place.open().await;
    let [removed, waits] = ["1", "2"].map(|id| queued(&place, id, ForwardClass::Data));
    for record in [&removed, &waits] {
        store.record(record.clone()).await.unwrap();
    }
    assert_eq!(store.oldest_forward().await.unwrap(), Some(removed.id));
    place.execute("DELETE FROM message WHERE control_id = '1'").await.unwrap();
    assert_eq!(store.oldest_forward().await.unwrap(), Some(waits.id));
}

async fn a_lane_has_the_order_of_arrival_and_each_node_its_own(place: TestStore) {
    let (store, other) = (place.open().await, place.open_as("other-node").await);
    for (id, class) in [("1", ForwardClass::Data), ("2", ForwardClass::Alarm), ("3", ForwardClass::Data)] {
        store.record(queued(&place, id, class)).await.unwrap();
    }
    let last = queued(&place, "4", ForwardClass::Data);
    other.record(last.clone()).await.unwrap();
    let lanes =
        [(ForwardClass::Alarm, 1), (ForwardClass::Data, 2)].map(|(class, count)| (lane(class), count));
    assert_eq!(store.forward_lanes().await.unwrap().lanes, lanes);
    assert_eq!(waiting(&store, ForwardClass::Data).await, ["1", "3"]);
    let first = store.waiting_forwards(&lane(ForwardClass::Data), None, 1, 1 << 20).await.unwrap();
    let after = first.messages.first().map(|message| message.id);
    let rest = store.waiting_forwards(&lane(ForwardClass::Data), after, 100, 1 << 20).await.unwrap();
    assert_eq!(rest.messages.iter().map(|message| &*message.raw).collect::<Vec<_>>(), [b"3"]);
    assert_eq!(waiting(&other, ForwardClass::Data).await, ["4"]);
    assert_eq!(store.forward_backlog().await.unwrap().messages, 3);
    // An outage of this node is no older than what it has.
    assert_eq!(other.oldest_own_forward().await.unwrap(), Some(last.id));
    assert_eq!(other.oldest_forward().await.unwrap(), store.oldest_own_forward().await.unwrap());
}

async fn a_row_that_cannot_be_read_hides_no_other_lane(place: TestStore) {
    let store = place.open().await;
    for (id, class) in [("1", ForwardClass::Alarm), ("2", ForwardClass::Event), ("3", ForwardClass::Data)] {
        store.record(queued(&place, id, class)).await.unwrap();
    }
    place.execute("UPDATE forward SET class = 9 WHERE class = 1").await.unwrap();
    let waiting = store.forward_lanes().await.unwrap();
    assert_eq!(waiting.lanes, [ForwardClass::Alarm, ForwardClass::Data].map(|class| (lane(class), 1)));
    assert_eq!(waiting.unreadable, 1);
}

async fn a_damaged_message_is_named_and_the_others_of_its_lane_are_read(place: TestStore) {
    let store = place.open().await;
    let text =
        |id: &str| format!("{id} has enough bytes to be stored in a frame: {}", "OBX|1|NM|".repeat(30));
    let mut ids = Vec::new();
    for id in ["1", "2", "3", "4"] {
        // The second one is too short for a frame.
        let raw = if id == "2" { Bytes::from(id) } else { Bytes::from(text(id)) };
        let record = MessageRecord { raw, ..queued(&place, id, ForwardClass::Data) };
        ids.push(record.id);
        store.record(record).await.unwrap();
    }
    place.execute("UPDATE message SET raw = digest WHERE control_id = '2'").await.unwrap();
    place.execute("UPDATE message SET raw_size = raw_size + 1 WHERE control_id = '3'").await.unwrap();
    let page = store.waiting_forwards(&lane(ForwardClass::Data), None, 100, 1 << 20).await.unwrap();
    assert_eq!(page.altered, ids[1..3]);
    let raw: Vec<_> = page.messages.into_iter().map(|message| message.raw).collect();
    assert_eq!(raw, [text("1"), text("4")]);
}

async fn an_answer_stays_as_long_as_its_message(place: TestStore) {
    let store = place.open().await;
    let records = [("1", ForwardClass::Event), ("2", ForwardClass::Event)];
    let [answered, refused] = records.map(|(id, class)| queued(&place, id, class));
    for record in [&answered, &refused] {
        store.record(record.clone()).await.unwrap();
    }
    store.settle_forward(answered.id, accepted(Some(b"MSA|AA|1"))).await.unwrap();
    let reason = Some("identity-mismatch".to_owned());
    let no =
        ForwardOutcome { is_accepted: false, code: "CR".to_owned(), reason: reason.clone(), answer: None };
    store.settle_forward(refused.id, no).await.unwrap();
    let state = store.forward_state(answered.id).await.unwrap();
    let expected = |refused: Option<&str>, answer: Option<&'static [u8]>| ForwardState::Settled {
        refused: refused.map(str::to_owned),
        answer: answer.map(Bytes::from_static),
    };
    assert_eq!(state, expected(None, Some(b"MSA|AA|1")));
    assert_eq!(store.forward_state(refused.id).await.unwrap(), expected(Some("CR"), None));
    let listed = store.refused_forwards(Timestamp::UNIX_EPOCH, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, &*listed[0].code, &listed[0].reason), (refused.id, "CR", &reason));
    assert!(!listed[0].is_alarm);
    let Some(Forwarding::Settled { is_accepted: false, code, reason: why, .. }) =
        store.forwarding(refused.id).await.unwrap()
    else {
        panic!("it was refused")
    };
    assert_eq!((&*code, why), ("CR", reason));
    assert!(waiting(&store, ForwardClass::Event).await.is_empty());
    // Retention removes the messages, and the rows with them.
    // Identifiers of one process never go back, so other tests may have made these later than the clock is.
    let later = "2100-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(store.prune_messages(later, &Repeating).await.unwrap(), 2);
    let mut direct = place.connect_directly().await;
    assert_eq!(direct.texts("SELECT CAST(count(*) AS TEXT) FROM forward").await, ["0"]);
}

async fn a_late_result_replaces_an_outcome(place: TestStore) {
    let store = place.open().await;
    let records = ["1", "2", "3"].map(|id| queued(&place, id, ForwardClass::Alarm));
    for record in &records {
        store.record(record.clone()).await.unwrap();
    }
    let [kept, gone, waits] = records.map(|record| record.id);
    store.settle_forward(kept, accepted(Some(b"MSA|AA|1"))).await.unwrap();
    store.settle_forward(gone, accepted(None)).await.unwrap();
    let reason = Some("no-bed".to_owned());
    let answer = Some(Bytes::from_static(b"MSA|AE|1"));
    let no = ForwardOutcome { is_accepted: false, code: "AE".to_owned(), reason, answer };
    // The outcome of the third comes before what it corrects: nothing waits afterwards.
    for id in [kept, gone, waits] {
        store.correct_forward(id, no.clone()).await.unwrap();
        let expected = ForwardState::Settled { refused: Some("AE".to_owned()), answer: no.answer.clone() };
        assert_eq!(store.forward_state(id).await.unwrap(), expected);
    }
    assert!(!store.settle_forward(waits, accepted(None)).await.unwrap());
    let refused = store.refused_forwards(Timestamp::UNIX_EPOCH, 10).await.unwrap();
    assert!(refused.len() == 3 && refused.iter().all(|one| one.device.as_str() == "PUMP-1"));
    let unknown = place.record("", b"").id;
    store.correct_forward(unknown, no).await.unwrap();
    assert_eq!(store.forward_state(unknown).await.unwrap(), ForwardState::Absent, "it has no message");
}

async fn what_the_platform_refused_is_forwarded_again_and_nothing_else(place: TestStore) {
    let (store, other) = (place.open().await, place.open_as("other-node").await);
    let records = ["1", "2", "3"].map(|id| queued(&place, id, ForwardClass::Data));
    for record in &records {
        store.record(record.clone()).await.unwrap();
    }
    let [refused, taken, waits] = records.map(|record| record.id);
    let no = ForwardOutcome { is_accepted: false, code: "CR".to_owned(), reason: None, answer: None };
    store.settle_forward(refused, no).await.unwrap();
    store.settle_forward(taken, accepted(Some(b"MSA|AA|2"))).await.unwrap();
    assert_eq!(waiting(&store, ForwardClass::Data).await, ["3"]);
    // Its device is connected to another node now.
    assert!(other.forward_again(refused, ForwardClass::Alarm).await.unwrap());
    for id in [refused, taken] {
        assert!(!other.forward_again(id, ForwardClass::Alarm).await.unwrap());
    }
    assert_eq!(other.forward_state(refused).await.unwrap(), ForwardState::Waiting { elsewhere: false });
    assert_eq!(store.forward_state(refused).await.unwrap(), ForwardState::Waiting { elsewhere: true });
    assert_eq!(waiting(&other, ForwardClass::Alarm).await, ["1"]);
    assert!(store.refused_forwards(Timestamp::UNIX_EPOCH, 10).await.unwrap().is_empty());
    // The node that has it may be gone.
    assert!(other.forward_again(waits, ForwardClass::Data).await.unwrap());
    assert!(!other.forward_again(waits, ForwardClass::Data).await.unwrap());
    assert_eq!(waiting(&other, ForwardClass::Data).await, ["3"]);
    assert!(waiting(&store, ForwardClass::Data).await.is_empty());
    // Stored before the platform was one of a gateway, or accepted when its device awaited no answer.
    let before = MessageRecord { forward: None, ..queued(&place, "4", ForwardClass::Event) };
    store.record(before.clone()).await.unwrap();
    assert_eq!(store.forward_state(before.id).await.unwrap(), ForwardState::Absent);
    assert!(store.forward_again(before.id, ForwardClass::Event).await.unwrap());
    assert!(!store.forward_again(before.id, ForwardClass::Event).await.unwrap());
    assert_eq!(waiting(&store, ForwardClass::Event).await, ["4"]);
    assert!(!store.forward_again(place.record("", b"").id, ForwardClass::Event).await.unwrap(), "no message");
}

async fn messages_are_listed_by_what_became_of_them_on_their_way(place: TestStore) {
    let store = place.open().await;
    let records = ["1", "2", "3", "4", "5"].map(|id| queued(&place, id, ForwardClass::Data));
    for record in &records {
        let device = if record.control_id == "2" { "PUMP-2" } else { "PUMP-1" };
        let record = MessageRecord { device: device.parse().unwrap(), ..record.clone() };
        store.record(record).await.unwrap();
    }
    let no = ForwardOutcome { is_accepted: false, code: "CR".to_owned(), reason: None, answer: None };
    for refused in [&records[3], &records[1], &records[0]] {
        store.settle_forward(refused.id, no.clone()).await.unwrap();
    }
    store.settle_forward(records[4].id, accepted(Some(b"MSA|AA|5"))).await.unwrap();
    place.execute("UPDATE forward SET settled_at = 1 WHERE message IN (SELECT id FROM message WHERE control_id = '4')").await.unwrap();
    let listed = async |filter: MessageFilter| -> Vec<String> {
        let (found, _) = store.search_messages(&filter).await.unwrap();
        let all = store.messages(&filter).await.unwrap();
        assert_eq!(found, all, "{filter:?}");
        found.into_iter().map(|message| message.control_id).collect()
    };
    let by = |forward| MessageFilter { forward: Some(forward), ..ANY };
    let (one, since) = (
        "PUMP-1".parse().ok(),
        ForwardFilter::RefusedSince(place.clock.now() - jiff::SignedDuration::from_hours(1)),
    );
    assert_eq!(listed(by(ForwardFilter::Waiting)).await, ["3"]);
    assert_eq!(listed(by(ForwardFilter::Refused)).await, ["4", "2", "1"]);
    assert_eq!(listed(by(since)).await, ["2", "1"]);
    assert_eq!(listed(MessageFilter { device: one.clone(), ..by(ForwardFilter::Refused) }).await, ["4", "1"]);
    assert_eq!(listed(MessageFilter { device: one.clone(), ..by(since) }).await, ["1"]);
    let before = Some(records[3].id);
    assert_eq!(listed(MessageFilter { before, limit: 1, ..by(ForwardFilter::Refused) }).await, ["2"]);
    let more = MessageFilter { device: one, control_id: Some("1".to_owned()), ..by(ForwardFilter::Refused) };
    assert_eq!(listed(more).await, ["1"]);
    let named = MessageFilter { identity: DeviceIdentity::parse("PUMP-2"), ..by(ForwardFilter::Refused) };
    assert!(listed(named.clone()).await.len() <= 1, "{named:?}");
}
