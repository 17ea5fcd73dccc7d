//! What partners are notified of.

use super::*;
use crate::audit::{Event, FeedsBehind};
use crate::clients::{Client, EventFilter, EventKind, Oid, Organisation, Registry, Subscription};
use crate::model::DeviceId;
use crate::store::{NotificationFilter, PartnerNotification};

battery! {
    n000_7_notifications_do_not_wait_for_an_index_that_is_built_again,
    notifications_that_cannot_be_written_keep_the_index_from_nothing,
    n000_7_alerts_silence_and_refusals_are_notified,
    notifications_that_cannot_be_written_do_not_keep_the_index_back,
    n000_7_what_none_of_the_organisation_may_read_is_not_notified,
}

/// A right that is missing, or a row that cannot be read.
async fn notifications_that_cannot_be_written_do_not_keep_the_index_back(place: TestStore) {
    let store = place.open().await;
    let projector = projector(&place, store.clone());
    let mut run = Run::default();
    projector.step(&mut run).await;
    let fence = store.projection_leader().await.unwrap().fence;
    let filter = r#"{"events":[],"devices":[],"wards":[],"transactions":[]}"#;
    for sql in [
        format!(
            "INSERT INTO subscription (name, organisation, events, receiver, created_at)
             VALUES ('ward-3', '2.25.1', '{filter}', 'null', 0)"
        ),
        "INSERT INTO subscription_position (subscription, node, number) VALUES ('ward-3', 'no name', 0)"
            .to_owned(),
    ] {
        place.execute(&sql).await.unwrap();
    }
    for number in 1..=3 {
        let record = measured(&place, number, "4711", 1);
        store.record(record.clone()).await.unwrap();
        projector.step(&mut run).await;
        assert_eq!(store.groups_of_messages(&[record.id]).await.unwrap().len(), 1);
    }
    assert_eq!(store.projection_leader().await.unwrap().fence, fence, "it leads all the time");
    assert!(run.notifications_failed.is_some() && !run.is_failing);
}

/// A subscription to everything.
async fn subscribe(store: &Store) {
    let oid: Oid = "2.25.1".parse().unwrap();
    let organisation =
        Organisation { oid: oid.clone(), name: "lab".to_owned(), networks: Vec::new(), is_suspended: false };
    store.add_organisation(organisation, "alice").await.unwrap();
    let subscription = Subscription {
        name: "lab".parse().unwrap(),
        organisation: oid,
        filter: EventFilter { events: EventKind::ALL.to_vec(), ..EventFilter::default() },
        webhook: None,
        created_at: Timestamp::UNIX_EPOCH,
    };
    store.subscribe(subscription, "alice").await.unwrap();
}

async fn notified(store: &Store) -> Vec<PartnerNotification> {
    let filter = NotificationFilter { limit: 100, ..NotificationFilter::default() };
    let mut all = store.partner_notifications(&filter).await.unwrap();
    all.reverse();
    all
}

async fn n000_7_notifications_do_not_wait_for_an_index_that_is_built_again(place: TestStore) {
    let store = place.open().await;
    subscribe(&store).await;
    store.record(measured(&place, 1, "4711", 1)).await.unwrap();
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    assert_eq!(notified(&store).await.len(), 1);
    store.rebuild_projection().await.unwrap();
    let later = measured(&place, 2, "4711", 2);
    store.record(later.clone()).await.unwrap();
    assert!(oldest_unseen(&store).await.unwrap().is_some(), "they are behind");
    projector.round(&mut Run::default()).await.unwrap();
    let messages = |all: Vec<PartnerNotification>| all.into_iter().map(|own| own.message).collect::<Vec<_>>();
    assert_eq!(messages(notified(&store).await)[1..], [Some(later.id)]);
    assert_eq!(oldest_unseen(&store).await.unwrap(), None);
    project_all(&projector).await;
    assert_eq!(notified(&store).await.len(), 2, "each once");
}

async fn notifications_that_cannot_be_written_keep_the_index_from_nothing(place: TestStore) {
    let store = place.open().await;
    subscribe(&store).await;
    place.execute("UPDATE subscription SET events = '{\"later\": 1}'").await.unwrap();
    let accepted = measured(&place, 1, "4711", 1);
    store.record(accepted.clone()).await.unwrap();
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    assert_eq!(store.groups_of_messages(&[accepted.id]).await.unwrap().len(), 1);
    assert_eq!(notified(&store).await, []);
    place.execute("UPDATE subscription SET events = '{\"events\":[],\"devices\":[],\"wards\":[],\"transactions\":[]}'").await.unwrap();
    project_all(&projector).await;
    assert_eq!(notified(&store).await.len(), 1, "afterwards");
}

async fn n000_7_alerts_silence_and_refusals_are_notified(place: TestStore) {
    let store = place.open().await;
    subscribe(&store).await;
    store.record(report(&place, 1, "start")).await.unwrap();
    let device: DeviceId = "PUMP-1".parse().unwrap();
    store
        .audit(Event::FeedSilent { device: device.clone(), last: place.clock.now(), threshold: 90 })
        .await
        .unwrap();
    let behind = FeedsBehind {
        device: device.clone(),
        identities: vec!["00A0370000000001".to_owned()],
        others: 0,
        last: Some(place.clock.now()),
    };
    store.audit(Event::FeedsBehindSilent(behind)).await.unwrap();
    project_all(&projector(&place, store.clone())).await;
    let made: Vec<_> =
        notified(&store).await.into_iter().map(|own| (own.event, own.reason, own.device)).collect();
    let of = |event: &str, reason: &str| (event.to_owned(), reason.to_owned(), Some(device.clone()));
    assert_eq!(made, [of("alert", "pcd-04"), of("device-silent", ""), of("device-silent", "behind-gateway")]);
}

async fn n000_7_what_none_of_the_organisation_may_read_is_not_notified(place: TestStore) {
    let store = place.open().await;
    subscribe(&store).await;
    let projector = projector(&place, store.clone());
    let client = |id: &str, devices: &[&str], is_suspended| Client {
        id: id.parse().unwrap(),
        organisation: "2.25.1".parse().unwrap(),
        scopes: "system/*.rs".parse().unwrap(),
        devices: Some(devices.iter().map(|device| device.parse().unwrap()).collect()),
        is_suspended,
        certificates: Vec::new(),
        secrets: Vec::new(),
        application: None,
    };
    let (other, own) = (client("a", &["PUMP-9"], false), client("b", &["PUMP-1"], true));
    for (number, clients, notices) in
        [(1, vec![other.clone()], 0), (2, vec![other, own], 1), (3, Vec::new(), 2)]
    {
        projector.clients.store(Arc::new(Registry::new(Vec::new(), clients, Vec::new())));
        store.record(measured(&place, number, "4711", 1)).await.unwrap();
        store
            .audit(Event::FeedSilent {
                device: "PUMP-9".parse().unwrap(),
                last: place.clock.now(),
                threshold: 90,
            })
            .await
            .unwrap();
        project_all(&projector).await;
        let made = notified(&store).await;
        let about = |name: &str| {
            made.iter().filter(|own| own.device.as_ref().is_some_and(|own| own.as_str() == name)).count()
        };
        assert_eq!((about("PUMP-1"), about("PUMP-9")), (notices, number), "{number}");
    }
}
