//! Tests of the outbox.

use std::time::Duration;

use super::*;
use crate::audit::Settlement;

battery! {
    a_queued_message_waits_until_the_device_has_answered,
    a_control_id_can_wait_for_a_device_only_once,
    one_node_at_a_time_sends_a_message,
    an_accepted_message_is_never_sent_again,
    expired_and_withdrawn_messages_are_not_sent,
    retention_deletes_settled_messages,
}

fn order(place: &TestStore, control_id: &str) -> QueuedMessage {
    let now = place.clock.now();
    QueuedMessage {
        id: MessageId::at(now),
        device: "PUMP-1".parse().unwrap(),
        message_type: "RGV^O15^RGV_O15".to_owned(),
        control_id: control_id.to_owned(),
        expires_at: now + jiff::SignedDuration::from_secs(60),
        actor: "alice".to_owned(),
        raw: Bytes::from_static(b"MSH|SECRET\r"),
    }
}

async fn waiting(store: &Store) -> Vec<WaitingMessage> {
    store.waiting_messages(None, 100).await.unwrap()
}

fn until(place: &TestStore, seconds: i64) -> Timestamp {
    place.clock.now() + jiff::SignedDuration::from_secs(seconds)
}

async fn a_queued_message_waits_until_the_device_has_answered(place: TestStore) {
    let store = place.open().await;
    let message = order(&place, "1");
    let (id, device) = (message.id, message.device.clone());
    store.queue(message.clone()).await.unwrap();
    let found = waiting(&store).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, &found[0].device, found[0].accepted), (id, &device, false));
    assert!(store.waiting_messages(Some(id), 100).await.unwrap().is_empty());
    let (entry, raw) = store.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!((raw, entry.attempts, entry.sent_at, entry.settled), (message.raw, 0, None, None));

    assert!(store.claim(id, &device, until(&place, 30)).await.unwrap());
    let answer = MessageId::at(place.clock.now());
    assert!(store.settle(id, &device, true, "AA", answer).await.unwrap());
    assert!(!store.settle(id, &device, false, "AR", answer).await.unwrap(), "settled once");
    assert!(!store.claim(id, &device, until(&place, 30)).await.unwrap());
    assert!(waiting(&store).await.is_empty());

    let all = OutboxFilter { limit: 10, ..OutboxFilter::default() };
    let listed = store.outbox(&all).await.unwrap();
    let now = place.clock.now();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].attempts, listed[0].sent_at), (1, Some(now)));
    assert_eq!(listed[0].settled, Some((Settlement::Acknowledged, now)));
    assert_eq!((listed[0].acknowledgement.as_deref(), listed[0].answer), (Some("AA"), Some(answer)));
    assert_eq!((&*listed[0].control_id, &*listed[0].actor), ("1", "alice"));
    let others = [
        OutboxFilter { waiting: true, ..all.clone() },
        OutboxFilter { before: Some(id), ..all.clone() },
        OutboxFilter { device: Some("PUMP-2".parse().unwrap()), ..all },
    ];
    for filter in others {
        assert!(store.outbox(&filter).await.unwrap().is_empty(), "{filter:?}");
    }

    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|row| (row.event, row.details)).collect();
    let audited = |event: &str, details: String| (event.to_owned(), details);
    assert_eq!(
        rows,
        [
            audited(
                "southbound-queued",
                format!(
                    r#"{{"actor":"alice","device":"PUMP-1","expires":"{}","message":"{id}"}}"#,
                    entry.expires_at
                )
            ),
            audited("southbound-sent", format!(r#"{{"device":"PUMP-1","message":"{id}"}}"#)),
            audited(
                "southbound-settled",
                format!(r#"{{"code":"AA","device":"PUMP-1","message":"{id}","outcome":"acknowledged"}}"#)
            ),
        ]
    );
}

async fn a_control_id_can_wait_for_a_device_only_once(place: TestStore) {
    let store = place.open().await;
    let first = order(&place, "1");
    store.queue(first.clone()).await.unwrap();
    let again = store.queue(order(&place, "1")).await;
    assert!(matches!(again, Err(StoreError::AlreadyWaiting(device)) if device == first.device));
    let elsewhere = QueuedMessage { device: "PUMP-2".parse().unwrap(), ..order(&place, "1") };
    store.queue(elsewhere).await.unwrap();
    assert!(store.withdraw(first.id, &first.device, "bob").await.unwrap());
    store.queue(order(&place, "1")).await.unwrap();
    let names = event_names(&store).await;
    assert_eq!(
        names,
        ["southbound-queued", "southbound-queued", "southbound-settled", "southbound-queued"],
        "what was refused has left nothing behind"
    );
}

async fn one_node_at_a_time_sends_a_message(place: TestStore) {
    let (here, there) = (place.open_as("here").await, place.open_as("there").await);
    let message = order(&place, "1");
    let (id, device) = (message.id, message.device.clone());
    here.queue(message).await.unwrap();
    let end = until(&place, 30);
    assert!(here.claim(id, &device, end).await.unwrap());
    assert_eq!(waiting(&there).await[0].elsewhere_until, Some(end));
    assert_eq!(waiting(&here).await[0].elsewhere_until, None);
    assert!(!there.claim(id, &device, end).await.unwrap());
    assert!(!there.withdraw(id, &device, "bob").await.unwrap(), "it is being sent");
    // The node restarts after a crash: its own claim does not stop it.
    assert!(here.claim(id, &device, end).await.unwrap());
    // The session ends without an acknowledgement.
    here.release(id).await.unwrap();
    assert!(there.claim(id, &device, end).await.unwrap());
    // A second release, after another node has claimed the message.
    here.release(id).await.unwrap();
    assert_eq!(waiting(&here).await[0].elsewhere_until, Some(end));
    // The claim of a dead node ends.
    place.clock.advance(Duration::from_secs(30));
    assert!(here.claim(id, &device, until(&place, 30)).await.unwrap());
    let (entry, _) = here.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!(entry.attempts, 4);
}

// HL7 2.6 ch. 2, 2.9.3: enhanced mode
async fn an_accepted_message_is_never_sent_again(place: TestStore) {
    let store = place.open().await;
    let message = order(&place, "1");
    let (id, device) = (message.id, message.device.clone());
    store.queue(message).await.unwrap();
    assert!(store.claim(id, &device, until(&place, 30)).await.unwrap());
    store.note_accepted(id, "CA", id).await.unwrap();
    assert!(waiting(&store).await[0].accepted);
    assert!(!store.claim(id, &device, until(&place, 30)).await.unwrap());
    assert!(!store.withdraw(id, &device, "bob").await.unwrap());
    place.clock.advance(Duration::from_secs(60));
    assert!(store.expire(id, &device).await.unwrap());
    let (entry, _) = store.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!(entry.acknowledgement.as_deref(), Some("CA"));
    assert_eq!(entry.settled.map(|(settlement, _)| settlement), Some(Settlement::Expired));
}

async fn expired_and_withdrawn_messages_are_not_sent(place: TestStore) {
    let store = place.open().await;
    let (late, unwanted) = (order(&place, "1"), order(&place, "2"));
    let device = late.device.clone();
    for message in [&late, &unwanted] {
        store.queue(message.clone()).await.unwrap();
    }
    assert!(!store.expire(late.id, &device).await.unwrap(), "its time is not over");
    assert!(store.withdraw(unwanted.id, &device, "bob").await.unwrap());
    assert!(!store.claim(unwanted.id, &device, until(&place, 30)).await.unwrap());
    place.clock.advance(Duration::from_secs(60));
    assert!(!store.claim(late.id, &device, until(&place, 30)).await.unwrap(), "its time is over");
    assert!(store.expire(late.id, &device).await.unwrap());
    assert!(!store.expire(late.id, &device).await.unwrap());
    let settled = AuditFilter { event: Some("southbound-settled".to_owned()), ..TRAIL };
    let details: Vec<_> =
        store.audit_rows(&settled).await.unwrap().into_iter().map(|row| row.details).collect();
    let [late, unwanted] = [late.id, unwanted.id];
    assert_eq!(
        details,
        [
            format!(r#"{{"actor":"bob","device":"PUMP-1","message":"{unwanted}","outcome":"withdrawn"}}"#),
            format!(r#"{{"device":"PUMP-1","message":"{late}","outcome":"expired"}}"#),
        ]
    );
}

async fn retention_deletes_settled_messages(place: TestStore) {
    let store = place.open().await;
    let (settled, left) = (order(&place, "1"), order(&place, "2"));
    for message in [&settled, &left] {
        store.queue(message.clone()).await.unwrap();
    }
    assert!(store.withdraw(settled.id, &settled.device, "bob").await.unwrap());
    assert_eq!(store.prune_messages(place.clock.now()).await.unwrap(), 0, "not old yet");
    place.clock.advance(Duration::from_secs(1));
    assert_eq!(store.prune_messages(place.clock.now()).await.unwrap(), 1);
    assert!(store.outbox_entry(settled.id).await.unwrap().is_none());
    assert!(store.outbox_entry(left.id).await.unwrap().is_some());
}
