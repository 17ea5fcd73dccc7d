//! `device learn` against a store.

use jiff::SignedDuration;

use super::*;

async fn learn(store: &Store, line: &[&str]) -> Outcome {
    device_by(store, line, "learn").await
}

async fn until(store: &Store, cn: &str) -> Option<jiff::Timestamp> {
    store.device(&cn.parse().unwrap()).await.unwrap().unwrap().learns_until
}

#[tokio::test]
async fn a_device_learns_for_some_days_once_and_never_when_it_is_enforced() {
    for place in [TestStore::new(), TestStore::on_postgres()] {
        a_device_learns_once_on(&place).await;
    }
}

async fn a_device_learns_once_on(place: &TestStore) {
    let store = place.open().await;
    device(&store, &["add", "GW"]).await.unwrap();
    device(&store, &["add", "LISTED", "--speaks-for", "A"]).await.unwrap();
    let failure = device(&store, &["learn", "GW"]).await.unwrap_err();
    assert!(failure.error.to_string().contains("devices.identity"), "{}", failure.error);
    for wrong in [&["learn", "LISTED"][..], &["learn", "UNKNOWN"]] {
        assert_eq!(learn(&store, wrong).await.unwrap_err().exit, Exit::Failed, "{wrong:?}");
    }
    for wrong in ["0", "31", "-1"] {
        assert!(parse_command::<Command>("device", &["learn", "GW", "--days", wrong]).is_err());
    }
    let days = |number: i64| store.now().saturating_add(SignedDuration::from_hours(24 * number)).unwrap();
    learn(&store, &["learn", "GW", "--days", "2"]).await.unwrap();
    assert_eq!(until(&store, "GW").await, Some(days(2)));
    learn(&store, &["learn", "GW", "--days", "9"]).await.unwrap();
    assert_eq!(until(&store, "GW").await, Some(days(9)), "prolonged");
    device(&store, &["change", "GW", "--note", "x"]).await.unwrap();
    assert_eq!(until(&store, "GW").await, Some(days(9)), "a note ends nothing");
    learn(&store, &["learn", "GW", "--stop"]).await.unwrap();
    let failure = learn(&store, &["learn", "GW"]).await.unwrap_err();
    assert!(failure.error.to_string().contains("is enforced"), "{}", failure.error);

    // A list enforces, also one that is cleared again; so does to say that there is none.
    for (cn, list) in
        [("GW-2", &["--speaks-for", "B"][..]), ("GW-3", &["--any"]), ("GW-4", &["--itself-only"])]
    {
        device(&store, &["add", cn]).await.unwrap();
        learn(&store, &["learn", cn]).await.unwrap();
        device(&store, &[&["change", cn], list].concat()).await.unwrap();
        device(&store, &["change", cn, "--itself-only"]).await.unwrap();
        let entry = store.device(&cn.parse().unwrap()).await.unwrap().unwrap();
        assert!(!crate::authz::learning::is_learning(&entry, store.now()), "{cn}");
        learn(&store, &["learn", cn]).await.unwrap_err();
    }
    let trail = AuditFilter { event: None, device: None, since: None, page: Page::After(0), limit: 100 };
    let rows = store.audit_rows(&trail).await.unwrap();
    let count = |name: &str| rows.iter().filter(|row| row.event == name).count();
    assert_eq!((count("device-learning-started"), count("device-learning-ended")), (5, 5));
    let first = rows.iter().find(|row| row.event == "device-learning-started").unwrap();
    assert!(first.details.contains(&days(2).to_string()), "{}", first.details);
    assert!(first.details.contains(&operator()), "{}", first.details);
}

// One enrolled certificate must not become that of a device which another one has, or wants.
#[tokio::test]
async fn what_another_device_has_or_named_too_is_not_allowed_with_one_command() {
    let place = TestStore::new();
    let store = place.open().await;
    for cn in ["GW", "GW-2", "PUMP-7"] {
        device(&store, &["add", cn]).await.unwrap();
    }
    device(&store, &["add", "REFUSED"]).await.unwrap();
    for cn in ["GW", "GW-2"] {
        learn(&store, &["learn", cn]).await.unwrap();
    }
    let all = [
        ("GW", "1", &["PUMP-7^DNS", "X", "Y", "Z&X", "00\u{410}037EB2175780F"][..]),
        ("GW-2", "2", &["Y"]),
        // It does not learn: it was refused, and decides nothing.
        ("REFUSED", "3", &["X"]),
    ];
    for (cn, id, named) in all {
        let not_allowed = named.iter().map(|&identity| identity.to_owned()).collect();
        let record = MessageRecord { device: cn.parse().unwrap(), ..place.rejected(id, b"MSH|") };
        store.record(MessageRecord { not_allowed, ..record }).await.unwrap();
    }
    let failure = device(&store, &["change", "GW", "--from-seen"]).await.unwrap_err();
    let error = failure.error.to_string();
    assert!(error.contains("readers may see another device in it"), "{error}");
    let failure = device(&store, &["change", "GW-2", "--from-seen"]).await.unwrap_err();
    assert!(failure.error.to_string().contains("device GW named it too"), "{}", failure.error);
    device(&store, &["propose", "GW", "--apply"]).await.unwrap();
    let entry = store.device(&"GW".parse().unwrap()).await.unwrap().unwrap();
    let list: Vec<_> = entry.speaks_for.iter().map(ToString::to_string).collect();
    assert_eq!(list, ["X"]);
    let failure = device_by(&store, &["change", "REFUSED", "--from-seen"], "record").await.unwrap_err();
    assert!(failure.error.to_string().contains("device GW speaks for it"), "{}", failure.error);
    device(&store, &["remove", "GW"]).await.unwrap();
    device(&store, &["change", "GW-2", "--from-seen"]).await.unwrap();
}

// An entry that is removed and added again would be open again, to whom has its certificate.
#[tokio::test]
async fn an_entry_that_was_enforced_does_not_learn_when_it_is_added_again() {
    for place in [TestStore::new(), TestStore::on_postgres()] {
        added_again_on(&place).await;
    }
}

async fn added_again_on(place: &TestStore) {
    let store = place.open().await;
    let cases: [(&str, &str, &[&[&str]]); 4] = [
        ("LISTED", "LISTED", &[&["change", "LISTED", "--speaks-for", "A"]]),
        ("CLEARED", "CLEARED", &[&["change", "CLEARED", "--itself-only"]]),
        ("LEARNT", "LEARNT", &[&["learn", "LEARNT"]]),
        ("00A037FFFE000001", "00:a0:37:ff:fe:00:00:01", &[&["learn", "00A037FFFE000001"]]),
    ];
    for (cn, again, enforced) in cases {
        device(&store, &["add", cn]).await.unwrap();
        for line in enforced {
            learn(&store, line).await.unwrap();
        }
        device(&store, &["remove", cn]).await.unwrap();
        device(&store, &["add", again]).await.unwrap();
        let failure = learn(&store, &["learn", again]).await.unwrap_err();
        assert!(failure.error.to_string().contains("was enforced before"), "{cn}: {}", failure.error);
        assert_eq!(until(&store, again).await, None);
    }
    // One that never was enforced begins as any other.
    device(&store, &["add", "NEW"]).await.unwrap();
    device(&store, &["remove", "NEW"]).await.unwrap();
    device(&store, &["add", "NEW"]).await.unwrap();
    learn(&store, &["learn", "NEW"]).await.unwrap();
    learn(&store, &["learn", "NEW", "--days", "9"]).await.unwrap();
}
