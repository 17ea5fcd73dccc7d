//! A gateway under the load of `simulate`, which is killed and cut off again and again.
//!
//! `PCD_GATEWAY_KILLS=10 PCD_GATEWAY_OUTAGE_SECONDS=60 PCD_GATEWAY_DEVICES=20` makes it long: ten kills,
//! three outages of a minute.

use std::collections::BTreeSet;
use std::time::Duration;

use pcd_platform::pki::KeyType;

use super::outages::number;
use super::{GATEWAY, Scene};
use crate::harness::{Platform, eventually, fixed_address};
use crate::simulate::{Running, acknowledged, shared_pki, stored};

/// How many distinct MSH-10 the accepted messages have, and how many messages there are.
fn control_ids(platform: &Platform) -> (usize, usize) {
    let rows = platform.cli().json(&["message", "list", "--limit", "100000"]);
    let accepted = rows.iter().filter(|row| row["rejection"].is_null());
    let ids: Vec<_> = accepted.map(|row| row["control-id"].as_str().unwrap().to_owned()).collect();
    (ids.iter().collect::<BTreeSet<_>>().len(), ids.len())
}

#[test]
fn after_kills_and_outages_the_stores_hold_exactly_what_was_acknowledged_once() {
    let (kills, devices) = (number("PCD_GATEWAY_KILLS", 2), number("PCD_GATEWAY_DEVICES", 5));
    let outage = Duration::from_secs(number("PCD_GATEWAY_OUTAGE_SECONDS", 0));
    let listen = format!("listen = [\"{}\"]", fixed_address());
    let mut scene = Scene::with(KeyType::Ecc, |site| site.with("interface-a", &listen));
    scene.platform().cli().run(&["device", "change", GATEWAY, "--also-speaks-for", "0253494D*"]);
    let count = devices.to_string();
    let more = ["--enrol", "--devices", &count, "--behind", "2", "--backoff-cap", "2s"];
    let running = Running::start(&scene.lower, scene.gateway(), &shared_pki(), &more);
    let forwarded = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    for round in 0..kills {
        eventually("the gateway forwards", || scene.gateway().metric(forwarded) >= 2.0 * devices as f64);
        if round % 3 == 1 {
            scene.stop_platform();
            std::thread::sleep(outage);
            eventually("messages wait", || scene.gateway().metric("pcd_gateway_waiting_messages") > 0.0);
        }
        scene.kill_gateway();
        scene.start_gateway();
        if scene.platform.is_none() {
            scene.start_platform();
        }
    }
    eventually("every device is back", || scene.gateway().metric("pcd_connections_active") == devices as f64);
    let summary = running.stop();
    eventually("nothing waits", || scene.gateway().metric("pcd_gateway_waiting_messages") == 0.0);
    let expected = acknowledged(&summary);
    assert_eq!(stored(scene.gateway()), expected, "{summary}");
    assert_eq!(stored(scene.platform()), expected, "{summary}");
    let (distinct, all) = control_ids(scene.platform());
    assert_eq!(distinct, all, "each once");
    eprintln!(
        "{all} messages, {} sent again, {} sessions lost, {kills} kills",
        summary["repeated"], summary["lost-sessions"]
    );
}
