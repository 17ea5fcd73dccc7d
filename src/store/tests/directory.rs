//! Tests of the device directory.

use super::*;
use crate::audit::fixtures::certificate;
use crate::audit::{Certificate, UnfitUses, UsageField};
use crate::authz::Directory;
use crate::model::{Refusal, SessionId, SilentAfter};

battery! {
    changes_of_the_directory_are_stored_and_audited,
    many_devices_are_found_as_each_of_them_is,
    a_list_of_devices_is_added_completely_or_not_at_all,
    a_suspension_that_comes_before_a_merge_is_not_lost,
    a_change_of_the_directory_is_visible_in_every_process,
    a_waiting_process_learns_of_a_change_of_the_directory,
    devices_with_unfit_certificates_are_known_until_they_have_others,
    an_entry_that_cannot_be_read_keeps_no_other_device_out,
    unauthorized_identities_are_recorded_and_counted_once_per_message,
}

/// The row of a connection of PUMP-1 with such a certificate.
fn connection(admitted: bool, unfit: Option<UnfitUses>) -> Event {
    let (peer, certificate) = ("192.0.2.7:50123".parse().unwrap(), Certificate { unfit, ..certificate() });
    if admitted {
        let (session, device) = (SessionId::at(Timestamp::UNIX_EPOCH), "PUMP-1".parse().unwrap());
        return Event::ConnectionAccepted {
            session,
            peer,
            balancer: None,
            device,
            certificate,
            revocation: Vec::new(),
        };
    }
    Event::ConnectionRefused {
        peer,
        balancer: None,
        refusal: Refusal::WrongPurpose,
        certificate: Some(certificate),
        extension: None,
        revocation: Vec::new(),
    }
}

async fn an_entry_that_cannot_be_read_keeps_no_other_device_out(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    assert!(store.damaged_devices().await.unwrap().is_empty());
    place.execute("UPDATE device SET speaks_for = '[1,{}]' WHERE id = 'PUMP-1'").await.unwrap();
    let directory = Directory::from(store.devices().await.unwrap());
    let active = |id: &str| directory.active(&id.parse().unwrap()).map(|device| device.id.to_string());
    assert_eq!(active("PUMP-1"), Err(Refusal::DamagedEntry));
    assert_eq!(active("PUMP-2"), Ok("PUMP-2".to_owned()));
    let damaged = store.damaged_devices().await.unwrap();
    let [(id, why)] = damaged.as_slice() else { panic!("{damaged:?}") };
    assert!(id == "PUMP-1" && why.contains("device.speaks_for"), "{why}");
    // No change may make a usual entry of it, without what it was bound to.
    assert!(store.device(&"PUMP-1".parse().unwrap()).await.is_err());
    store.remove_device(&"PUMP-1".parse().unwrap(), "alice").await.unwrap();
    assert!(store.damaged_devices().await.unwrap().is_empty());
}

// RFC 5280 4.2.1.3
async fn devices_with_unfit_certificates_are_known_until_they_have_others(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let unfit =
        |device: &str| Some(UnfitUses::new(device.parse().unwrap(), UsageField::KeyUsage, "keyEncipherment"));
    let known = async || {
        let known = store.unfit_certificates().await.unwrap();
        known.into_iter().map(|one| (one.unfit.device.to_string(), one.admitted)).collect::<Vec<_>>()
    };
    store.audit(connection(false, None)).await.unwrap();
    store.audit(connection(false, unfit("NOT-KNOWN"))).await.unwrap();
    assert!(known().await.is_empty(), "of devices of the directory only");
    let rows =
        [connection(true, None), connection(false, unfit("PUMP-1")), connection(false, unfit("PUMP-2"))];
    for written in join_all(rows.map(|row| store.audit(row))).await {
        written.unwrap();
    }
    assert_eq!(known().await, [("PUMP-1".to_owned(), false), ("PUMP-2".to_owned(), false)]);
    place.clock.advance(Duration::from_secs(5));
    store.audit(connection(true, unfit("PUMP-1"))).await.unwrap();
    let all = store.unfit_certificates().await.unwrap();
    let expected = UnfitCertificate {
        unfit: unfit("PUMP-1").unwrap(),
        fingerprint: certificate().fingerprint.to_string(),
        admitted: true,
        at: place.clock.now(),
    };
    assert_eq!((all.len(), &all[0]), (2, &expected));
    store.remove_device(&"PUMP-2".parse().unwrap(), "bob").await.unwrap();
    assert_eq!(known().await, [("PUMP-1".to_owned(), true)]);
    store.audit(connection(true, None)).await.unwrap();
    assert!(known().await.is_empty(), "it has another certificate");
}

async fn changes_of_the_directory_are_stored_and_audited(place: TestStore) {
    let store = place.open().await;
    let entry = gateway("GATEWAY-1");
    store.add_device(entry.clone(), "alice").await.unwrap();
    assert_eq!(store.device(&entry.id).await.unwrap(), Some(entry.clone()));
    let again = store.add_device(entry.clone(), "alice").await;
    assert!(matches!(again, Err(StoreError::DeviceExists(id)) if id == entry.id));

    store.set_device_status(&entry.id, DeviceStatus::Suspended, "bob").await.unwrap();
    let described = Device {
        kind: DeviceKind::Device,
        speaks_for: vec![IdentityPattern::any()],
        issuers: vec![KeyHash::sha256(b"a key")],
        acknowledge: AcknowledgeAs::Original,
        silent_after: Some(SilentAfter::Fixed(Duration::from_mins(2))),
        expected: true,
        note: String::new(),
        learns_until: None,
        about: About { name: "ICU-14".to_owned(), ward: "ICU".to_owned(), ..About::default() },
        ..entry.clone()
    };
    store.describe_device(described.clone(), "bob").await.unwrap();
    // A list is enforced, also when it is cleared again.
    let learns_until = Some(Timestamp::UNIX_EPOCH);
    let expected = Device { status: DeviceStatus::Suspended, learns_until, ..described.clone() };
    assert_eq!(store.devices().await.unwrap(), [expected]);
    store.set_device_status(&entry.id, DeviceStatus::Active, "bob").await.unwrap();
    store.remove_device(&entry.id, "bob").await.unwrap();
    assert_eq!(store.device(&entry.id).await.unwrap(), None);

    let unknown = |outcome| matches!(outcome, Err(StoreError::DeviceUnknown(_)));
    assert!(unknown(store.remove_device(&entry.id, "bob").await));
    assert!(unknown(store.set_device_status(&entry.id, DeviceStatus::Active, "bob").await));
    assert!(unknown(store.describe_device(described, "bob").await));

    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.details.as_str())).collect();
    let by_bob = r#"{"actor":"bob","device":"GATEWAY-1"}"#;
    assert_eq!(
        rows,
        [
            (
                "device-added",
                r#"{"acknowledge":"as-asked","actor":"alice","device":"GATEWAY-1","expected":false,"issuers":[],"kind":"gateway","silent-after":null,"speaks-for":["00A037*","0004A30000000001"],"status":"active"}"#
            ),
            ("device-suspended", by_bob),
            (
                "device-changed",
                r#"{"acknowledge":"original","actor":"bob","device":"GATEWAY-1","expected":true,"issuers":["8fa3aab2faa9b79e0a0398da5b5abd0780142442a5be80b9a64608d718cb1fcd"],"kind":"device","name":"ICU-14","silent-after":"2m","speaks-for":["*"],"ward":"ICU"}"#
            ),
            ("device-resumed", by_bob),
            ("device-removed", by_bob),
        ]
    );
}

async fn a_list_of_devices_is_added_completely_or_not_at_all(place: TestStore) {
    let store = place.open().await;
    let list = |names: &[&str]| names.iter().map(|name| gateway(name)).collect::<Vec<_>>();
    let twice = store.add_devices(list(&["A", "B", "A"]), "alice").await;
    assert!(matches!(twice, Err(StoreError::DeviceExists(id)) if id.as_str() == "A"));
    assert!(store.devices().await.unwrap().is_empty());
    assert!(event_names(&store).await.is_empty());
    store.add_devices(list(&["B", "A"]), "alice").await.unwrap();
    let names: Vec<_> =
        store.devices().await.unwrap().into_iter().map(|device| device.id.to_string()).collect();
    assert_eq!(names, ["A", "B"]);
}

async fn a_suspension_that_comes_before_a_merge_is_not_lost(place: TestStore) {
    let store = place.open().await;
    for suspended in ["A", "B"] {
        store.add_devices(vec![gateway("A"), gateway("B")], "alice").await.unwrap();
        store.set_device_status(&gateway(suspended).id, DeviceStatus::Suspended, "bob").await.unwrap();
        // As alice was shown them before.
        store.merge_devices(gateway("A"), &gateway("B").id, false, "alice").await.unwrap();
        let left = store.devices().await.unwrap();
        let left: Vec<_> = left.iter().map(|device| (device.id.as_str(), device.status)).collect();
        assert_eq!(left, [("A", DeviceStatus::Suspended)], "{suspended} was suspended");
        store.remove_device(&gateway("A").id, "alice").await.unwrap();
    }
}

async fn a_change_of_the_directory_is_visible_in_every_process(place: TestStore) {
    let (here, there) = (place.open().await, place.open().await);
    let id = gateway("A").id;
    let mut seen = here.device_revision().await.unwrap();
    let mut grown = async || {
        let now = here.device_revision().await.unwrap();
        let grown = now > seen;
        seen = now;
        grown
    };
    assert!(!grown().await);
    there.add_device(gateway("A"), "alice").await.unwrap();
    assert!(grown().await);
    there.set_device_status(&id, DeviceStatus::Suspended, "alice").await.unwrap();
    assert!(grown().await);
    there.describe_device(gateway("A"), "alice").await.unwrap();
    assert!(grown().await);
    there.remove_device(&id, "alice").await.unwrap();
    assert!(grown().await);
    there.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    assert!(!grown().await);
}

async fn unauthorized_identities_are_recorded_and_counted_once_per_message(place: TestStore) {
    let store = place.open().await;
    let seen = |id: &'static str, not_allowed: &[&str]| MessageRecord {
        not_allowed: not_allowed.iter().map(|&identity| identity.to_owned()).collect(),
        ..place.record(id, b"message")
    };
    store.record(seen("1", &["A", "B"])).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    store.record(seen("2", &["A"])).await.unwrap();
    store.record(seen("2", &["A"])).await.unwrap();
    let pump: DeviceId = "PUMP-1".parse().unwrap();
    let known = store.seen_identities(&pump).await.unwrap();
    let shown: Vec<_> = known
        .iter()
        .map(|seen| (seen.identity.as_str(), seen.messages, seen.last.duration_since(seen.first).as_secs()))
        .collect();
    assert_eq!(shown, [("A", 2, 60), ("B", 1, 0)], "a resend is no second message");
    assert!(store.seen_identities(&"PUMP-2".parse().unwrap()).await.unwrap().is_empty());

    // A device that invents identities cannot fill the disk, and does not push out those of real devices.
    for n in 0..10 {
        place.clock.advance(Duration::from_secs(1));
        // Of each message the first 32 are recorded.
        let many = (0..200).map(|i| format!("M{n}-{i:03}")).collect();
        let raw = Bytes::from(format!("message {n}"));
        let record = MessageRecord { not_allowed: many, raw, ..place.record("3", b"") };
        store.record(record).await.unwrap();
    }
    let known = store.seen_identities(&pump).await.unwrap();
    assert_eq!(known.len(), 256);
    assert_eq!(known.iter().filter(|seen| seen.identity.starts_with("M9-")).count(), 32);
    let often = known.iter().find(|seen| seen.identity == "A").map(|seen| seen.messages);
    assert_eq!(often, Some(2), "what is in several messages stays");

    store.forget_seen(&pump, Some("A"), "alice").await.unwrap();
    let again = store.forget_seen(&pump, Some("A"), "alice").await.unwrap_err();
    assert!(matches!(again, StoreError::IdentityNotSeen(_)), "{again}");
    assert_eq!(store.seen_identities(&pump).await.unwrap().len(), 255);
    store.forget_seen(&pump, None, "alice").await.unwrap();
    assert!(store.seen_identities(&pump).await.unwrap().is_empty());
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let forgotten = rows.iter().filter(|row| row.event == "device-identities-forgotten");
    let forgotten: Vec<_> = forgotten.map(|row| row.details.contains("\"identity\":\"A\"")).collect();
    assert_eq!(forgotten.iter().filter(|one| **one).count(), 1, "{forgotten:?}");
    assert_eq!(forgotten.len(), 2);
}

async fn a_waiting_process_learns_of_a_change_of_the_directory(place: TestStore) {
    let (here, there) = (place.open_as("here").await, place.open_as("there").await);
    let mut changes = here.directory_changes();
    let mut seen = here.device_revision().await.unwrap();
    for n in 0..5 {
        there.add_device(gateway(&format!("GW-{n}")), "alice").await.unwrap();
        let heard = async {
            loop {
                changes.next().await;
                let now = here.device_revision().await.unwrap();
                if std::mem::replace(&mut seen, now) != now {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap();
    }
}

async fn many_devices_are_found_as_each_of_them_is(place: TestStore) {
    let store = place.open().await;
    for name in ["PUMP-1", "00A037FFFE000001", "00A037FFFE000002", "00A037FFFE000003"] {
        store.add_device(gateway(name), "alice").await.unwrap();
    }
    // Two spellings, as an earlier version took them.
    place
        .execute("UPDATE device SET id = '00-A0-37-FF-FE-00-00-02' WHERE id = '00A037FFFE000003'")
        .await
        .unwrap();
    let ids = ["PUMP-1", "00-A0-37-FF-FE-00-00-01", "00A037FFFE000002", "00A0.37FF.FE00.0002", "PUMP-2"];
    let ids = ids.map(|id| id.parse::<DeviceId>().unwrap());
    let found = store.devices_named(&ids.iter().collect::<Vec<_>>()).await.unwrap();
    for (id, found) in ids.iter().zip(&found) {
        assert_eq!(store.device(id).await.unwrap(), *found, "{id}");
    }
    assert_eq!(found.iter().filter(|found| found.is_some()).count(), 3, "{found:?}");
    place.execute("UPDATE device SET speaks_for = '[1,{}]' WHERE id = 'PUMP-1'").await.unwrap();
    assert!(store.devices_named(&[&ids[0]]).await.is_err() && store.devices_named(&[&ids[1]]).await.is_ok());
}
