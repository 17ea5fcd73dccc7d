//! How a device stands after an operator, a CA or the platform has ended its session: page, commands, API,
//! metrics and findings say the same.

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, RevocationReason, Role, TestPki};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Credential, Device, Platform, Site, establish, eventually, message};

/// What each way of asking says of the state of a device.
fn states(platform: &Platform, name: &str) -> [String; 3] {
    let of = |rows: &[Value]| {
        let row = rows.iter().find(|row| row["cn"] == name);
        row.map(|row| row["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    let (_, api) = platform.get("/api/devices");
    let (_, page) = platform.get(&format!("/devices/{name}"));
    let word = ["locked out", "rejected", "sends", "not connected", "suspended", "connected", "silent"]
        .into_iter()
        .find(|word| {
            page.contains(&format!("{word}</span></h1>")) || page.contains(&format!(">{word}</span>"))
        });
    let listed = platform.cli().json(&["device", "list"]);
    [of(&listed), of(&serde_json::from_str::<Vec<Value>>(&api).unwrap()), word.unwrap_or_default().to_owned()]
}

/// The calendar of certificates has each of so many devices once, and this one as revoked.
fn assert_in_calendar(platform: &Platform, revoked: &str, devices: usize) {
    let (_, calendar) = platform.get("/trust.csv");
    let row = calendar.lines().find(|row| row.starts_with(&format!("{revoked},"))).unwrap();
    let known = calendar.lines().filter(|row| row.ends_with(",device,")).count();
    assert!(known == devices && row.ends_with(",revoked,device,"), "{calendar}");
}

fn why(platform: &Platform, subject: &str) -> Value {
    let (_, stdout, stderr) = platform.cli().try_run(&["--json", "device", "why", subject]);
    serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"))
}

/// The codes of the findings about a device.
fn findings(platform: &Platform, name: &str) -> Vec<(String, String)> {
    let (_, found) = platform.get("/api/findings");
    let found: Value = serde_json::from_str(&found).unwrap();
    let found = found.as_array().cloned().or_else(|| found["findings"].as_array().cloned()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let own = found.iter().filter(|one| one["name"] == name);
    own.map(|one| (text(&one["code"]), text(&one["severity"]))).collect()
}

// Patient safety: a pump that is put back and does not come back is noticed.
#[test]
fn a_device_that_does_not_come_back_after_suspend_and_resume_is_reported_silent() {
    // It is suspended before it counts as silent.
    let site = Site::new().with("devices", "silent-after = \"8s\"");
    let platform = site.start();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    let own = site.certificate(name, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(name, "1")), "CA");
    platform.cli().run(&["device", "suspend", name]);
    eventually("its session is over", || device.send(message(name, "2")).is_err());
    eventually("it is suspended", || platform.metric("pcd_devices{state=\"suspended\"}") > 0.0);
    let silences = || platform.cli().json(&["audit", "list", "--event", "feed-silent"]).len();
    let before = silences();
    platform.cli().run(&["device", "resume", name]);
    eventually("its silence is reported", || silences() == before + 1);
    eventually("it is a finding", || {
        findings(&platform, name).contains(&("device-silent".to_owned(), "urgent".to_owned()))
    });
    eventually("the API says so", || states(&platform, name)[1] == "silent");
}

// A9.4: the session that a revocation ended is not explained as a fault of the network.
#[test]
fn a_session_that_lost_its_authorization_is_explained_by_its_true_cause() {
    let folder = tempfile::tempdir().unwrap();
    let pki_folder = folder.path().join("pki");
    let pki = establish(&pki_folder, &Clock::system());
    pki.publish_crls(TestPki::CRL_DAYS).unwrap();
    let site = Site::of(&pki_folder);
    let platform = site.start();
    let connect = |name: &str| {
        platform.admit(name, &[]);
        let issued = pki.issue(&CertificateOrder::new(name, Role::Device, KeyType::Ecc)).unwrap();
        let own = Credential { chain: issued.chain.clone(), key: issued.key };
        let mut device = Device::connect(&site, platform.address, &own).unwrap();
        assert_eq!(device.code(message(name, "1")), "CA");
        (device, issued.chain)
    };
    let (mut revoked, chain) = connect("00A037FFFE000001");
    let (mut bound, _) = connect("00A037FFFE000002");
    let (mut suspended, _) = connect("00A037FFFE000003");
    let (orderly, _) = connect("00A037FFFE000004");
    pki.revoke(&std::fs::read(&chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
    pki.publish_crls(TestPki::CRL_DAYS).unwrap();
    platform.signal(Signal::HUP);
    platform.cli().run(&["device", "change", "00A037FFFE000002", "--issuer", &"ab".repeat(32)]);
    platform.cli().run(&["device", "suspend", "00A037FFFE000003"]);
    orderly.close().unwrap();
    for (device, name) in [
        (&mut revoked, "00A037FFFE000001"),
        (&mut bound, "00A037FFFE000002"),
        (&mut suspended, "00A037FFFE000003"),
    ] {
        eventually("its session is over", || device.send(message(name, "2")).is_err());
    }
    for (name, code, stage, words) in [
        ("00A037FFFE000001", "revoked", "revocation", "revoked"),
        ("00A037FFFE000002", "other-issuer", "directory", "binds it to another CA"),
        ("00A037FFFE000003", "suspended-device", "directory", "an operator has suspended it"),
    ] {
        eventually("why has the cause", || why(&platform, name)["code"] == code);
        let shown = why(&platform, name);
        let failed: Vec<_> =
            shown["steps"].as_array().unwrap().iter().filter(|step| step["outcome"] == "failed").collect();
        assert_eq!((failed.len(), &failed[0]["stage"]), (1, &stage.into()), "{shown:#}");
        assert!(shown["cause"].as_str().unwrap().contains(words), "{shown:#}");
        let (_, page) = platform.get(&format!("/devices/{name}"));
        assert!(page.contains(words), "{name}: {page}");
    }
    eventually("each says so", || {
        states(&platform, "00A037FFFE000001") == ["refused", "refused", "locked out"]
    });
    eventually("a device that lost its authorization is a finding", || {
        findings(&platform, "00A037FFFE000001")
            .contains(&("device-locked-out".to_owned(), "urgent".to_owned()))
    });
    assert_eq!(findings(&platform, "00A037FFFE000003"), []);
    assert_in_calendar(&platform, "00A037FFFE000001", 4);
    // One that closed its connection is not refused, and does not send.
    let name = "00A037FFFE000004";
    eventually("it is not connected", || {
        states(&platform, name) == ["disconnected", "disconnected", "not connected"]
    });
    let cause = why(&platform, name)["cause"].to_string();
    assert!(cause.contains("was not refused") && cause.contains("the device closed it"), "{cause}");
    eventually("the metric agrees", || {
        platform.metric("pcd_devices{state=\"disconnected\"}") > 0.0
            && platform.metric("pcd_devices{state=\"sends\"}") == 0.0
    });
}

#[test]
fn a_suspended_device_that_tries_to_connect_is_no_emergency_nor_is_it_after_it_is_resumed() {
    let site = Site::new();
    let platform = site.start();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    platform.cli().run(&["device", "suspend", name]);
    let own = site.certificate(name, KeyType::Ecc);
    eventually("it is suspended", || platform.metric("pcd_devices{state=\"suspended\"}") > 0.0);
    let tries = || Device::connect(&site, platform.address, &own)?.send(message(name, "1"));
    assert!(tries().is_err());
    eventually("it is refused", || why(&platform, name)["refusal"].is_object());
    // Longer than the platform takes to examine what is remembered.
    std::thread::sleep(std::time::Duration::from_secs(16));
    assert_eq!(findings(&platform, name), []);
    platform.cli().run(&["device", "resume", name]);
    eventually("it is resumed", || platform.metric("pcd_devices{state=\"suspended\"}") == 0.0);
    eventually("it was never seen", || states(&platform, name)[0] == "never-seen");
    assert_eq!(findings(&platform, name), []);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(name, "1")), "CA");
}

#[test]
fn a_device_whose_messages_are_all_rejected_does_not_send() {
    let site = Site::new();
    let platform = site.start();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    let own = site.certificate(name, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message("00A037FFFE0000AA", "1")), "CR");
    eventually("each says so", || states(&platform, name) == ["rejected", "rejected", "rejected"]);
    eventually("it needs a person", || {
        findings(&platform, name) == [("device-rejected".to_owned(), "attention".to_owned())]
    });
    eventually("the metric agrees", || {
        platform.metric("pcd_devices{state=\"rejected\"}") > 0.0
            && platform.metric("pcd_devices{state=\"sends\"}") == 0.0
    });
    assert_eq!(device.code(message(name, "2")), "CA");
    eventually("it sends", || states(&platform, name)[1] == "sends");
}

/// The outcome and the words of each stage of the walk.
fn stages(why: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    why["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (text(&step["outcome"]), text(&step["what"])))
        .collect()
}

/// It came as far as to the directory, which allows it now, and has not come again.
fn assert_has_to_connect_again(platform: &Platform, name: &str, code: &str) {
    let allowed = "The directory allows it now";
    eventually("the listener knows it", || platform.get(&format!("/devices/{name}")).1.contains(allowed));
    let shown = why(platform, name);
    let stages = stages(&shown);
    let outcomes: Vec<_> = stages.iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes[..6], ["passed"; 6], "{shown:#}");
    assert_ne!(outcomes[6], "passed", "{shown:#}");
    assert!(stages[0].1.starts_with("127.0.0.1:") && stages[2].1.contains("issued by"), "{shown:#}");
    assert_eq!((stages[5].1.as_str(), &shown["well"]), ("allowed now", &false.into()), "{shown:#}");
    let cause = shown["cause"].as_str().unwrap();
    assert!(cause.contains(&format!("({code}), before it was allowed")), "{shown:#}");
    assert!(cause.contains("has to connect again"), "{shown:#}");
    assert_eq!(shown["next-step"], "wait for its next attempt, or restart it");
    let add = ["device add", "device resume"];
    let (_, page) = platform.get(&format!("/devices/{name}"));
    assert!(page.contains("has to connect again") && page.contains(allowed), "{page}");
    let (_, refusals) = platform.get("/refusals");
    let (_, api) = platform.get("/api/refusals");
    let of_address = why(platform, "127.0.0.1").to_string();
    let list = format!("{:?}", platform.cli().json(&["device", "list"]));
    for shown in [page, refusals, api, shown.to_string(), of_address, list] {
        assert!(!add.iter().any(|advice| shown.contains(&format!("{advice} {name}"))), "{shown}");
    }
}

#[test]
fn a_device_that_was_refused_before_it_was_added_or_resumed_has_to_connect_again() {
    let site = Site::new();
    let platform = site.start();
    let name = "00A037FFFE000001";
    let own = site.certificate(name, KeyType::Ecc);
    let tries = || Device::connect(&site, platform.address, &own)?.send(message(name, "1"));
    assert!(tries().is_err());
    eventually("it is refused as unknown", || why(&platform, name)["code"] == "unknown-device");
    platform.admit(name, &[]);
    assert_has_to_connect_again(&platform, name, "unknown-device");
    platform.cli().run(&["device", "suspend", name]);
    eventually("it is suspended", || platform.metric("pcd_devices{state=\"suspended\"}") > 0.0);
    assert!(tries().is_err());
    eventually("it is refused", || why(&platform, name)["refusal"].is_object());
    platform.cli().run(&["device", "resume", name]);
    eventually("it is resumed", || platform.metric("pcd_devices{state=\"suspended\"}") == 0.0);
    assert_has_to_connect_again(&platform, name, "suspended-device");
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(name, "1")), "CA");
    eventually("it is well", || why(&platform, name)["well"] == true);
    let (_, page) = platform.get(&format!("/devices/{name}"));
    assert!(!page.contains("device add"), "{page}");
}

#[test]
fn a_message_that_an_operator_had_accepted_does_not_make_the_device_well() {
    let site = Site::new();
    let platform = site.start();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    let own = site.certificate(name, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message("00A037FFFE0000AA", "1")), "CR");
    device.close().unwrap();
    platform.cli().run(&["device", "change", name, "--speaks-for", "00A037FFFE0000AA"]);
    let words = ["message", "reconsider", "--device", name, "--reason", "identity-mismatch", "--apply"];
    platform.cli().run(&words);
    eventually("each says so", || states(&platform, name) == ["rejected", "rejected", "rejected"]);
    let shown = why(&platform, name);
    let (outcome, what) = stages(&shown).pop().unwrap();
    assert!(outcome == "failed" && what.contains("rejected: identity-mismatch"), "{shown:#}");
    assert_eq!((&shown["well"], &shown["code"]), (&false.into(), &"identity-mismatch".into()), "{shown:#}");
}

#[test]
fn the_number_of_connected_devices_leads_to_them_in_whichever_state_they_are() {
    let site = Site::new();
    let platform = site.start();
    let (sends, idle, absent) = ("00A037FFFE000001", "00A037FFFE000002", "00A037FFFE000003");
    [sends, idle, absent].iter().for_each(|name| platform.admit(name, &[]));
    let [mut first, _second] = [sends, idle]
        .map(|name| Device::connect(&site, platform.address, &site.certificate(name, KeyType::Ecc)).unwrap());
    assert_eq!(first.code(message(sends, "1")), "CA");
    eventually("it sends", || states(&platform, sends)[1] == "sends");
    let (_, overview) = platform.get("/");
    let (before, _) = overview.split_once(">Connected<").unwrap();
    let (_, href) = before.rsplit_once("href=\"").unwrap();
    let shown = || platform.get(href.split('"').next().unwrap()).1;
    eventually("both are shown", || shown().contains("2 of 3 devices"));
    let page = shown();
    assert!(page.contains("selected>all connected"), "{page}");
    assert!(page.contains(sends) && page.contains(idle) && !page.contains(absent), "{page}");
}
