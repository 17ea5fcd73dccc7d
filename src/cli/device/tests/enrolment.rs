//! `device merge` and `device propose` against a store.

use super::*;

fn naming(place: &TestStore, cn: &str, control_id: &str, identities: &[&str]) -> MessageRecord {
    let not_allowed = identities.iter().map(|&identity| identity.to_owned()).collect();
    MessageRecord { not_allowed, device: cn.parse().unwrap(), ..place.rejected(control_id, b"MSH|") }
}

const ONE: &str = "00A037EB2175780F";
const OTHER: &str = "00a037eb2175780f";

// An earlier version took each spelling for a device of its own.
#[tokio::test]
async fn two_spellings_are_united_after_it_was_shown_how() {
    for place in [TestStore::new(), TestStore::on_postgres()] {
        two_spellings_are_united_on(&place).await;
    }
}

async fn two_spellings_are_united_on(place: &TestStore) {
    let store = place.open().await;
    let insert = format!(
        "INSERT INTO device (id, kind, status, speaks_for, issuers, acknowledge, note) VALUES
            ('{ONE}', 'gateway', 'active', '[\"B\"]', '[]', 'accept', ''),
            ('{OTHER}', 'device', 'suspended', '[\"B\",\"C\"]',
             '[\"8fa3aab2faa9b79e0a0398da5b5abd0780142442a5be80b9a64608d718cb1fcd\"]', 'as-asked', 'ward 7')"
    );
    place.execute(&insert).await.unwrap();
    device(&store, &["add", "D"]).await.unwrap();
    for (cn, id, identities) in [(ONE, "1", &["X", "Y"][..]), (OTHER, "2", &["Y", "Z"])] {
        store.record(naming(place, cn, id, identities)).await.unwrap();
    }
    let before = store.devices().await.unwrap();
    for wrong in [&["merge", ONE, "D"][..], &["merge", ONE, ONE], &["merge", ONE, "00:A0:37:EB:21:75:78:0F"]]
    {
        assert_eq!(device(&store, wrong).await.unwrap_err().exit, Exit::Failed, "{wrong:?}");
    }
    device(&store, &["merge", ONE, OTHER]).await.unwrap();
    assert_eq!(store.devices().await.unwrap(), before, "it only shows what it would do");

    device(&store, &["merge", ONE, OTHER, "--apply"]).await.unwrap();
    let devices = store.devices().await.unwrap();
    let names: Vec<_> = devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(names, [ONE, "D"]);
    let united = &devices[0];
    let patterns: Vec<_> = united.speaks_for.iter().map(ToString::to_string).collect();
    assert_eq!((patterns, united.issuers.len()), (vec!["B".to_owned(), "C".to_owned()], 1));
    assert_eq!(
        (united.status, united.kind),
        (DeviceStatus::Suspended, DeviceKind::Gateway),
        "one was suspended"
    );
    assert_eq!((united.acknowledge, &*united.note), (AcknowledgeAs::Accept, "ward 7"));
    let seen = store.seen_identities(&united.id).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|seen| (&*seen.identity, seen.messages)).collect();
    assert_eq!(seen, [("X", 1), ("Y", 2), ("Z", 1)]);
    assert!(store.seen_identities(&OTHER.parse().unwrap()).await.unwrap().is_empty());
    let trail = AuditFilter { event: None, device: None, since: None, page: Page::After(0), limit: 100 };
    let rows = store.audit_rows(&trail).await.unwrap();
    let names: Vec<_> = rows.iter().rev().take(4).rev().map(|row| row.event.as_str()).collect();
    assert_eq!(names, ["device-suspended", "device-changed", "device-removed", "device-merged"]);

    // Messages stay under the name under which they came, and are found by it.
    for cn in [ONE, OTHER] {
        assert_eq!(name_in_store(&store, Some(cn.parse().unwrap())).await.unwrap().unwrap().as_str(), cn);
    }
    let third = name_in_store(&store, Some("00-A0-37-EB-21-75-78-0F".parse().unwrap())).await.unwrap();
    assert_eq!(third.unwrap().as_str(), ONE);
    device(&store, &["merge", ONE, OTHER, "--apply"]).await.unwrap_err();
}

#[tokio::test]
async fn what_a_device_named_is_proposed_unless_it_is_of_another_device() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "GW", "--kind", "gateway", "--speaks-for", "A"]).await.unwrap();
    device(&store, &["add", "PUMP-7"]).await.unwrap();
    device(&store, &["add", ONE]).await.unwrap();
    device(&store, &["add", "GW-2", "--speaks-for", "0004A3*", "--speaks-for", "F1^mindray.com^DNS"])
        .await
        .unwrap();
    device(&store, &["add", "GW-3", "--any"]).await.unwrap();
    let named = [
        "NEW",
        "7^MINDRAY.COM^DNS",
        "0012210000000000",
        // Of others, or more than was seen.
        "PUMP-7^DNS",
        ONE,
        "0004A30000000001",
        "F1^MINDRAY.COM^DNS",
        "00A037*",
    ];
    store.record(naming(&place, "GW", "1", &named)).await.unwrap();
    let stored = async || {
        let entry = store.device(&"GW".parse().unwrap()).await.unwrap().unwrap();
        entry.speaks_for.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    device(&store, &["propose", "GW"]).await.unwrap();
    assert_eq!(stored().await, ["A"], "it only shows what it would do");
    device(&store, &["propose", "GW", "--apply"]).await.unwrap();
    assert_eq!(stored().await, ["A", "0012210000000000", "7^MINDRAY.COM^DNS", "NEW"]);
    device(&store, &["propose", "GW", "--apply"]).await.unwrap();
    assert_eq!(stored().await.len(), 4, "again it changes nothing");
}

#[tokio::test]
async fn an_expected_device_is_missing_until_something_of_it_is_stored() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "EXPECTED", "--expected"]).await.unwrap();
    device(&store, &["add", "NEVER", "--expected", "--silent-after", "never"]).await.unwrap();
    device(&store, &["add", "OTHER"]).await.unwrap();
    let missing = async |cn: &str| {
        let entry = store.device(&cn.parse().unwrap()).await.unwrap().unwrap();
        is_missing(&entry, &store).await.unwrap()
    };
    assert_eq!(
        [missing("EXPECTED").await, missing("NEVER").await, missing("OTHER").await],
        [true, false, false]
    );
    device(&store, &["suspend", "EXPECTED"]).await.unwrap();
    assert!(!missing("EXPECTED").await, "it cannot send");
    device(&store, &["resume", "EXPECTED"]).await.unwrap();
    store.record(naming(&place, "EXPECTED", "1", &[])).await.unwrap();
    assert!(!missing("EXPECTED").await);
}
