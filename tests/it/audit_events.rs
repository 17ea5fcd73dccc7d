//! Each event of the closed list, provoked from outside.

use std::fs;

use pcd_platform::audit::Event;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Cli, Device, Platform, Site, Wire, eventually, field, framed, message, serial};
use crate::southbound::{answer, order};

const NAME: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE000002";
/// A device for which [`NAME`] may speak.
const BEHIND: &str = "00A037FFFE0000A1";

/// The rows of an event, the oldest first.
fn rows(cli: &Cli, event: &str) -> Vec<Value> {
    let mut rows = cli.json(&["audit", "list", "--event", event, "--limit", "1000"]);
    rows.reverse();
    rows
}

fn details(cli: &Cli, event: &str) -> Vec<Value> {
    rows(cli, event).into_iter().map(|row| row["details"].clone()).collect()
}

/// The only row of an event.
fn only(cli: &Cli, event: &str) -> Value {
    let mut all = details(cli, event);
    assert_eq!(all.len(), 1, "{event}: {all:?}");
    all.remove(0)
}

fn count(platform: &Platform, event: &str) -> f64 {
    platform.metric(&format!("pcd_audit_events_total{{event=\"{event}\"}}"))
}

/// Who gives commands: the user of the operating system, whatever the environment claims.
fn operator() -> String {
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

/// A site whose ECC identity is a file of its own.
fn site() -> Site {
    let site = Site::new();
    install(&site);
    site.with("tls", "ecc = { chain = \"ecc.pem\", key = \"ecc.key\" }")
}

/// Puts a new certificate with a new key in the place of the ECC identity.
fn install(site: &Site) {
    // Not named `platform`: the other tests' platforms read the files of that name.
    let made = site.issue(&CertificateOrder::new("audited-platform", Role::Platform, KeyType::Ecc));
    fs::copy(made.chain, site.path().join("ecc.pem")).unwrap();
    fs::copy(made.key, site.path().join("ecc.key")).unwrap();
}

#[test]
fn every_event_of_the_closed_list_is_written_when_it_happens() {
    let site = site().with("devices", "silent-after = \"100ms\"").with("fhir", "enabled = true");
    let platform = site.start();
    let cli = platform.cli().clone();
    platform.admit(NAME, &["--speaks-for", BEHIND]);
    platform.admit("SPARE", &[]);
    cli.run(&["device", "change", "SPARE", "--note", "x"]);
    cli.run(&["device", "suspend", "SPARE"]);
    cli.run(&["device", "resume", "SPARE"]);
    cli.run(&["device", "remove", "SPARE"]);

    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    // The same bytes: made again in the next second, they would be another message.
    let first = message(NAME, "1");
    for _ in 0..2 {
        assert_eq!(device.code(first.clone()), "CA");
    }
    eventually("the device is silent", || count(&platform, "feed-silent") >= 1.0);
    assert_eq!(device.code(message(NAME, "2")), "CA");
    eventually("the device is heard again", || count(&platform, "feed-resumed") >= 1.0);
    assert_eq!(device.code(message(BEHIND, "behind-1")), "CA");
    eventually("the device behind it is silent", || count(&platform, "feeds-behind-silent") >= 1.0);
    assert_eq!(device.code(message(BEHIND, "behind-2")), "CA");
    eventually("it is heard again", || count(&platform, "feeds-behind-resumed") >= 1.0);
    assert_eq!(device.code(message(OTHER, "3")), "CR");
    device.close().unwrap();
    let stranger = site.certificate(OTHER, KeyType::Ecc);
    drop(
        Device::connect(&site, platform.address, &stranger)
            .map(|mut device| device.send(message(OTHER, "4"))),
    );
    let mut wire = Wire::connect(&site, platform.address, &own);
    wire.write(&[b"noise", framed(&message(NAME, "5")).as_slice()].concat());
    assert_eq!(wire.verdict().0, "CA");
    let file = site.path().join("order.hl7");
    fs::write(&file, order("ORDER", "AL", "")).unwrap();
    cli.run(&["order", "send", NAME, file.to_str().unwrap(), "--no-wait"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ORDER");
    wire.write(&answer("ACK^O15^ACK", "ORDER", "CA", "6"));
    eventually("the order is settled", || !rows(&cli, "southbound-settled").is_empty());
    wire.close();

    let id = cli.json(&["message", "list"])[0]["id"].as_str().unwrap().to_owned();
    cli.run_raw(&["message", "show", &id, "--raw"]);
    cli.run(&["message", "list", "--patient", "4711", "--why", "a test"]);
    cli.run(&["message", "export"]);
    cli.run(&["audit", "export"]);
    cli.run(&["audit", "verify"]);
    cli.run(&["fhir", "rebuild"]);
    cli.run(&["store", "backup", site.path().join("copy.db").to_str().unwrap()]);
    crate::browser_sessions::log_in_and_out(&platform);
    platform.signal(Signal::HUP);
    eventually("reloaded", || count(&platform, "configuration-changed") == 1.0);
    fs::write(site.path().join("platform.toml"), "nonsense").unwrap();
    platform.signal(Signal::HUP);
    eventually("refused", || count(&platform, "configuration-refused") == 1.0);
    let cli = Cli::of(&site);
    assert!(platform.stop().status.success());

    // What retention says takes its time: `retention`. Limits: `hostile_device`, `strangers`.
    // Clocks: `clocks`. The end of the chain: `chain_end`. Two spellings of one device are what an earlier
    // version left, and learning: `cli::device::tests`. What is accepted later: `messages::reconsider`. A
    // person without the role: `people_certificates`. Hospital systems: `hospital_systems`.
    let later = [
        "device-merged",
        "device-learning-started",
        "device-learning-ended",
        "device-identities-forgotten",
        "message-reconsidered",
        "content-refused",
        "read-refused",
        "resources-read",
        "clients-changed",
        "subscriptions-changed",
        "partner-served",
        "authorization-decided",
        "token-granted",
        "token-revoked",
        "enrolment-refused",
        "enrolment-requested",
        "enrolment-changed",
        "patients-linked",
        "copy-replaced",
        "copy-renewed",
        "messages-pruned",
        "audit-pruned",
        "rejections-not-stored",
        "refusals-counted",
        "sessions-counted",
        "clock-unconfirmed",
        "clock-confirmed",
        "size-limit-reached",
        "audit-rows-lost",
        "audit-diverged",
        "audit-end-accepted",
        "audit-fault-accepted",
    ];
    let now = |event: &&str| !later.contains(event);
    for event in Event::NAMES.into_iter().filter(now) {
        assert!(!rows(&cli, event).is_empty(), "{event} is not in the trail");
    }
    // One row for each message, whatever became of it.
    let accepted = details(&cli, "message-accepted").len();
    assert_eq!((accepted, details(&cli, "message-rejected").len()), (6, 2));

    let accepted = &details(&cli, "connection-accepted")[0];
    assert_eq!((&accepted["device"], &accepted["certificate"]["common-name"]), (&json!(NAME), &json!(NAME)));
    let number = accepted["certificate"]["serial"].as_str().unwrap();
    assert_eq!(number.to_uppercase(), serial(&own));
    assert!(accepted["certificate"]["issuer"].as_str().unwrap().contains("CN="));
    assert_eq!(
        accepted["revocation"].as_array().unwrap().len(),
        2,
        "the device and its issuing CA: {accepted}"
    );
    let evidence = &accepted["revocation"][0];
    assert_eq!(
        (evidence["verdict"].as_str(), evidence["source"].as_str()),
        (Some("good"), Some("crl-cache"))
    );

    let refused = only(&cli, "connection-refused");
    assert_eq!(refused["refusal"], "unknown-device");
    assert_eq!(refused["certificate"]["serial"].as_str().unwrap().to_uppercase(), serial(&stranger));
    let violation = only(&cli, "identity-violation");
    assert_eq!((&violation["device"], &violation["identity"]), (&json!(NAME), &json!(OTHER)));
    assert_eq!(only(&cli, "bytes-between-frames")["count"], 5);
    for event in ["device-changed", "device-suspended", "device-resumed", "device-removed"] {
        let reported = only(&cli, event);
        assert_eq!(
            (reported["device"].as_str(), reported["actor"].as_str()),
            (Some("SPARE"), Some(&*operator()))
        );
    }
}

#[test]
fn viewing_and_exporting_content_is_audited_with_the_operating_system_user() {
    let site = Site::new().with_environment("USER", "mallory".into());
    let platform = site.start();
    let cli = platform.cli();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    let id = cli.json(&["message", "list"])[0]["id"].as_str().unwrap().to_owned();
    // What is known about a message is not its content.
    cli.run(&["message", "show", &id]);
    assert_eq!(rows(cli, "message-viewed").len(), 0);
    cli.run_raw(&["message", "show", &id, "--raw"]);
    cli.run(&["message", "show", &id, "--tree"]);
    cli.run(&["message", "show", &id, "--tree", "--phi"]);
    let viewed = details(cli, "message-viewed");
    let as_what: Vec<_> = viewed.iter().map(|row| row["as"].as_str().unwrap()).collect();
    assert_eq!(as_what, ["raw", "tree", "tree-with-patient"]);
    let reported = (&json!(id), &json!(NAME), &json!(operator()));
    assert!(
        viewed.iter().all(|row| (&row["message"], &row["device"], &row["actor"]) == reported),
        "{viewed:?}"
    );

    cli.run(&["message", "export", "--device", NAME, "--rejected", "--limit", "7"]);
    assert_eq!(
        only(cli, "messages-exported"),
        json!({ "actor": operator(), "selection": { "device": NAME, "limit": 7, "rejected": true } })
    );
    // The export audits itself: its row is durable before the first line is printed.
    let export = cli.run(&["audit", "export", "--since", "1h"]);
    let last: Value = serde_json::from_str(export.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "audit-exported");
    assert_eq!(
        (&last["details"]["actor"], &last["details"]["format"]),
        (&json!(operator()), &json!("jsonl"))
    );
    assert!(last["details"]["since"].is_string());

    cli.run(&["audit", "verify"]);
    let verified = only(cli, "audit-verified");
    assert_eq!((&verified["intact"], &verified["actor"]), (&json!(true), &json!(operator())));
    assert!(verified["chains"][0]["rows"].as_u64().unwrap() > 5, "{verified}");
}

#[test]
fn a_reload_is_audited_with_its_keys_and_a_refused_one_with_its_fault() {
    let site = Site::new();
    let platform = site.start();
    let cli = platform.cli().clone();
    let reload = |event: &str| {
        let before = count(&platform, event);
        platform.signal(Signal::HUP);
        eventually("the reload is audited", || count(&platform, event) == before + 1.0);
    };
    let site = site.with("messages", "types = \"any\"").with("devices", "max-violations = 3");
    site.write_configuration();
    reload("configuration-changed");
    let keys = ["devices.max-violations", "messages.types"];
    let changed = json!({ "keys": keys, "new-sessions": [], "restart": [], "by": "signal" });
    assert_eq!(only(&cli, "configuration-changed"), changed);

    // Values are not audited: this one is a secret.
    let site =
        site.with("store", "url = \"mysql://root:s3cret@host/db\"").with("admin", "listen = \"0.0.0.0:1\"");
    site.write_configuration();
    reload("configuration-refused");
    fs::write(site.path().join("platform.toml"), "[store]\nurl = \"s3cret").unwrap();
    reload("configuration-refused");
    let site = site.with("store", "url = \"sqlite:platform.db\"").with("admin", "listen = \"127.0.0.1:0\"");
    let site = site.with("tls", "client-trust-anchors = [\"nowhere.pem\"]");
    site.write_configuration();
    reload("configuration-refused");
    fs::remove_file(site.path().join("platform.toml")).unwrap();
    reload("configuration-refused");
    // The command line needs a configuration that can be read.
    let anchor = site.trust_anchors()[0].display().to_string();
    let site = site.with("tls", &format!("client-trust-anchors = [\"{anchor}\"]"));
    site.write_configuration();
    let refused = details(&cli, "configuration-refused");
    let reported: Vec<_> = refused.iter().map(|row| (row["fault"].as_str().unwrap(), &row["keys"])).collect();
    let none = json!([]);
    assert_eq!(
        reported,
        [
            ("values", &json!(["store.url", "admin.listen"])),
            ("syntax", &none),
            ("identities", &none),
            ("unreadable", &none),
        ]
    );
    assert!(!cli.run(&["audit", "export"]).contains("s3cret"));
}

#[test]
fn only_new_certificates_keys_and_roots_are_audited_at_start_and_reload() {
    let site = site();
    let platform = site.start();
    let cli = platform.cli().clone();
    let roles = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap().to_owned()).collect()
    };
    eventually("the installed certificates are audited", || count(&platform, "certificates-changed") == 1.0);
    let first = only(&cli, "certificates-changed");
    assert_eq!(first["old"], json!([]));
    assert_eq!(roles(&first["new"]), ["platform-ecc", "platform-rsa", "trust-anchor", "trust-anchor"]);
    platform.stop();

    // The same again is no change.
    let platform = site.start();
    eventually("it runs", || count(&platform, "platform-started") == 1.0);
    platform.stop();
    assert_eq!(details(&cli, "certificates-changed").len(), 1);

    let platform = site.start();
    install(&site);
    platform.signal(Signal::HUP);
    eventually("the new certificate is audited", || count(&platform, "certificates-changed") == 1.0);
    let renewed = details(&cli, "certificates-changed").remove(1);
    assert_eq!(renewed["old"], first["new"]);
    for what in ["fingerprint", "key", "serial"] {
        assert_ne!(renewed["new"][0][what], renewed["old"][0][what], "{what}");
        assert_eq!(renewed["new"][1][what], renewed["old"][1][what], "the RSA identity stays: {what}");
    }
    platform.stop();

    // While it does not run.
    let root = site.trust_anchors().into_iter().next().unwrap();
    let site =
        site.with("tls", &format!("client-trust-anchors = [\"{}\"]", root.display())).without("tls", "rsa");
    let platform = site.start();
    eventually("the removal is audited", || count(&platform, "certificates-changed") == 1.0);
    let fewer = details(&cli, "certificates-changed").remove(2);
    assert_eq!(fewer["old"], renewed["new"]);
    assert_eq!(roles(&fewer["new"]), ["platform-ecc", "trust-anchor"]);
    drop(platform);
}
