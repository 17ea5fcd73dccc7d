//! `device` against a store.

mod enrolment;
mod learning;
mod lists;

use std::fs;
use std::path::Path;

use super::*;
use crate::cli::fixtures::parse_command;
use crate::store::fixtures::TestStore;
use crate::store::{AuditFilter, MessageRecord, Page};

async fn device(store: &Store, line: &[&str]) -> Outcome {
    device_by(store, line, "enforce").await
}

async fn device_by(store: &Store, line: &[&str], identity: &str) -> Outcome {
    let text = format!(
        "[tls]\nclient-trust-anchors = [\"r\"]\necc = {{ chain = \"c\", key = \"k\" }}\n[devices]\nidentity = \"{identity}\"\n"
    );
    let overrides = crate::config::Overrides::default();
    let config = || Ok(Config::parse(&text, Path::new("platform.toml"), &overrides).unwrap());
    run(parse_command("device", line)?, config, store, Output::new(true)).await
}

#[tokio::test]
async fn a_device_is_added_suspended_resumed_and_removed() {
    let place = TestStore::new();
    let store = place.open().await;
    let add =
        ["add", "GW-1", "--kind", "gateway", "--speaks-for", "00A037*", "--speaks-for", "B", "--note", "x"];
    assert_eq!(device(&store, &add).await.unwrap(), Exit::Done);
    let stored = store.device(&"GW-1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((stored.kind, stored.status), (DeviceKind::Gateway, DeviceStatus::Active));
    assert_eq!(stored.note, "x");
    assert_eq!(stored.speaks_for.len(), 2);

    assert_eq!(device(&store, &["suspend", "GW-1"]).await.unwrap(), Exit::Done);
    assert_eq!(store.devices().await.unwrap()[0].status, DeviceStatus::Suspended);
    assert_eq!(device(&store, &["resume", "GW-1"]).await.unwrap(), Exit::Done);
    assert_eq!(store.devices().await.unwrap()[0].status, DeviceStatus::Active);
    assert_eq!(device(&store, &["show", "GW-1"]).await.unwrap(), Exit::Done);
    assert_eq!(device(&store, &["list"]).await.unwrap(), Exit::Done);
    assert_eq!(device(&store, &["remove", "GW-1"]).await.unwrap(), Exit::Done);
    assert!(store.devices().await.unwrap().is_empty());

    let trail = AuditFilter { event: None, device: None, since: None, page: Page::After(0), limit: 10 };
    let actor = format!("\"actor\":\"{}\"", operator());
    let rows = store.audit_rows(&trail).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.details.contains(&actor)), "{rows:?}");
}

#[tokio::test]
async fn unknown_and_duplicate_names_fail_and_are_named() {
    let place = TestStore::new();
    let store = place.open().await;
    for verb in ["show", "suspend", "resume", "remove"] {
        let failure = device(&store, &[verb, "UNKNOWN"]).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.error.to_string(), "device UNKNOWN is not in the directory");
    }
    device(&store, &["add", "A"]).await.unwrap();
    let failure = device(&store, &["add", "A"]).await.unwrap_err();
    assert_eq!(failure.error.to_string(), "device A is in the directory already");
}

#[tokio::test]
async fn one_eui64_has_one_entry_in_any_spelling() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "00A037EB2175780F"]).await.unwrap();
    for spelling in ["00a037eb2175780f", "00:A0:37:EB:21:75:78:0F"] {
        let failure = device(&store, &["add", spelling]).await.unwrap_err();
        assert!(failure.error.to_string().contains("already, as 00A037EB2175780F"), "{:#}", failure.error);
        for verb in ["suspend", "show", "resume"] {
            assert_eq!(device(&store, &[verb, spelling]).await.unwrap(), Exit::Done);
        }
    }
    let file = place.path().with_extension("csv");
    fs::write(&file, "cn\nB\n00a037eb21757810\n00A037EB21757810\n").unwrap();
    let failure = device(&store, &["import", file.to_str().unwrap()]).await.unwrap_err();
    assert!(
        format!("{:#}", failure.error).contains("line 4: device 00A037EB21757810"),
        "{:#}",
        failure.error
    );
    let named = name_in_store(&store, Some("00a037eb2175780f".parse().unwrap())).await.unwrap();
    assert_eq!(named.unwrap().as_str(), "00A037EB2175780F");
    store.enrol_or_log(crate::store::fixtures::gateway("00-a0-37-eb-21-75-78-0f")).await;
    assert_eq!(store.devices().await.unwrap().len(), 1, "enrolment adds no second spelling");
    assert_eq!(device(&store, &["remove", "00a037eb2175780f"]).await.unwrap(), Exit::Done);
}

#[test]
fn a_wrong_kind_or_name_is_wrong_usage() {
    for line in [&["add", "A", "--kind", "printer"][..], &["add", " A"], &["add"]] {
        assert!(parse_command::<Command>("device", line).is_err(), "{line:?}");
    }
}

#[tokio::test]
async fn a_file_is_imported_completely_or_not_at_all() {
    let place = TestStore::new();
    let store = place.open().await;
    let file = place.path().with_extension("csv");
    let path = file.to_str().unwrap();
    device(&store, &["add", "C"]).await.unwrap();

    fs::write(&file, "cn,kind\nA,device\n\nB,gateway\nC,device\n").unwrap();
    let failure = device(&store, &["import", path]).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(format!("{:#}", failure.error).ends_with("line 5: device C is in the directory already"));
    assert_eq!(store.devices().await.unwrap().len(), 1);

    fs::write(&file, "cn,kind\nA,printer\n").unwrap();
    let failure = device(&store, &["import", path]).await.unwrap_err();
    assert!(format!("{:#}", failure.error).contains("line 2: "), "{:#}", failure.error);

    fs::write(&file, "cn,kind,speaks-for\nA,device,\nB,gateway,00A037*; D\n").unwrap();
    device(&store, &["import", path]).await.unwrap();
    assert_eq!(store.devices().await.unwrap().len(), 3);
}

/// A nightly inventory export can be imported each night.
#[tokio::test]
async fn an_import_with_update_changes_what_the_file_has_and_nothing_else() {
    let place = TestStore::new();
    let store = place.open().await;
    let file = place.path().with_extension("csv");
    let path = file.to_str().unwrap();
    device(&store, &["add", "00A037EB2175780F", "--note", "old", "--speaks-for", "B", "--owner", "IT"])
        .await
        .unwrap();
    device(&store, &["suspend", "00A037EB2175780F"]).await.unwrap();
    // As Excel writes it: semicolons, upper case, a byte order mark, a column more, Latin-1.
    let text = b"CN;Name;WARD;Silent After;Expected;Room\r\n00:a0:37:eb:21:75:78:0f;ICU-14;K\xfcche;2m;yes;7\r\nNEW;x;;;no;\r\n";
    fs::write(&file, text).unwrap();
    let stored = async || store.devices().await.unwrap();
    device(&store, &["import", path, "--update", "--dry-run"]).await.unwrap();
    assert_eq!(
        (stored().await.len(), stored().await[0].about.name.as_str()),
        (1, ""),
        "a dry run does nothing"
    );
    device(&store, &["import", path, "--update"]).await.unwrap();
    let all = stored().await;
    let [pump, new] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(pump.id.as_str(), "00A037EB2175780F", "two spellings are one device");
    assert_eq!(
        (pump.about.ward.as_str(), pump.about.owner.as_str(), pump.note.as_str()),
        ("K\u{fc}che", "IT", "old")
    );
    assert_eq!((pump.silent_after.unwrap().to_string(), pump.expected), ("2m".to_owned(), true));
    assert_eq!((pump.status, pump.speaks_for.len()), (DeviceStatus::Suspended, 1));
    assert_eq!((new.id.as_str(), new.about.name.as_str(), new.status), ("NEW", "x", DeviceStatus::Active));
    let rows = async || {
        let trail = AuditFilter { event: None, device: None, since: None, page: Page::After(0), limit: 100 };
        store.audit_rows(&trail).await.unwrap().len()
    };
    let before = rows().await;
    device(&store, &["import", path, "--update"]).await.unwrap();
    assert_eq!(rows().await, before, "nothing changed, and nothing is audited");
    let failure = device(&store, &["import", path]).await.unwrap_err();
    assert!(format!("{:#}", failure.error).contains("--update"), "{:#}", failure.error);
}

fn rejected(place: &TestStore, control_id: &'static str, identities: &[&str]) -> MessageRecord {
    let not_allowed = identities.iter().map(|&identity| identity.to_owned()).collect();
    MessageRecord { not_allowed, ..place.rejected(control_id, b"MSH|") }
}

#[tokio::test]
async fn from_seen_allows_the_identities_and_show_lists_them_no_longer() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "PUMP-1", "--speaks-for", "B"]).await.unwrap();
    for record in [
        rejected(&place, "1", &["00A037EB2175780F", "00A037*"]),
        rejected(&place, "2", &["00A037EB2175780F"]),
    ] {
        store.record(record).await.unwrap();
    }
    let pump = store.device(&"PUMP-1".parse().unwrap()).await.unwrap().unwrap();
    let known = store.seen_identities(&pump.id).await.unwrap();
    let shown = serde_json::to_value(DeviceDetails::new(&pump, &known)).unwrap();
    assert_eq!(shown["seen"][1]["identity"], "00A037EB2175780F");
    assert_eq!((shown["seen"][1]["messages"].as_u64(), shown["cn"].as_str()), (Some(2), Some("PUMP-1")));
    let standing = Fleet::default().standing(&pump, None, store.now());
    let view = text::Details {
        entry: DeviceDetails::new(&pump, &known),
        standing: StandingView::from(&standing),
        behind: Vec::new(),
    };
    let shown = super::Shown { view, missing: false, left: false, enforced: false };
    let details = text::details(&shown, Output::new(false));
    assert!(details.contains("\nseen         00A037EB2175780F"));

    // A device must not obtain a prefix by using one as its identity.
    let refused = device(&store, &["change", "PUMP-1", "--from-seen"]).await.unwrap_err();
    assert!(refused.error.to_string().contains("00A037*"), "{:#}", refused.error);
    place.execute("DELETE FROM seen_identity WHERE identity = '00A037*'").await.unwrap();
    device(&store, &["change", "PUMP-1", "--from-seen"]).await.unwrap();
    let pump = store.device(&pump.id).await.unwrap().unwrap();
    let known = store.seen_identities(&pump.id).await.unwrap();
    assert!(DeviceDetails::new(&pump, &known).seen.is_empty());
    let patterns: Vec<_> = pump.speaks_for.iter().map(ToString::to_string).collect();
    assert_eq!(patterns, ["B", "00A037EB2175780F"]);
}

/// What an operator is advised to do for one device locks out no other one of the gateway.
#[tokio::test]
async fn an_identity_is_added_to_the_list_and_the_others_stay() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "GW-1", "--speaks-for", "B,C"]).await.unwrap();
    let list = async || {
        let entry = store.device(&"GW-1".parse().unwrap()).await.unwrap().unwrap();
        entry.speaks_for.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    device(&store, &["change", "GW-1", "--also-speaks-for", "A,C"]).await.unwrap();
    assert_eq!(list().await, ["B", "C", "A"]);
    device(&store, &["change", "GW-1", "--speaks-for", "A"]).await.unwrap();
    assert_eq!(list().await, ["A"]);
    assert!(device(&store, &["change", "GW-1", "--also-speaks-for", "B", "--any"]).await.is_err());
}

#[tokio::test]
async fn a_change_keeps_the_values_of_options_that_are_not_given() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "A", "--acknowledge", "accept", "--speaks-for", "B", "--note", "x"])
        .await
        .unwrap();
    let stored = async || {
        let entry = store.device(&"A".parse().unwrap()).await.unwrap().unwrap();
        let patterns: Vec<_> = entry.speaks_for.iter().map(ToString::to_string).collect();
        format!(
            "{} [{}] {} {}",
            entry.kind.as_str(),
            patterns.join(" "),
            entry.acknowledge.as_str(),
            entry.note
        )
    };
    assert_eq!(stored().await, "device [B] accept x");
    device(&store, &["suspend", "A"]).await.unwrap();
    device(&store, &["change", "A", "--kind", "gateway", "--any"]).await.unwrap();
    assert_eq!(stored().await, "gateway [*] accept x");
    device(&store, &["change", "A", "--acknowledge", "as-asked", "--note", "y"]).await.unwrap();
    assert_eq!(stored().await, "gateway [*] as-asked y");
    device(&store, &["change", "A", "--itself-only"]).await.unwrap();
    assert_eq!(stored().await, "gateway [] as-asked y");
    assert_eq!(store.devices().await.unwrap()[0].status, DeviceStatus::Suspended);
    let unknown = device(&store, &["change", "B", "--note", "y"]).await.unwrap_err();
    assert_eq!(unknown.error.to_string(), "device B is not in the directory");
    for wrong in [&["--acknowledge", "AL"][..], &["--any", "--speaks-for", "B"], &["--itself-only", "--any"]]
    {
        assert!(
            parse_command::<Command>("device", &[&["change", "A"], wrong].concat()).is_err(),
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn a_device_is_bound_to_cas_by_key_or_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = TestStore::new();
    let store = place.open().await;
    let pki = crate::pki::TestPki::init(folder.path(), "http://127.0.0.1:9", &crate::model::Clock::system())
        .unwrap();
    let [root, other] = pki.trust_anchors();
    let keys = [&root, &other].map(|file| issuer::parse(file.to_str().unwrap()).unwrap());
    let order = crate::pki::CertificateOrder::new("A", crate::pki::Role::Device, crate::pki::KeyType::Ecc);
    let leaf = folder.path().join("leaf.pem");
    let chain = std::fs::read_to_string(pki.issue(&order).unwrap().chain).unwrap();
    let end = chain.find("-----END CERTIFICATE-----").unwrap();
    std::fs::write(&leaf, format!("{}-----END CERTIFICATE-----\n", &chain[..end])).unwrap();
    let stored = async || store.device(&"A".parse().unwrap()).await.unwrap().unwrap().issuers;

    device(&store, &["add", "A", "--issuer", root.to_str().unwrap()]).await.unwrap();
    assert_eq!(stored().await, [keys[0]]);
    device(&store, &["change", "A", "--note", "x"]).await.unwrap();
    assert_eq!(stored().await, [keys[0]], "kept");
    let both = keys.map(|key| key.to_string());
    device(&store, &["change", "A", "--issuer", &both[0], "--issuer", &both[1]]).await.unwrap();
    assert_eq!(stored().await, keys);
    device(&store, &["change", "A", "--any-issuer"]).await.unwrap();
    assert!(stored().await.is_empty());
    for wrong in [
        &["--issuer", "nowhere.pem"][..],
        &["--issuer", leaf.to_str().unwrap()],
        &["--any-issuer", "--issuer", &both[0]],
    ] {
        assert!(
            parse_command::<Command>("device", &[&["change", "A"], wrong].concat()).is_err(),
            "{wrong:?}"
        );
    }
    let file = folder.path().join("devices.csv");
    std::fs::write(&file, format!("cn,issuer\nB,{} ; {}\nC,\n", both[1], root.display())).unwrap();
    device(&store, &["import", file.to_str().unwrap()]).await.unwrap();
    let imported: Vec<_> = store.devices().await.unwrap().into_iter().map(|device| device.issuers).collect();
    assert_eq!(imported, [vec![], vec![keys[1], keys[0]], vec![]]);
    std::fs::write(&file, "cn,issuer\nD,nowhere.pem\n").unwrap();
    let refused = device(&store, &["import", file.to_str().unwrap()]).await.unwrap_err();
    assert!(format!("{:#}", refused.error).contains("line 2: nowhere.pem is neither"), "{:#}", refused.error);
}
