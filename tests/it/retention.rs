//! What is too old goes by itself, and the account of it stays provable.

use std::collections::BTreeSet;

use pcd_platform::pki::KeyType;

use crate::harness::{Cli, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

#[test]
fn messages_and_audit_rows_go_when_they_are_too_old_and_the_chain_stays_whole() {
    let site = Site::new().with("store", "retain-messages = \"2s\"").with("store", "retain-audit = \"4s\"");
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
    assert_eq!(platform.metric(series), 4.0);
    let rows = platform.cli().json(&["audit", "list", "--event", "messages-pruned"]);
    let pruned: u64 = rows.iter().map(|row| row["details"]["messages"].as_u64().unwrap()).sum();
    assert_eq!(pruned, 4);
    let first = || platform.cli().run(&["audit", "export"]).lines().next().unwrap().to_owned();
    eventually("the first rows of the trail are gone", || !first().contains("\"number\":1,"));
    assert!(!platform.cli().json(&["audit", "list", "--event", "audit-pruned"]).is_empty());
    assert!(platform.metric("pcd_retention_pruned_total{what=\"audit\"}") > 0.0);
    let verify = |cli: &Cli| cli.json(&["audit", "verify"]).remove(0);
    assert_eq!(verify(platform.cli())["intact"], true);
    // A head that was noted before is not missing; an unsigned one is not there.
    let reported =
        platform.cli().json(&["audit", "list", "--event", "audit-pruned"]).remove(0)["details"].clone();
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
