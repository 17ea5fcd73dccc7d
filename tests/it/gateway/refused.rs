//! What the platform of a gateway has refused, and what waits for it: each number leads to its messages.

use pcd_platform::interface_b::{Alarm, Phase};
use pcd_platform::model::Clock;

use super::scripted::{acknowledgement, scene, wire};
use super::{ONE, OTHER, Scene};
use crate::harness::{Cli, eventually, field, framed, message};
use crate::page_rows::all_numbers;
use crate::pages::open;

/// MSH-10 of the messages that a filter selects.
fn listed(cli: &Cli, filter: &[&str]) -> Vec<String> {
    let rows = cli.json(&[&["message", "list"], filter].concat());
    rows.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_messages_that_the_platform_refused_are_listed_behind_the_finding() {
    let script = |message: &str| {
        let control_id = field(message, "MSH", 10);
        vec![acknowledgement(if control_id.starts_with("NO") { "CE" } else { "CA" }, control_id)]
    };
    let (_platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    let at = Clock::system().now();
    let alarm =
        Alarm { device: ONE, control_id: "NO-ALARM", number: "1", at, phase: Phase::Start, pulse: 165 };
    let others = ["YES-1", "NO-1", "YES-2", "NO-2"].map(|id| message(ONE, id));
    for message in others.iter().chain([&alarm.to_message()]) {
        device.write(&framed(message));
        assert_eq!(device.verdict().0, "CA");
    }
    let refused = "pcd_gateway_forwarded_total{outcome=\"refused\"}";
    eventually("three are refused", || gateway.metric(refused) == 3.0);
    let cli = gateway.cli();
    for state in ["refused", "refused-24h"] {
        assert_eq!(listed(cli, &["--forward", state]), ["NO-ALARM", "NO-2", "NO-1"]);
        assert_eq!(listed(cli, &["--forward", state, "--device", ONE, "--type", "PCD-04"]), ["NO-ALARM"]);
        assert!(listed(cli, &["--forward", state, "--device", OTHER]).is_empty());
        let (_, body) = gateway.get(&format!("/api/messages?forward={state}&limit=2"));
        let ids: Vec<_> = ["NO-ALARM", "NO-2"].into_iter().filter(|id| body.contains(id)).collect();
        assert!(ids.len() == 2 && !body.contains("NO-1") && !body.contains("YES"), "{body}");
    }
    assert!(listed(cli, &["--forward", "waiting"]).is_empty());
    assert!(!cli.try_run(&["message", "list", "--forward", "lost"]).0.success());

    eventually("it is a finding", || {
        cli.try_run(&["--json", "status"]).1.contains("3 of its messages are refused, 1 of them ALARMS")
    });
    let (seen, _) = all_numbers(&gateway);
    for (wanted, rows) in [("forward=refused-24h", 3), ("type=PCD-04&forward=refused-24h", 1)] {
        let is_wanted = |href: &str| href.starts_with("/messages?") && href.ends_with(wanted);
        let found: Vec<_> = seen.iter().filter(|number| is_wanted(&number.href)).collect();
        assert!(found.iter().any(|number| number.rows == rows), "{wanted}: {found:?}");
    }
    let (status, _, page) = open(&gateway, "/messages");
    assert!(status == 200 && page.contains("refused by it"), "a gateway has the filter");
    assert_eq!(open(&gateway, "/messages?forward=lost").0, 400);
}

#[test]
fn the_messages_that_wait_in_an_outage_are_listed_behind_the_finding() {
    let mut scene = Scene::new();
    scene.stop_platform();
    let mut device = scene.device(ONE);
    for id in ["1", "2", "3"] {
        assert_eq!(device.code(message(ONE, id)), "CA");
    }
    eventually("the outage is a finding with its messages", || {
        let status = scene.status();
        status.contains("platform-unreachable") && status.contains("\"waiting\":3")
    });
    assert_eq!(listed(scene.gateway().cli(), &["--forward", "waiting"]), ["3", "2", "1"]);
    let (seen, _) = all_numbers(scene.gateway());
    let waiting =
        |number: &crate::page_rows::Number| number.href == "/messages?forward=waiting" && number.rows == 3;
    assert!(seen.iter().any(waiting), "{seen:?}");
}

// The command reports that nothing is sent.
#[test]
fn what_the_gateway_has_rejected_and_takes_later_is_not_forwarded() {
    let scene = Scene::new();
    let mut device = scene.device(ONE);
    let foreign = "0004A30000000001";
    assert_ne!(device.code(message(foreign, "FOREIGN")), "CA");
    let cli = scene.gateway().cli();
    cli.run(&["device", "change", ONE, "--speaks-for", foreign]);
    let words = ["message", "reconsider", "--device", ONE, "--reason", "identity-mismatch", "--apply"];
    let taken = cli.run(&words);
    assert!(listed(cli, &["--forward", "waiting"]).is_empty(), "{taken}");
    assert!(listed(cli, &[]).len() > 1, "it is accepted: {taken}");
    assert_eq!(device.code(message(ONE, "AFTER")), "CA");
    assert_eq!(scene.all_arrived(1), ["AFTER"]);
}
