//! Tests of subscriptions and of the notifications of partners.

use jiff::SignedDuration;

use super::*;
use crate::audit::PartnerServed;
use crate::clients::{EventFilter, EventKind, NotifiableEvent, Organisation, Subscription};

battery! {
    n003_1_an_acknowledgement_is_remembered_by_its_own_time,
    n000_7_notifications_about_a_message_last_as_long_as_the_message,
    what_concerns_many_notifications_is_done_in_parts,
    a_subscription_that_is_added_again_has_nothing_of_the_former_one,
    n000_7_only_an_answered_attempt_is_a_delivery,
    a_clock_that_was_ahead_keeps_no_notification_back,
    n003_4_a_client_of_some_devices_gets_nothing_about_others,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// An identifier of this time: generated ones never go back behind those of another test.
fn id_of(at: Timestamp, number: usize) -> MessageId {
    let milliseconds = u128::try_from(at.as_millisecond()).unwrap();
    let number = u128::try_from(number).unwrap();
    MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | number).to_be_bytes())
}

fn receipt(number: usize) -> Fingerprint {
    Fingerprint::sha256(&number.to_be_bytes())
}

fn subscription(name: &str) -> Subscription {
    Subscription {
        name: name.parse().unwrap(),
        organisation: "2.25.1".parse().unwrap(),
        filter: EventFilter::default(),
        webhook: None,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

async fn subscribed(place: &TestStore) -> Store {
    let store = place.open().await;
    let oid = "2.25.1".parse().unwrap();
    let organisation =
        Organisation { oid, name: "lab".to_owned(), networks: Vec::new(), is_suspended: false };
    store.add_organisation(organisation, "alice").await.unwrap();
    store.subscribe(subscription("lab"), "alice").await.unwrap();
    store
}

/// Writes `count` notifications of this time, about this message if there is one.
async fn notify(store: &Store, at: Timestamp, count: usize, message: Option<MessageId>) {
    let leader = match store.projection_leader().await.unwrap() {
        leader if leader.holder == store.node().as_str() => leader,
        _ => store.lead_projection().await.unwrap().unwrap(),
    };
    let notice = NotifiableEvent {
        kind: EventKind::Message,
        device: Some("PUMP-1".parse().unwrap()),
        wards: Vec::new(),
        message,
        reason: "pcd-01".to_owned(),
        at,
    };
    let positions = store.subscription_positions().await.unwrap();
    let of_node = positions.iter().find(|position| position.node == *store.node());
    let from = of_node.map_or(0, |position| position.number);
    let first = usize::try_from(from).unwrap() * 10_000;
    let notices = (first..first + count).map(|number| (id_of(at, number), receipt(number), notice.clone()));
    let part = SubscriptionBatch {
        subscription: "lab".parse().unwrap(),
        organisation: "2.25.1".parse().unwrap(),
        from,
        notices: notices.collect(),
    };
    let batch = NotificationBatch { leader, node: store.node().clone(), to: from + 1, parts: vec![part] };
    assert!(store.write_notifications(batch).await.unwrap());
}

async fn due(store: &Store, devices: Option<&[DeviceId]>) -> Vec<PartnerNotification> {
    due_of("2.25.1", store, devices).await
}

async fn due_of(organisation: &str, store: &Store, devices: Option<&[DeviceId]>) -> Vec<PartnerNotification> {
    let (organisation, subscriptions) = (organisation.parse().unwrap(), ["lab".parse().unwrap()]);
    let due = Due {
        organisation: &organisation,
        subscriptions: &subscriptions,
        devices,
        max_deliveries: 3,
        is_new: false,
        limit: 10,
    };
    store.due_notifications(&due).await.unwrap()
}

/// Begins the delivery of the first notification that is due; it may be delivered again at once. `event`: it
/// answers the partner.
async fn begin(store: &Store, number: usize, event: Option<PartnerServed>) -> PartnerNotification {
    let found = due(store, None).await.remove(0);
    let delivery = Delivery { id: found.id, known: found.receipt, receipt: receipt(number) };
    store.begin_deliveries(vec![delivery], SignedDuration::ZERO, event).await.unwrap().remove(0)
}

fn served() -> PartnerServed {
    PartnerServed {
        service: "notifications-received",
        client: "lab".to_owned(),
        organisation: "2.25.1".to_owned(),
        certificate: None,
        peer: "192.0.2.7".parse().unwrap(),
        request: None,
        notification: None,
        count: 1,
        patients: Vec::new(),
    }
}

async fn acknowledge(store: &Store, number: usize) -> Option<MessageId> {
    let organisation = "2.25.1".parse().unwrap();
    store.acknowledge_notification(&organisation, receipt(number), served()).await.unwrap()
}

async fn listed(store: &Store, state: Option<NotificationState>) -> Vec<PartnerNotification> {
    let filter = NotificationFilter { state, limit: 1000, ..NotificationFilter::default() };
    store.partner_notifications(&filter).await.unwrap()
}

/// Repeats a step until it changes nothing. Returns how many rows each changed.
async fn repeat(store: &Store, step: NotificationStep) -> Vec<u64> {
    let mut changed = Vec::new();
    loop {
        match store.keep_up_notifications(step).await.unwrap() {
            0 => return changed,
            rows => changed.push(rows),
        }
    }
}

// It was made a month ago, and is acknowledged today.
async fn n003_1_an_acknowledgement_is_remembered_by_its_own_time(place: TestStore) {
    let store = subscribed(&place).await;
    notify(&store, store.now() - 30 * DAY, 1, None).await;
    begin(&store, 7, Some(served())).await;
    let id = acknowledge(&store, 7).await;
    assert!(id.is_some());
    let forget = |age: SignedDuration| {
        let before = store.now() - age;
        repeat(&store, NotificationStep::Forgotten { state: NotificationState::Acknowledged, before })
    };
    assert_eq!(forget(7 * DAY).await, [0; 0]);
    assert_eq!(acknowledge(&store, 7).await, id, "again as once");
    assert_eq!(forget(-HOUR).await, [1]);
    assert_eq!(acknowledge(&store, 7).await, None);
}

async fn n000_7_notifications_about_a_message_last_as_long_as_the_message(place: TestStore) {
    let store = subscribed(&place).await;
    let stored = place.record("1", b"MSH|");
    store.record(stored.clone()).await.unwrap();
    let long_ago = Timestamp::UNIX_EPOCH + DAY;
    for message in [Some(stored.id), Some(id_of(long_ago, 9)), None] {
        notify(&store, long_ago, 1, message).await;
    }
    // A clock that is far ahead finds everything old.
    let before = store.now() + 1000 * DAY;
    assert_eq!(repeat(&store, NotificationStep::Expired { before }).await, [2]);
    let waiting = listed(&store, Some(NotificationState::Waiting)).await;
    assert_eq!(waiting.iter().map(|own| own.message).collect::<Vec<_>>(), [Some(stored.id)]);
    let dead = listed(&store, Some(NotificationState::Dead)).await;
    assert!(dead.iter().all(|own| own.error == "expired"));
}

async fn what_concerns_many_notifications_is_done_in_parts(place: TestStore) {
    let store = subscribed(&place).await;
    let now = store.now();
    notify(&store, now - DAY, 450, None).await;
    let expired = NotificationStep::Expired { before: now };
    assert_eq!(repeat(&store, expired).await, [200, 200, 50]);
    let standing = store.subscription_standings().await.unwrap().remove(0);
    assert_eq!((standing.waiting, standing.dead), (0, 450));
    assert_eq!(store.replay_notifications(subscription("lab"), None, "alice").await.unwrap(), 450);
    let rows = event_names(&store).await;
    let replays = rows.iter().filter(|name| name.as_str() == "subscriptions-changed").count();
    assert_eq!(replays, 2, "one row of the replay, and one of the subscription: {rows:?}");
    let standing = store.subscription_standings().await.unwrap().remove(0);
    assert_eq!((standing.waiting, standing.dead), (450, 0));
    let not_acknowledged = NotificationStep::NotAcknowledged { max_deliveries: 0 };
    assert_eq!(repeat(&store, not_acknowledged).await, [200, 200, 50]);
    let before = store.now() + DAY;
    let forgotten = NotificationStep::Forgotten { state: NotificationState::Dead, before };
    assert_eq!(repeat(&store, forgotten).await, [200, 200, 50]);
    notify(&store, now, 450, None).await;
    store.unsubscribe(subscription("lab"), "alice").await.unwrap();
    assert_eq!(listed(&store, None).await, []);
    assert_eq!(store.subscriptions().await.unwrap(), []);
}

async fn a_subscription_that_is_added_again_has_nothing_of_the_former_one(place: TestStore) {
    let store = subscribed(&place).await;
    notify(&store, store.now(), 250, None).await;
    // The process that removed it ended after the first write.
    place.execute("UPDATE subscription SET removed = 1").await.unwrap();
    place.execute("DELETE FROM subscription_position").await.unwrap();
    assert_eq!(store.subscriptions().await.unwrap(), []);
    store.subscribe(subscription("lab"), "alice").await.unwrap();
    assert_eq!(store.subscriptions().await.unwrap().len(), 1);
    assert_eq!((listed(&store, None).await, due(&store, None).await), (Vec::new(), Vec::new()));
}

async fn n000_7_only_an_answered_attempt_is_a_delivery(place: TestStore) {
    let store = subscribed(&place).await;
    notify(&store, store.now(), 1, None).await;
    let state = async || {
        let own = listed(&store, None).await.remove(0);
        (own.deliveries, own.attempts)
    };
    // The process ends before it knows more.
    begin(&store, 71, None).await;
    assert_eq!(state().await, (0, 0));
    let begun = begin(&store, 72, None).await;
    store.note_failure((begun.id, begun.receipt), SignedDuration::ZERO, "away".to_owned()).await.unwrap();
    assert_eq!(state().await, (0, 1));
    let begun = begin(&store, 73, None).await;
    store.note_answer(begun.id, begun.receipt).await.unwrap();
    assert_eq!(state().await, (1, 0));
    assert_eq!(begin(&store, 74, Some(served())).await.deliveries, 2);
}

async fn a_clock_that_was_ahead_keeps_no_notification_back(place: TestStore) {
    let store = subscribed(&place).await;
    // As of an event that was written while the clock was ahead.
    notify(&store, store.now() + DAY, 1, None).await;
    assert_eq!(due(&store, None).await, []);
    let step = NotificationStep::Distant { longest_wait: HOUR };
    assert_eq!(repeat(&store, step).await, [1]);
    assert_eq!(due(&store, None).await.len(), 1);
    assert_eq!(repeat(&store, step).await, [0; 0]);
}

async fn n003_4_a_client_of_some_devices_gets_nothing_about_others(place: TestStore) {
    let store = subscribed(&place).await;
    notify(&store, store.now(), 2, None).await;
    let nameless = "UPDATE partner_notification SET device = ''
        WHERE id = (SELECT id FROM partner_notification ORDER BY id LIMIT 1)";
    place.execute(nameless).await.unwrap();
    let [own, other]: [DeviceId; 2] = ["PUMP-1", "PUMP-2"].map(|name| name.parse().unwrap());
    assert_eq!(due(&store, Some(std::slice::from_ref(&other))).await, []);
    assert_eq!(due(&store, Some(&[])).await, []);
    let found = due(&store, Some(&[own.clone(), other])).await;
    assert_eq!(found.iter().map(|found| found.device.clone()).collect::<Vec<_>>(), [Some(own)]);
    assert_eq!(due(&store, None).await.len(), 2);
    assert_eq!(due_of("2.25.2", &store, None).await, []);
}
