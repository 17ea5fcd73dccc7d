//! Tests of searches by patient, order and text.

use super::*;
use crate::audit::MessageKind;
use crate::audit::fixtures::Repeating;
use crate::model::{SearchKey, Searched};

/// The key of a patient's number.
async fn patient(store: &Store, number: &str) -> SearchKey {
    store.patient_key().await.search_key(Searched::Patient, number).unwrap()
}

fn about(place: &TestStore, control_id: &str, keys: &[SearchKey]) -> MessageRecord {
    let raw = Bytes::from(control_id.to_owned());
    MessageRecord { keys: keys.to_vec(), raw, ..place.record(control_id, b"") }
}

async fn found(store: &Store, filter: MessageFilter) -> Vec<String> {
    let (messages, end) = store.search_messages(&filter).await.unwrap();
    assert_eq!(end, None, "{filter:?}");
    messages.into_iter().map(|message| message.control_id).collect()
}

/// The rows of the index.
async fn indexed(place: &TestStore) -> usize {
    place.connect_directly().await.texts("SELECT '' || hash FROM message_key").await.len()
}

async fn messages_are_found_by_their_keys(place: TestStore) {
    let store = place.open().await;
    let (one, other) = (patient(&store, "4711").await, patient(&store, "4712").await);
    // A batch of its own each, and several in one.
    store.record(about(&place, "1", &[one])).await.unwrap();
    store.record(about(&place, "2", &[other])).await.unwrap();
    let more = [about(&place, "3", &[one, other]), about(&place, "4", &[]), about(&place, "5", &[one])];
    for outcome in join_all(more.into_iter().map(|record| store.record(record))).await {
        outcome.unwrap();
    }
    // One that is written statement by statement on PostgreSQL.
    let rejected = MessageRecord { not_allowed: vec!["A".to_owned()], ..place.rejected("6", b"6") };
    store.record(MessageRecord { keys: vec![one], ..rejected }).await.unwrap();
    let by = |key| MessageFilter { key: Some(key), ..ANY };
    assert_eq!(found(&store, by(one)).await, ["6", "5", "3", "1"]);
    assert_eq!(found(&store, by(other)).await, ["3", "2"]);
    assert_eq!(found(&store, by(patient(&store, "4713").await)).await, Vec::<String>::new());
    let page = store.search_messages(&MessageFilter { limit: 2, ..by(one) }).await.unwrap().0;
    assert_eq!(found(&store, MessageFilter { before: Some(page[1].id), ..by(one) }).await, ["3", "1"]);
    // Further conditions hold as well.
    let narrowed = |filter: MessageFilter| {
        let store = &store;
        async move {
            let (messages, _) = store.search_messages(&filter).await.unwrap();
            messages.into_iter().map(|message| message.control_id).collect::<Vec<_>>()
        }
    };
    assert_eq!(narrowed(MessageFilter { rejected: true, ..by(one) }).await, ["6"]);
    assert_eq!(narrowed(MessageFilter { control_id: Some("3".to_owned()), ..by(one) }).await, ["3"]);
    assert_eq!(narrowed(MessageFilter { identity: DeviceIdentity::parse("X"), ..by(one) }).await, [""; 0]);
    let named = DeviceIdentity::parse("00A037EB2175780F");
    assert_eq!(narrowed(MessageFilter { identity: named, ..by(other) }).await, ["3", "2"]);
}

async fn a_resend_is_indexed_once(place: TestStore) {
    let store = place.open().await;
    let key = patient(&store, "4711").await;
    for _ in 0..2 {
        store.record(about(&place, "1", &[key])).await.unwrap();
    }
    assert_eq!(indexed(&place).await, 1);
    assert_eq!(found(&store, MessageFilter { key: Some(key), ..ANY }).await, ["1"]);
}

/// The same message with an identifier of this moment, whatever other tests have made.
fn of_this_moment(place: &TestStore, record: MessageRecord) -> MessageRecord {
    let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
    let own = u128::from_be_bytes(*record.id.as_bytes()) & ((1 << 62) - 1);
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | own).to_be_bytes());
    MessageRecord { id, ..record }
}

async fn retention_removes_the_keys_with_the_message(place: TestStore) {
    let store = place.open().await;
    let key = patient(&store, "4711").await;
    store.record(of_this_moment(&place, about(&place, "1", &[key]))).await.unwrap();
    let rejected = MessageRecord { keys: vec![key], ..place.rejected("2", b"2") };
    store.record(of_this_moment(&place, rejected)).await.unwrap();
    place.clock.advance(Duration::from_secs(10));
    let before = place.clock.now();
    store.record(of_this_moment(&place, about(&place, "3", &[key]))).await.unwrap();
    let since = store.searched_since().await.unwrap().unwrap();
    assert_eq!(store.prune_messages_of(MessageKind::Rejected, None, before, &Repeating).await.unwrap(), 1);
    assert_eq!(indexed(&place).await, 2);
    assert_eq!(store.prune_messages(before, &Repeating).await.unwrap(), 1);
    assert_eq!(indexed(&place).await, 1);
    assert_eq!(found(&store, MessageFilter { key: Some(key), ..ANY }).await, ["3"]);
    assert!(store.searched_since().await.unwrap().unwrap() > since, "it moves with what is there");
}

async fn the_index_holds_no_number(place: TestStore) {
    let store = place.open().await;
    assert_eq!(store.searched_since().await.unwrap(), None);
    let key = patient(&store, "4711").await;
    store.record(about(&place, "1", &[key])).await.unwrap();
    let hashes = place.connect_directly().await.texts("SELECT '' || hash FROM message_key").await;
    assert_eq!(hashes, [key.number().to_string()]);
    // Another store has another key.
    let elsewhere = place.another();
    assert_ne!(patient(&elsewhere.open().await, "4711").await, key);
}

async fn a_text_is_found_within_bounds(place: TestStore) {
    let store = place.open().await;
    for number in 0..250 {
        let raw = Bytes::from(format!("MSH|{}", if number % 100 == 7 { "wanted" } else { "other" }));
        store.record(MessageRecord { raw, ..place.record(&number.to_string(), b"") }).await.unwrap();
    }
    let wanted = |bytes: &[u8]| bytes.ends_with(b"wanted");
    let of_device = MessageFilter { device: "PUMP-1".parse().ok(), ..ANY };
    let found = store.scan_messages(&of_device, &wanted).await.unwrap();
    let ids: Vec<_> = found.messages.iter().map(|message| message.control_id.as_str()).collect();
    assert_eq!((ids.as_slice(), found.searched, found.stopped_at), (&["207", "107", "7"][..], 250, None));
    // A page that is full says where to go on.
    let first = store.scan_messages(&MessageFilter { limit: 1, ..of_device.clone() }, &wanted).await.unwrap();
    assert_eq!((first.messages.len(), first.searched, first.stopped_at), (1, 43, Some(first.messages[0].id)));
    let rest = MessageFilter { before: first.stopped_at, ..of_device };
    assert_eq!(store.scan_messages(&rest, &wanted).await.unwrap().messages.len(), 2);
    // Another device has none.
    let other = MessageFilter { device: "PUMP-2".parse().ok(), ..ANY };
    assert_eq!(store.scan_messages(&other, &wanted).await.unwrap(), Scanned::default());
}

async fn a_scan_ends_after_some_thousand_messages(place: TestStore) {
    let store = place.open().await;
    place.execute(&rows::sql(place.is_postgres(), 0, 6_000, 6_000)).await.unwrap();
    let page = store.scan_messages(&ANY, &|_| false).await.unwrap();
    assert!(page.searched <= 5_000 && page.messages.is_empty(), "{}", page.searched);
    let stopped = page.stopped_at.unwrap();
    let rest =
        store.scan_messages(&MessageFilter { before: Some(stopped), ..ANY }, &|_| false).await.unwrap();
    assert!(rest.searched > 0);
}

battery!(
    messages_are_found_by_their_keys,
    a_resend_is_indexed_once,
    retention_removes_the_keys_with_the_message,
    the_index_holds_no_number,
    a_text_is_found_within_bounds,
    a_scan_ends_after_some_thousand_messages,
);
