//! Tests of messages that come again when their copy is old, and of what `store check` says of replaced
//! copies: an administrator who knows the bytes beforehand cannot have an acknowledged message removed before
//! its time.

use super::*;
use crate::audit::MessageKind;
use crate::audit::fixtures::Repeating;

battery! {
    an_old_copy_is_replaced_and_explained_also_when_retention_has_removed_both,
    a_copy_that_was_planted_with_its_row_is_not_what_is_acknowledged,
    a_tenth_of_a_short_retention_makes_a_copy_old,
    two_nodes_store_what_comes_again_once,
    a_replaced_copy_explains_nothing_that_is_lost,
    a_resend_that_is_gone_before_its_time_is_missing,
}

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const RAW: &[u8] = b"MSH|1";

fn id_at(time: Timestamp, number: u8) -> MessageId {
    let milliseconds = u128::try_from(time.as_millisecond()).unwrap();
    MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(number)).to_be_bytes())
}

/// The message with an identifier of this moment.
fn message(place: &TestStore, number: u8) -> MessageRecord {
    MessageRecord { id: id_at(place.clock.now(), number), ..place.record("1", RAW) }
}

fn bytes(place: &TestStore, digits: &str) -> String {
    if place.is_postgres() { format!("'\\x{digits}'") } else { format!("x'{digits}'") }
}

fn literal(place: &TestStore, id: MessageId) -> String {
    bytes(place, &id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Appends a row to the chain of `node`, with the right hash.
async fn append(place: &TestStore, store: &Store, node: &str, at: Timestamp, event: &str, details: &str) {
    let node: NodeName = node.parse().unwrap();
    let link = store.reader().audit_end(&node).await.unwrap().next(&node, at, event, details);
    let (number, at, hash) = (link.number, at.as_microsecond(), bytes(place, &link.hash.to_string()));
    let sql = format!(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('{node}', {number}, {at}, '{event}', '{details}', {hash})"
    );
    place.execute(&sql).await.unwrap();
}

/// The details of a row about the message.
fn named(message: MessageId) -> String {
    let digest = Fingerprint::sha256(RAW);
    format!(r#"{{"device":"PUMP-1","message":"{message}","sha256":"{digest}"}}"#)
}

fn replaced(copy: MessageId, message: MessageId, device: &str, raw: &[u8]) -> String {
    let digest = Fingerprint::sha256(raw);
    format!(r#"{{"copy":"{copy}","device":"{device}","message":"{message}","sha256":"{digest}"}}"#)
}

async fn checked(store: &Store) -> Contents {
    store.check_contents(&Repeating).await.unwrap()
}

async fn prune(store: &Store, before: Timestamp) -> u64 {
    store.prune_messages_of(MessageKind::Accepted, None, before, &Repeating).await.unwrap()
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    time - jiff::SignedDuration::try_from(span).unwrap()
}

async fn an_old_copy_is_replaced_and_explained_also_when_retention_has_removed_both(place: TestStore) {
    let store = place.open().await;
    let first = message(&place, 1);
    store.record(first.clone()).await.unwrap();
    place.clock.advance(DAY);
    let resent = store.record(message(&place, 2)).await.unwrap();
    assert!(matches!(resent, RecordOutcome::Resend { original, .. } if original == first.id), "{resent:?}");
    place.clock.advance(Duration::from_secs(1));
    let second = message(&place, 3);
    assert_eq!(store.record(second.clone()).await.unwrap(), RecordOutcome::Stored(second.id));
    assert_eq!(
        event_names(&store).await,
        ["message-accepted", "message-resent", "message-accepted", "copy-renewed"]
    );
    let row = store.audit_rows(&TRAIL).await.unwrap().remove(3);
    assert_eq!(row.details, replaced(first.id, second.id, "PUMP-1", RAW));
    assert!(store.message(first.id).await.unwrap().is_none());
    assert_eq!(store.message(second.id).await.unwrap().unwrap().raw, RAW);
    assert!(checked(&store).await.are_whole(), "{:?}", checked(&store).await);
    // What the platform removes of its own accord is what it acknowledged last, and not before its time.
    place.clock.advance(MONTH);
    assert_eq!(prune(&store, second.id.time()).await, 0);
    assert!(checked(&store).await.are_whole());
    assert_eq!(prune(&store, before(place.clock.now(), MONTH - DAY)).await, 1);
    assert!(checked(&store).await.are_whole(), "{:?}", checked(&store).await);
}

/// The row has the right hash, and is of an invented node, or of the platform's own chain: written while no
/// platform ran, and accepted and signed by the next start.
async fn a_copy_that_was_planted_with_its_row_is_not_what_is_acknowledged(place: TestStore) {
    for (is_invented, age, received) in [
        (true, MONTH - Duration::from_secs(15), Duration::ZERO),
        (false, MONTH - Duration::from_secs(15), MONTH - Duration::from_secs(15)),
        (false, MONTH * 2, MONTH * 2),
        (true, DAY * 2, DAY * 2),
    ] {
        let place = place.another();
        place.clock.advance(MONTH * 3);
        let store = place.open().await;
        let now = place.clock.now();
        store.record(MessageRecord { id: id_at(now, 9), ..place.record("9", b"MSH|9") }).await.unwrap();
        // The copy: what the platform would have stored.
        let node = if is_invented { "evil".to_owned() } else { store.node().to_string() };
        let (planted, received_at) = (id_at(before(now, age), 99), before(now, received));
        store.record(message(&place, 1)).await.unwrap();
        let own = id_at(now, 1);
        let sql = format!(
            "UPDATE message SET id = {}, received_at = {} WHERE id = {}",
            literal(&place, planted),
            received_at.as_microsecond(),
            literal(&place, own)
        );
        place.execute(&sql).await.unwrap();
        append(&place, &store, &node, received_at, "message-accepted", &named(planted)).await;
        store.close().await;
        let store = place.open().await;
        store.sign_audit(&Repeating, &Repeating).await.unwrap();
        let fresh = message(&place, 2);
        let stored = store.record(fresh.clone()).await.unwrap();
        assert_eq!(stored, RecordOutcome::Stored(fresh.id), "{node} {age:?}");
        // Retention comes by.
        place.clock.advance(Duration::from_secs(60));
        assert_eq!(prune(&store, before(place.clock.now(), MONTH)).await, 0, "{node} {age:?}");
        assert_eq!(store.message(fresh.id).await.unwrap().unwrap().raw, RAW);
        // Of what was acknowledged only the test's own preparation is missing.
        let contents = checked(&store).await;
        assert_eq!(contents.missing.first, [own], "{node} {age:?}: {contents:?}");
    }
}

async fn a_tenth_of_a_short_retention_makes_a_copy_old(place: TestStore) {
    let store = place.open().await;
    store.messages_stay(Some(Duration::from_secs(3600)));
    let first = message(&place, 1);
    store.record(first.clone()).await.unwrap();
    place.clock.advance(Duration::from_secs(360));
    let resent = store.record(message(&place, 2)).await.unwrap();
    assert!(matches!(resent, RecordOutcome::Resend { original, .. } if original == first.id), "{resent:?}");
    place.clock.advance(Duration::from_secs(1));
    let second = message(&place, 3);
    assert_eq!(store.record(second.clone()).await.unwrap(), RecordOutcome::Stored(second.id));
    store.messages_stay(None);
    place.clock.advance(DAY);
    assert!(matches!(store.record(message(&place, 4)).await.unwrap(), RecordOutcome::Resend { .. }));
}

async fn two_nodes_store_what_comes_again_once(place: TestStore) {
    let (one, other) = (place.open_as("one").await, place.open_as("other").await);
    one.record(message(&place, 1)).await.unwrap();
    place.clock.advance(DAY * 2);
    let again = |number| MessageRecord { peer: "192.0.2.7:1".parse().unwrap(), ..message(&place, number) };
    let outcomes = join_all([
        one.record(again(2)),
        other.record(again(3)),
        one.record(again(4)),
        other.record(again(5)),
    ]);
    let outcomes: Vec<_> = outcomes.await.into_iter().map(Result::unwrap).collect();
    let stored = |outcome: &&RecordOutcome| matches!(outcome, RecordOutcome::Stored(_));
    assert_eq!(outcomes.iter().filter(stored).count(), 1, "{outcomes:?}");
    let left = one.messages(&ANY).await.unwrap();
    assert_eq!(left.len(), 1);
    let of_it = |outcome: &RecordOutcome| match outcome {
        RecordOutcome::Stored(id) => *id == left[0].id,
        RecordOutcome::Resend { original, .. } => *original == left[0].id,
    };
    assert!(outcomes.iter().all(of_it), "{outcomes:?}");
    assert!(checked(&one).await.are_whole(), "{:?}", checked(&one).await);
}

/// An administrator removes a message, and appends a row that says it was replaced.
async fn a_replaced_copy_explains_nothing_that_is_lost(place: TestStore) {
    let store = place.open().await;
    let node = "evil";
    let lost = message(&place, 1);
    store.record(lost.clone()).await.unwrap();
    let other = MessageRecord { id: id_at(place.clock.now(), 2), ..place.record("2", b"MSH|2") };
    store.record(other.clone()).await.unwrap();
    let twin = MessageRecord { device: "PUMP-2".parse().unwrap(), ..message(&place, 5) };
    store.record(twin.clone()).await.unwrap();
    let rejected = MessageRecord { id: id_at(place.clock.now(), 6), ..place.rejected("1", RAW) };
    store.record(rejected.clone()).await.unwrap();
    assert!(checked(&store).await.are_whole());
    place.execute(&format!("DELETE FROM message WHERE id = {}", literal(&place, lost.id))).await.unwrap();
    let never = id_at(place.clock.now(), 3);
    for (message, device, raw) in [
        (never, "PUMP-1", RAW),
        (other.id, "PUMP-1", RAW),
        (other.id, "PUMP-1", b"MSH|2"),
        (twin.id, "PUMP-1", RAW),
        (twin.id, "PUMP-2", RAW),
        (rejected.id, "PUMP-1", RAW),
        (lost.id, "PUMP-1", RAW),
    ] {
        let details = replaced(lost.id, message, device, raw);
        append(&place, &store, node, place.clock.now(), "copy-replaced", &details).await;
        assert_eq!(checked(&store).await.missing.first, [lost.id], "{details}");
    }
    // The message that took the place has a row, and is not there either.
    append(&place, &store, node, place.clock.now(), "message-accepted", &named(never)).await;
    assert_eq!(checked(&store).await.missing.first, [never]);
    // Retention of a month later removed neither.
    place.clock.advance(MONTH + DAY);
    assert!(prune(&store, before(place.clock.now(), MONTH)).await > 0);
    let contents = checked(&store).await;
    assert!(!contents.are_whole() && contents.unexplained[0].missing > contents.unexplained[0].removed);
    // A message that was rejected is not replaced by one that was accepted later.
    let place = place.another();
    let store = place.open().await;
    let rejected = MessageRecord { id: id_at(place.clock.now(), 4), ..place.rejected("1", RAW) };
    store.record(rejected.clone()).await.unwrap();
    let accepted = message(&place, 5);
    store.record(accepted.clone()).await.unwrap();
    place.execute(&format!("DELETE FROM message WHERE id = {}", literal(&place, rejected.id))).await.unwrap();
    let details = replaced(rejected.id, accepted.id, "PUMP-1", RAW);
    append(&place, &store, node, place.clock.now(), "copy-renewed", &details).await;
    assert_eq!(checked(&store).await.missing.first, [rejected.id]);
}

/// Nothing but the row about the resend is of this month.
async fn a_resend_that_is_gone_before_its_time_is_missing(place: TestStore) {
    let store = place.open().await;
    let old = message(&place, 1);
    store.record(old.clone()).await.unwrap();
    place.clock.advance(MONTH - Duration::from_secs(15));
    // As a platform wrote it that took an old copy for the message.
    append(&place, &store, "other", place.clock.now(), "message-resent", &named(old.id)).await;
    assert!(checked(&store).await.are_whole());
    place.clock.advance(Duration::from_secs(30));
    assert_eq!(prune(&store, before(place.clock.now(), MONTH)).await, 1);
    let contents = checked(&store).await;
    assert_eq!((contents.missing.count, contents.missing.first), (1, vec![old.id]));
    // A month after the resend retention would have removed it in any case.
    store
        .record(MessageRecord { id: id_at(place.clock.now(), 2), ..place.record("2", b"MSH|2") })
        .await
        .unwrap();
    place.clock.advance(MONTH + Duration::from_secs(1));
    assert_eq!(prune(&store, before(place.clock.now(), MONTH)).await, 1);
    assert!(checked(&store).await.are_whole(), "{:?}", checked(&store).await);
}
