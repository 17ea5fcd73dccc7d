//! Tests of rows about retention that an administrator of the database appends, well-formed and chained.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::audit::{Fault, MessageKind, Permit, RemovedMessages, RowHash, SigningRule, permit_bytes};

battery! {
    a_removal_in_the_name_of_retention_is_found,
    a_permit_permits_nothing_younger_than_its_time,
    a_permit_about_rejected_messages_permits_nothing_about_accepted_ones,
    a_row_about_a_removed_beginning_does_not_end_the_comparison,
    a_chain_of_a_node_that_never_served_explains_nothing,
    a_removed_beginning_bounds_the_comparison_by_the_first_row_that_is_left,
    a_chain_that_only_commands_wrote_needs_no_signature,
    a_permit_about_large_messages_permits_nothing_about_others,
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);
const RULE: SigningRule = SigningRule { sign_every: Duration::from_secs(300), since: None };

/// Stores five messages, each a minute after the other, and signs the trail.
async fn fill(place: &TestStore, store: &Store) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for _ in 0..5 {
        place.clock.advance(Duration::from_secs(60));
        let now = place.clock.now();
        let milliseconds = u128::try_from(now.as_millisecond()).unwrap();
        let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
        let record = MessageRecord { id, ..place.record(&now.to_string(), b"MSH|Doe^John") };
        store.record(record).await.unwrap();
        ids.push(id);
    }
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
    ids
}

fn bytes(place: &TestStore, digits: &str) -> String {
    if place.is_postgres() { format!("'\\x{digits}'") } else { format!("x'{digits}'") }
}

/// Appends a row to the chain of `node`, as docs/explanation/audit.md says how its hash is made.
async fn append(place: &TestStore, store: &Store, node: &str, event: &str, details: &str) {
    let (node, at): (NodeName, _) = (node.parse().unwrap(), place.clock.now());
    let link = store.reader().audit_end(&node).await.unwrap().next(&node, at, event, details);
    let (number, at) = (link.number, at.as_microsecond());
    let hash = bytes(place, &link.hash.to_string());
    let sql = format!(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('{node}', {number}, {at}, '{event}', '{details}', {hash})"
    );
    place.execute(&sql).await.unwrap();
}

/// Removes a message, and says that retention did.
async fn remove(place: &TestStore, store: &Store, node: &str, id: MessageId, permit: Permit) {
    let removed: RemovedMessages = [id].into_iter().collect();
    let event = Event::MessagesPruned { removed: Box::new(removed), orders: 0, permit: Box::new(permit) };
    append(place, store, node, event.name(), &event.details()).await;
    delete(place, id).await;
}

async fn delete(place: &TestStore, id: MessageId) {
    let digits: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    place.execute(&format!("DELETE FROM message WHERE id = {}", bytes(place, &digits))).await.unwrap();
}

async fn fault(store: &Store, node: &str) -> Option<(u64, Fault)> {
    let reports = store.verify_audit_with(&Repeating, Some(RULE)).await.unwrap();
    let report = reports.into_iter().find(|report| report.node.as_str() == node).unwrap();
    report.verdict.err().map(|broken| (broken.number, broken.fault))
}

async fn missing(store: &Store) -> Vec<MessageId> {
    store.check_contents(&Repeating).await.unwrap().missing.first
}

/// A permit as a forger makes it: without the platform's key.
fn forged(before: Timestamp) -> Permit {
    let mut permit = Permit::sign(&Repeating, &"other".parse().unwrap(), MessageKind::Any, before).unwrap();
    permit.signature.value.push(0);
    permit
}

async fn a_removal_in_the_name_of_retention_is_found(place: TestStore) {
    let store = place.open().await;
    let here = store.node().to_string();
    let ids = fill(&place, &store).await;
    let month_ago = place.clock.now() - MONTH;
    // With no permit, as an earlier version wrote it.
    let removed: RemovedMessages = [ids[4]].into_iter().collect();
    let permit = Box::new(forged(month_ago));
    let event = Event::MessagesPruned { removed: Box::new(removed), orders: 0, permit };
    let mut details: serde_json::Value = serde_json::from_str(&event.details()).unwrap();
    for key in ["scheme", "certificate", "signature"] {
        details.as_object_mut().unwrap().remove(key).unwrap();
    }
    append(&place, &store, &here, event.name(), &details.to_string()).await;
    delete(&place, ids[4]).await;
    assert_eq!(missing(&store).await, [ids[4]]);
    assert_eq!(fault(&store, &here).await, Some((7, Fault::Unpermitted)));
    // The platform permits what is older than a month, and the row says that it is; the message is not.
    store.permit_former_removals(month_ago, &Repeating).await.unwrap();
    assert_eq!(missing(&store).await, [ids[4]]);
    assert_eq!(fault(&store, &here).await, Some((7, Fault::Unpermitted)));
    // One that has only the number, before a time that is permitted.
    append(&place, &store, &here, event.name(), &format!("{{\"before\":\"{month_ago}\",\"messages\":1}}"))
        .await;
    assert_eq!(missing(&store).await, [ids[4]]);
}

async fn a_permit_permits_nothing_younger_than_its_time(place: TestStore) {
    let store = place.open().await;
    let here = store.node().to_string();
    let ids = fill(&place, &store).await;
    assert_eq!(store.prune_messages(ids[2].time(), &Repeating).await.unwrap(), 2);
    assert_eq!((missing(&store).await, fault(&store, &here).await), (Vec::new(), None));
    let copied = Permit::sign(&Repeating, store.node(), MessageKind::Any, ids[2].time()).unwrap();
    remove(&place, &store, &here, ids[3], copied.clone()).await;
    assert_eq!(missing(&store).await, [ids[3]]);
    assert_eq!(fault(&store, &here).await, Some((8, Fault::Unpermitted)));
    // The permit with another time, and one of another node.
    let mut moved = copied;
    moved.before = place.clock.now();
    remove(&place, &store, &here, ids[4], moved).await;
    remove(
        &place,
        &store,
        "other",
        ids[2],
        Permit::sign(&Repeating, store.node(), MessageKind::Any, place.clock.now()).unwrap(),
    )
    .await;
    assert_eq!(missing(&store).await, [ids[2], ids[3], ids[4]]);
    let signed = permit_bytes(store.node(), MessageKind::Any, ids[2].time());
    assert!(signed.starts_with(b"pcd-platform retention permit 2\0"), "no other signature is a permit");
}

async fn a_permit_about_rejected_messages_permits_nothing_about_accepted_ones(place: TestStore) {
    let store = place.open().await;
    let here = store.node().to_string();
    let ids = fill(&place, &store).await;
    let rejected = place.rejected("6", b"MSH|");
    let rejected = MessageRecord { id: following(ids[4]), ..rejected };
    store.record(rejected.clone()).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let now = place.clock.now();
    // Rejected messages have the shorter age.
    let kind = MessageKind::Accepted;
    assert_eq!(store.prune_messages_of(kind, None, ids[1].time(), &Repeating).await.unwrap(), 1);
    assert_eq!(store.prune_messages_of(MessageKind::Rejected, None, now, &Repeating).await.unwrap(), 1);
    assert_eq!((missing(&store).await, fault(&store, &here).await), (Vec::new(), None));
    // An accepted message of an age between the two goes by the permit about rejected ones, and by the same
    // permit under another name or under none, as an earlier version would have written it.
    let copied = Permit::sign(&Repeating, store.node(), MessageKind::Rejected, now).unwrap();
    remove(&place, &store, &here, ids[2], copied.clone()).await;
    assert_eq!(missing(&store).await, [ids[2]]);
    for (id, kind) in [(ids[3], MessageKind::Accepted), (ids[4], MessageKind::Any)] {
        assert!(!missing(&store).await.contains(&id));
        let mut renamed = copied.clone();
        renamed.kind = kind;
        remove(&place, &store, &here, id, renamed).await;
        assert!(missing(&store).await.contains(&id), "{kind:?}");
        assert!(matches!(fault(&store, &here).await, Some((_, Fault::Unpermitted))), "{kind:?}");
    }
    // Nor does what is permitted about accepted ones permit the removal of rejected ones.
    let store = place.open_as("other").await;
    place.clock.advance(Duration::from_secs(300));
    let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
    let after = MessageRecord { id, ..place.rejected("7", b"MSH|") };
    store.record(after.clone()).await.unwrap();
    let later = now + Duration::from_secs(600);
    let permit = Permit::sign(&Repeating, store.node(), MessageKind::Accepted, later).unwrap();
    remove(&place, &store, "other", after.id, permit).await;
    assert!(missing(&store).await.contains(&after.id));
}

/// Who writes to the database can mark any message as a large one. What the trail says about it counts.
async fn a_permit_about_large_messages_permits_nothing_about_others(place: TestStore) {
    let store = place.open().await;
    let here = store.node().to_string();
    let ids = fill(&place, &store).await;
    let now = place.clock.now();
    assert_eq!(store.prune_messages_of(MessageKind::Large, None, now, &Repeating).await.unwrap(), 0);
    let digits: String = ids[1].as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let marked = format!("INSERT INTO message_key (hash, message) VALUES (0, {})", bytes(&place, &digits));
    place.execute(&marked).await.unwrap();
    assert_eq!(store.prune_messages_of(MessageKind::Large, None, now, &Repeating).await.unwrap(), 1);
    assert_eq!(missing(&store).await, [ids[1]], "its row does not say that it was large");
    let permit = Permit::sign(&Repeating, store.node(), MessageKind::Large, now).unwrap();
    remove(&place, &store, &here, ids[2], permit).await;
    assert_eq!(missing(&store).await, [ids[1], ids[2]]);
}

/// The next identifier.
fn following(id: MessageId) -> MessageId {
    MessageId::from_bytes((u128::from_be_bytes(*id.as_bytes()) + 1).to_be_bytes())
}

async fn a_row_about_a_removed_beginning_does_not_end_the_comparison(place: TestStore) {
    let store = place.open().await;
    let here = store.node().to_string();
    let ids = fill(&place, &store).await;
    let tomorrow = place.clock.now() + Duration::from_secs(86_400);
    let link = ChainHead { number: 3, hash: RowHash::from_bytes(&[7; 32]).unwrap() };
    let event = Event::AuditPruned { link, before: tomorrow };
    append(&place, &store, &here, event.name(), &event.details()).await;
    delete(&place, ids[4]).await;
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.missing.first, contents.trail_since), (vec![ids[4]], None));
    assert_eq!(fault(&store, &here).await, Some((7, Fault::PruningUnsigned)));
}

async fn a_chain_of_a_node_that_never_served_explains_nothing(place: TestStore) {
    let store = place.open().await;
    let ids = fill(&place, &store).await;
    remove(&place, &store, "ghost", ids[4], forged(place.clock.now() - MONTH)).await;
    assert_eq!(fault(&store, "ghost").await, Some((1, Fault::Unpermitted)));
    let link = ChainHead { number: 3, hash: RowHash::from_bytes(&[0; 32]).unwrap() };
    let event = Event::AuditPruned { link, before: place.clock.now() + MONTH };
    append(&place, &store, "ghost-2", event.name(), &event.details()).await;
    assert_eq!(fault(&store, "ghost-2").await, Some((1, Fault::PruningUnsigned)));
    assert_eq!(missing(&store).await, [ids[4]]);
    // Rows of a serving platform are signed by it, sooner or later.
    let started = Event::PlatformStarted { version: "1".to_owned(), listen: Vec::new() };
    append(&place, &store, "ghost-3", started.name(), &started.details()).await;
    assert_eq!(fault(&store, "ghost-3").await, None, "it may just have started");
    place.clock.advance(Duration::from_secs(661));
    assert_eq!(fault(&store, "ghost-3").await, Some((1, Fault::NeverSigned)));
}

async fn a_removed_beginning_bounds_the_comparison_by_the_first_row_that_is_left(place: TestStore) {
    let store = place.open().await;
    fill(&place, &store).await;
    place.clock.advance(Duration::from_secs(3 * 86_400));
    let ids = fill(&place, &store).await;
    let (first, day) = (ids[0].time(), Duration::from_secs(86_400));
    assert_eq!(store.prune_audit(first, u64::MAX, &Repeating).await.unwrap(), 6);
    place.clock.advance(2 * day);
    let contents = store.check_contents(&Repeating).await.unwrap();
    let since = contents.trail_since.unwrap();
    assert!(since >= first + day && since < first + day + Duration::from_secs(1), "{since}");
    // Not by one without a signature.
    place
        .execute(&format!(
            "UPDATE audit_begin SET number = 7, scheme = 'x', signature = {}",
            bytes(&place, "00")
        ))
        .await
        .unwrap();
    assert_eq!(store.check_contents(&Repeating).await.unwrap().trail_since, None);
}

async fn a_chain_that_only_commands_wrote_needs_no_signature(place: TestStore) {
    let store = place.open_as("stopped").await;
    store.add_device(gateway("A"), "alice").await.unwrap();
    place.clock.advance(MONTH);
    store.audit(Event::StoreCopied { actor: "alice".to_owned() }).await.unwrap();
    assert_eq!(fault(&store, "stopped").await, None);
}
