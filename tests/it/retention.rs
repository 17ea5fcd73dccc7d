//! What is too old goes by itself, and the account of it stays provable.

use std::collections::BTreeSet;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;

use crate::harness::{Cli, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

#[test]
fn messages_and_audit_rows_go_when_they_are_too_old_and_the_chain_stays_whole() {
    let site = Site::new().with("store", "retain-messages = \"2s\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2", "3"] {
        wire.write(&framed(&message(NAME, id)));
        assert_eq!(wire.verdict().0, "CA");
    }
    // One that is refused, because it speaks for another device.
    wire.write(&framed(&message("00A037FFFE000002", "4")));
    assert_ne!(wire.verdict().0, "CA");
    let series = "pcd_retention_pruned_total{what=\"messages\"}";
    eventually("the messages are gone", || platform.cli().json(&["message", "list"]).is_empty());
    let rejected = "pcd_retention_pruned_total{what=\"rejected\"}";
    eventually("they are counted", || [series, rejected].map(|what| platform.metric(what)) == [3.0, 1.0]);
    let rows = platform.cli().json(&["audit", "list", "--event", "messages-pruned"]);
    let pruned: u64 = rows.iter().map(|row| row["details"]["messages"].as_u64().unwrap()).sum();
    assert_eq!(pruned, 4);
    // From now on the rows go as well: those that were looked at must not go before that.
    // A command has that long from what it knows of the chain's end until it looks at the chain.
    let site = site.with("store", "retain-audit = \"12s\"");
    site.write_configuration();
    platform.signal(Signal::HUP);
    let first = || platform.cli().run(&["audit", "export"]).lines().next().unwrap().to_owned();
    eventually("the first rows of the trail are gone", || !first().contains("\"number\":1,"));
    eventually("they are counted", || platform.metric("pcd_retention_pruned_total{what=\"audit\"}") > 0.0);
    let verify = |cli: &Cli| cli.json(&["audit", "verify"]).remove(0);
    assert_eq!(verify(platform.cli())["intact"], true);
    // A head that was noted before is not missing; an unsigned one is not there.
    // Each pass writes such a row, and some of them go.
    let mut reported = serde_json::Value::Null;
    eventually("the trail says what has gone", || {
        let rows = platform.cli().json(&["audit", "list", "--event", "audit-pruned"]);
        reported = rows.first().map(|row| row["details"].clone()).unwrap_or_default();
        reported.is_object()
    });
    let (number, hash) = (reported["number"].as_u64().unwrap(), reported["hash"].as_str().unwrap());
    let look_up = |head: &str| platform.cli().try_run(&["audit", "verify", "--head", head]);
    let (status, output, _) = look_up(&format!("{number}:{hash}"));
    assert!(status.success() && output.contains("\npruned  ") && output.contains(" up to row "), "{output}");
    let (status, output, _) = look_up(&format!("999999:{hash}"));
    assert!(status.code() == Some(1) && output.contains("\nbroken  "), "{output}");
    // The same bytes again are new: the first copy is gone.
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    platform.stop();
    let cli = Cli::of(&site);
    assert_eq!(verify(&cli)["intact"], true, "and after a restart");
    assert_eq!(cli.json(&["device", "list"]).len(), 1, "the directory is not a matter of age");
}

#[test]
fn large_messages_go_at_an_age_of_their_own() {
    let site = Site::new().with("store", "retain-large = \"1s\"").with("store", "large-from = \"16 KiB\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let document = format!("NTE|1||{}\r", "document ".repeat(3000));
    let large = [&message(NAME, "1")[..], document.as_bytes()].concat();
    for bytes in [&message(NAME, "0")[..], &large] {
        wire.write(&framed(bytes));
        assert_eq!(wire.verdict().0, "CA");
    }
    let listed = || platform.cli().json(&["message", "list"]).len();
    eventually("the large message is gone", || listed() == 1);
    eventually("the pass is counted", || {
        platform.metric("pcd_retention_pruned_total{what=\"large\"}") >= 1.0
    });
    assert_eq!(platform.metric("pcd_retention_pruned_total{what=\"messages\"}"), 0.0);
    let rows = platform.cli().json(&["audit", "list", "--event", "messages-pruned"]);
    assert_eq!((rows.len(), &rows[0]["details"]["kind"]), (1, &"large".into()));
    assert!(platform.cli().try_run(&["store", "check"]).0.success(), "the trail explains it");
    // What goes next is shown.
    let shown = &platform.cli().json(&["store", "retention"])[0]["next"];
    assert_eq!((&shown[0]["kind"], &shown[2]["kind"]), (&"accepted".into(), &"large".into()), "{shown}");
    assert!(shown[0]["next-at"].is_string() && shown[2]["oldest"].is_null(), "{shown}");
    let (_, _, page) = crate::pages::open(&platform, "/system");
    assert!(page.contains("What retention removes next"), "{page}");
    platform.stop();
}

#[test]
fn rejected_messages_go_at_an_age_of_their_own() {
    Site::on_each_store().into_iter().for_each(rejected_messages_go_on);
}

fn rejected_messages_go_on(site: Site) {
    let site = site.with("store", "retain-rejected = \"1s\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for (device, id, code) in [(NAME, "1", "CA"), ("00A037FFFE000002", "2", "CR"), (NAME, "3", "CA")] {
        wire.write(&framed(&message(device, id)));
        assert_eq!(wire.verdict().0, code);
    }
    let listed = |more: &[&str]| platform.cli().json(&[&["message", "list"], more].concat()).len();
    eventually("the rejected message is gone", || listed(&["--rejected"]) == 0);
    assert_eq!(listed(&[]), 2);
    let counted = "pcd_retention_pruned_total{what=\"rejected\"}";
    eventually("it is counted", || platform.metric(counted) == 1.0);
    assert_eq!(platform.metric("pcd_retention_pruned_total{what=\"messages\"}"), 0.0);
    let rows = platform.cli().json(&["audit", "list", "--event", "messages-pruned"]);
    assert_eq!((rows.len(), &rows[0]["details"]["messages"]), (1, &1.into()));
    assert!(platform.cli().try_run(&["store", "check"]).0.success(), "the trail explains it");
    // What an operator releases is old by the age of accepted messages.
    let shown = &platform.cli().json(&["store", "retention", "--force"])[0];
    let rows = platform.cli().json(&["audit", "list", "--event", "clock-confirmed"]);
    let second = |time: &serde_json::Value| time.as_str().unwrap()[..19].to_owned();
    let released = second(&rows[0]["details"]["release-before"]);
    assert!(released < second(&shown["rejected-before"]), "{released}: {shown}");
    assert_eq!(listed(&[]), 2);
}

#[test]
fn an_export_holds_every_message_once_however_many_pages_it_takes() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let ids: BTreeSet<String> = (0..450).map(|n| n.to_string()).collect();
    for id in &ids {
        wire.write(&framed(&message(NAME, id)));
    }
    for _ in &ids {
        assert_eq!(wire.verdict().0, "CA");
    }
    let exported = platform.cli().json(&["message", "export"]);
    let found: BTreeSet<_> =
        exported.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((exported.len(), found), (ids.len(), ids));
    assert!(exported.iter().all(|row| !row["raw"].as_str().unwrap().is_empty()));
    let limited = platform.cli().json(&["message", "export", "--limit", "250"]);
    assert_eq!(limited, exported[..250]);
}
