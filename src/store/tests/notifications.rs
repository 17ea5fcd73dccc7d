//! Tests of notifications that wait.

use super::*;

battery! {
    a_notification_waits_until_it_is_delivered_or_given_up,
    what_was_given_up_is_bounded_and_can_be_sent_again,
}

fn notification(place: &TestStore, receiver: &str) -> StoredNotification {
    StoredNotification {
        id: MessageId::at(place.clock.now()),
        node: NodeName::from_hostname().to_string(),
        receiver: receiver.to_owned(),
        created_at: place.clock.now(),
        is_dead: false,
        attempts: 0,
        error: String::new(),
        body: r#"{"text": "x"}"#.to_owned(),
    }
}

fn keep(stored: &StoredNotification) -> NotificationChange {
    NotificationChange::Keep(Box::new(stored.clone()))
}

async fn a_notification_waits_until_it_is_delivered_or_given_up(place: TestStore) {
    let store = place.open().await;
    let (first, other) = (notification(&place, "ops"), notification(&place, "pager"));
    let findings = r#"[{"code":"backup-old"}]"#.to_owned();
    let node = store.node().to_string();
    let reported =
        NotificationChange::Reported { node, receiver: "ops".to_owned(), findings: findings.clone() };
    store.change_notifications(vec![reported, keep(&first), keep(&other)]).await.unwrap();
    store.close().await;

    // Another process goes on.
    let store = place.open().await;
    assert_eq!(store.notified("ops").await.unwrap(), Some(findings));
    assert_eq!(store.notified("pager").await.unwrap(), None);
    assert_eq!(store.waiting_notification("ops").await.unwrap(), Some(first.clone()));
    let failed = StoredNotification { attempts: 3, error: "HTTP status 500".to_owned(), ..first.clone() };
    store.change_notifications(vec![keep(&failed)]).await.unwrap();
    assert_eq!(store.waiting_notification("ops").await.unwrap(), Some(failed));
    store.change_notifications(vec![NotificationChange::Delivered(first.id)]).await.unwrap();
    assert_eq!(store.waiting_notification("ops").await.unwrap(), None);
    assert_eq!(store.notifications().await.unwrap(), [other]);
    // Another node does not send it.
    let foreign = place.open_as("elsewhere").await;
    assert_eq!(foreign.waiting_notification("pager").await.unwrap(), None);
    assert_eq!(event_names(&store).await, [""; 0]);
}

async fn what_was_given_up_is_bounded_and_can_be_sent_again(place: TestStore) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for _ in 0..103 {
        let dead = StoredNotification { is_dead: true, attempts: 9, ..notification(&place, "ops") };
        ids.push(dead.id);
        store.change_notifications(vec![keep(&dead)]).await.unwrap();
    }
    let other = StoredNotification { is_dead: true, ..notification(&place, "pager") };
    store.change_notifications(vec![keep(&other)]).await.unwrap();
    let known: Vec<_> = store.notifications().await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(known, [&ids[3..], &[other.id]].concat(), "the newest hundred of each receiver");
    assert_eq!(store.waiting_notification("ops").await.unwrap(), None);

    let retry = |id| store.change_notifications(vec![NotificationChange::Retry(id)]);
    assert_eq!(retry(Some(ids[0])).await.unwrap(), 0);
    assert_eq!(retry(Some(ids[7])).await.unwrap(), 1);
    let waiting = store.waiting_notification("ops").await.unwrap().unwrap();
    assert_eq!((waiting.id, waiting.attempts), (ids[7], 0));
    assert_eq!(retry(None).await.unwrap(), 100);
}
