//! The index from which messages are read as FHIR, over the ends of its process.

use std::collections::BTreeSet;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Cli, Device, Platform, Site, cluster, eventually, message};

const NAME: &str = "00A037FFFE000001";
/// More than the rows of one batch of the projector.
const MESSAGES: usize = 520;

/// What `fhir status` says of the index, and of its nodes.
fn status(cli: &Cli) -> (Value, Vec<Value>) {
    let mut lines = cli.json(&["fhir", "status"]);
    let index = lines.remove(0);
    (index, lines)
}

fn indexed(cli: &Cli) -> u64 {
    status(cli).1.iter().map(|node| node["indexed"].as_u64().unwrap()).sum()
}

fn is_complete(cli: &Cli) -> bool {
    status(cli).1.iter().all(|node| node["indexed"] == node["rows"] && node["left-again"] == 0)
}

fn send(site: &Site, platform: &Platform, numbers: std::ops::Range<usize>) {
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(site, platform.address, &own).unwrap();
    for number in numbers {
        assert_eq!(device.code(message(NAME, &number.to_string())), "CA");
    }
}

/// The references of the newest observations of the monitor.
fn observations(cli: &Cli) -> Vec<String> {
    let id = cli.json(&["message", "list", "--limit", "1"])[0]["id"].as_str().unwrap().to_owned();
    let shown = cli.json(&["fhir", "show", &id]);
    let device = shown.iter().find(|line| line["code"] == "69965").unwrap();
    let device = device["resource"].as_str().unwrap();
    let found = cli.json(&["fhir", "read", device, "--newest", "1000"]);
    found.iter().map(|line| line["resource"].as_str().unwrap().to_owned()).collect()
}

// N001-9
#[test]
fn an_index_whose_process_is_killed_has_each_message_once() {
    for site in Site::on_each_store() {
        let platform = site.start();
        platform.admit(NAME, &[]);
        send(&site, &platform, 0..MESSAGES);
        assert_eq!(indexed(platform.cli()), 0, "it is off unless it is switched on");
        assert!(platform.stop().status.success());
        let site = site.with("fhir", "enabled = true");
        // Whatever a batch has written by then, it has all of it or nothing.
        for _ in 0..3 {
            let platform = site.start();
            let begun = indexed(platform.cli());
            eventually("the index grows", || {
                let cli = platform.cli();
                indexed(cli) > begun || is_complete(cli)
            });
            platform.signal(Signal::KILL);
            platform.wait();
        }
        let platform = site.start();
        let cli = platform.cli();
        eventually("everything is indexed", || is_complete(cli));
        let found = observations(cli);
        let per_message = found.len() / MESSAGES;
        assert!(per_message > 0, "{}", found.len());
        // `--newest` gives at most a thousand.
        let expected = (MESSAGES * 2).min(1000);
        assert_eq!(found.len(), expected);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), expected, "none twice");
        // A rebuild gives the same bytes.
        let read = || cli.run(&["fhir", "read", &found[0], "--phi"]);
        let before = read();
        cli.run(&["fhir", "rebuild"]);
        assert!(indexed(cli) > 0, "what is indexed stays so meanwhile");
        eventually("it is written again", || is_complete(cli));
        assert_eq!(read(), before);
        assert_eq!(status(cli).0["leader"].as_str(), status(cli).1[0]["node"].as_str());
    }
}

// N001-9
#[test]
fn a_leader_that_was_paused_writes_nothing_after_another_took_over() {
    let database = cluster::shared().database();
    let node = |name: &str| {
        let site = Site::of_database(&database).with("store", &format!("node = \"{name}\""));
        site.with("fhir", "enabled = true")
    };
    let (here, there) = (node("here"), node("there"));
    let paused = here.start();
    paused.admit(NAME, &[]);
    send(&here, &paused, 0..20);
    eventually("the first node indexes", || is_complete(paused.cli()));
    let (before, _) = status(paused.cli());
    assert_eq!(before["leader"], "here");
    let other = there.start();
    eventually("the other node knows the device", || other.metric("pcd_directory_devices") == 1.0);
    // It stops in the middle of what it does.
    send(&here, &paused, 20..60);
    paused.signal(Signal::STOP);
    send(&there, &other, 60..80);
    let cli = other.cli();
    eventually("the other node takes over", || status(cli).0["leader"] == "there" && is_complete(cli));
    let (taken, nodes) = status(cli);
    assert!(taken["fence"].as_u64() > before["fence"].as_u64());
    paused.signal(Signal::CONT);
    eventually("the first node follows", || paused.metric("pcd_fhir_leads") == 0.0);
    send(&here, &paused, 80..100);
    eventually("all of it is indexed", || is_complete(cli));
    let (end, _) = status(cli);
    assert_eq!((&end["leader"], &end["fence"]), (&taken["leader"], &taken["fence"]), "{nodes:?}");
    let found = observations(cli);
    assert_eq!(found.len(), 200);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 200, "none twice");
}
