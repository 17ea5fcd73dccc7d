//! Tests of what is remembered of devices and refused peers.

use super::*;
use crate::audit::Certificate;
use crate::model::{FirstBytes, HelloFacts, Refusal, RefusalFacts, ShownCertificate};

battery! {
    the_last_connection_of_a_device_is_remembered_and_its_messages_are_counted,
    refusals_of_one_peer_are_counted_in_one_row_with_the_facts_of_the_last,
    strangers_cannot_displace_refused_devices,
    the_rows_of_removed_devices_are_forgotten,
    a_node_writes_its_own_rows_only,
    the_history_of_a_device_has_its_rows_and_no_messages,
}

async fn the_history_of_a_device_has_its_rows_and_no_messages(place: TestStore) {
    let store = place.open().await;
    let name: DeviceId = r#"PU"MP\1 é"#.parse().unwrap();
    let device = Device { id: name.clone(), ..gateway("GW-1") };
    store.add_device(device, "alice").await.unwrap();
    store.add_device(gateway("GW-1"), r#"bob "device":"GW-9""#).await.unwrap();
    let certificate =
        Certificate { common_name: Some(name.as_str().to_owned()), ..crate::audit::fixtures::certificate() };
    let refused = Event::ConnectionRefused {
        peer: "192.0.2.7:50123".parse().unwrap(),
        balancer: None,
        refusal: Refusal::Expired,
        certificate: Some(certificate),
        extension: None,
        revocation: Vec::new(),
    };
    store.audit(refused).await.unwrap();
    store.record(MessageRecord { device: name.clone(), ..place.record("1", b"MSH|") }).await.unwrap();
    let events = async |device: &DeviceId| {
        let filter = AuditFilter { device: Some(device.clone()), ..TRAIL };
        let rows = store.audit_rows(&filter).await.unwrap();
        rows.into_iter().map(|row| row.event).collect::<Vec<_>>()
    };
    assert_eq!(events(&name).await, ["device-added", "connection-refused"]);
    assert_eq!(events(&"GW-1".parse().unwrap()).await, ["device-added"]);
    assert!(events(&"GW-9".parse().unwrap()).await.is_empty(), "a text is no key");
}

fn node(store: &Store) -> NodeName {
    store.node().clone()
}

fn contact(store: &Store, place: &TestStore, device: &str) -> Contact {
    let at = place.clock.now();
    Contact {
        device: device.parse().unwrap(),
        node: node(store),
        is_connected: true,
        peer: "192.0.2.7:50123".to_owned(),
        tls_version: "TLSv1_2".to_owned(),
        tls_suite: "SUITE".to_owned(),
        connected_at: at,
        disconnected_at: None,
        ended_why: String::new(),
        last_message_at: Some(at),
        accepted_at: Some(at),
        rejected_at: None,
        day: "2026-01-31".to_owned(),
        messages_today: 3,
        certificate: ShownCertificate {
            fingerprint: "ab".to_owned(),
            serial: "0a".to_owned(),
            issuer: "CN=CA".to_owned(),
            not_before: at,
            not_after: at + jiff::SignedDuration::from_hours(1),
            key: "ECC P-256".to_owned(),
        },
    }
}

fn refused(store: &Store, place: &TestStore, room: RefusedRoom, who: &str) -> RefusedRow {
    let at = place.clock.now();
    let hello = HelloFacts { first_bytes: FirstBytes::PlainMllp, ..HelloFacts::default() };
    RefusedRow {
        room,
        who: who.to_owned(),
        device: (room == RefusedRoom::Verified).then(|| who.parse().unwrap()),
        refusal: Refusal::Expired,
        node: node(store),
        peer: "192.0.2.8:2".to_owned(),
        first: at,
        last: at,
        count: 2,
        facts: RefusalFacts { hello, ..RefusalFacts::default() },
    }
}

fn contacts(contacts: Vec<Contact>) -> Observations {
    Observations { contacts, ..Observations::default() }
}

fn refusals(refused: Vec<RefusedRow>) -> Observations {
    Observations { refused, ..Observations::default() }
}

async fn the_last_connection_of_a_device_is_remembered_and_its_messages_are_counted(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let first = contact(&store, &place, "PUMP-1");
    store.record_observations(contacts(vec![first.clone()])).await.unwrap();
    assert_eq!(store.contacts().await.unwrap(), std::slice::from_ref(&first));
    place.clock.advance(Duration::from_secs(5));
    let later = Contact {
        is_connected: false,
        disconnected_at: Some(place.clock.now()),
        ended_why: "revoked".to_owned(),
        last_message_at: None,
        accepted_at: None,
        rejected_at: Some(place.clock.now()),
        messages_today: 4,
        ..first.clone()
    };
    store.record_observations(contacts(vec![later.clone()])).await.unwrap();
    let expected = Contact {
        last_message_at: first.last_message_at,
        accepted_at: first.accepted_at,
        messages_today: 7,
        ..later
    };
    assert_eq!(store.contacts_of(&first.device).await.unwrap(), [expected]);
    let tomorrow = Contact { day: "2026-02-01".to_owned(), messages_today: 1, ..first.clone() };
    store.record_observations(contacts(vec![tomorrow])).await.unwrap();
    assert_eq!(store.contacts().await.unwrap()[0].messages_today, 1);
    // Many rows share a statement.
    let many = (0..200).map(|n| contact(&store, &place, &format!("D-{n:03}"))).collect();
    store.record_observations(contacts(many)).await.unwrap();
    assert_eq!(store.contacts().await.unwrap().len(), 201);
    store.record_observations(Observations { begins: true, ..Observations::default() }).await.unwrap();
    assert!(store.contacts().await.unwrap().iter().all(|contact| !contact.is_connected));
    assert!(event_names(&store).await.is_empty(), "no row in the trail");
}

async fn refusals_of_one_peer_are_counted_in_one_row_with_the_facts_of_the_last(place: TestStore) {
    let store = place.open().await;
    let first = refused(&store, &place, RefusedRoom::Verified, "PUMP-1");
    store.record_observations(refusals(vec![first.clone()])).await.unwrap();
    place.clock.advance(Duration::from_secs(5));
    let facts =
        RefusalFacts { alert: Some(48), missing_ca: Some("é".repeat(300)), ..RefusalFacts::default() };
    let again = RefusedRow { facts, ..refused(&store, &place, RefusedRoom::Verified, "PUMP-1") };
    let other = RefusedRow { refusal: Refusal::Revoked, ..again.clone() };
    store.record_observations(refusals(vec![again.clone(), other])).await.unwrap();
    let known = store.refused().await.unwrap();
    assert_eq!(known.len(), 2, "another reason is another row");
    let row = known.iter().find(|row| row.refusal == Refusal::Expired).unwrap();
    assert_eq!((row.first, row.last, row.count), (first.first, again.last, 4));
    assert_eq!(row.facts.alert, Some(48));
}

async fn strangers_cannot_displace_refused_devices(place: TestStore) {
    let store = place.open().await;
    let device = refused(&store, &place, RefusedRoom::Verified, "PUMP-1");
    store.record_observations(refusals(vec![device.clone()])).await.unwrap();
    for part in 0..5 {
        place.clock.advance(Duration::from_secs(1));
        let stranger = |n| refused(&store, &place, RefusedRoom::Unverified, &format!("10.0.{part}.{n}"));
        store.record_observations(refusals((0..1000).map(stranger).collect())).await.unwrap();
    }
    let known = store.refused().await.unwrap();
    assert!(known.contains(&device));
    assert!(known.len() as u64 <= MAX_REFUSED_PER_ROOM + 1, "{}", known.len());
    assert!(!known.iter().any(|row| row.who == "10.0.0.7"), "the oldest ones go");
    assert!(known.iter().any(|row| row.who == "10.0.4.7"));
}

async fn the_rows_of_removed_devices_are_forgotten(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let feed = Feed {
        via: "PUMP-1".parse().unwrap(),
        identity: Some("MONITOR".to_owned()),
        node: node(&store),
        last: place.clock.now(),
        pause: Some(Duration::from_secs(5)),
        heartbeat: None,
        is_silent: true,
        has_left: false,
    };
    let seen = Observations {
        contacts: ["PUMP-1", "PUMP-2"].map(|name| contact(&store, &place, name)).into(),
        feeds: vec![feed.clone()],
        forgets_removed: true,
        ..Observations::default()
    };
    store.record_observations(seen).await.unwrap();
    assert_eq!((store.contacts().await.unwrap().len(), store.feeds().await.unwrap()), (2, vec![feed]));
    store.remove_device(&"PUMP-1".parse().unwrap(), "bob").await.unwrap();
    store
        .record_observations(Observations { forgets_removed: true, ..Observations::default() })
        .await
        .unwrap();
    assert_eq!((store.contacts().await.unwrap().len(), store.feeds().await.unwrap()), (1, Vec::new()));
}

async fn a_node_writes_its_own_rows_only(place: TestStore) {
    let (one, other) = (place.open_as("one").await, place.open_as("other").await);
    for store in [&one, &other] {
        store.record_observations(contacts(vec![contact(store, &place, "PUMP-1")])).await.unwrap();
    }
    one.record_observations(Observations { begins: true, ..Observations::default() }).await.unwrap();
    let known = other.contacts_of(&"PUMP-1".parse().unwrap()).await.unwrap();
    let connected: Vec<_> = known.iter().filter(|contact| contact.is_connected).collect();
    assert_eq!((known.len(), connected.len(), connected[0].node.to_string()), (2, 1, "other".to_owned()));
}
