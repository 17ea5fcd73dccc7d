//! Orders to devices that are removed, or that disconnect when they get one.

use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;

use super::{NAME, Scene, order, outbox};
use crate::harness::{SOON, Site, Wire, cluster, eventually, field};

// Another pump, and another patient, may be behind a name that is added again.
#[test]
fn the_orders_of_a_removed_device_are_withdrawn_and_never_reach_its_successor() {
    for site in Site::on_each_store() {
        let scene = Scene::new(site);
        let mut wire = scene.connect();
        let in_flight = scene.send(&order("IN-FLIGHT", "AL", ""), &["--within", "1h"]);
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "IN-FLIGHT");
        scene.send(&order("OLD", "AL", ""), &["--within", "1h", "--no-wait"]).end();
        let waiting = scene.send(&order("WAITED-FOR", "AL", ""), &["--within", "1h"]);
        eventually("all wait", || scene.outbox().len() == 3);
        scene.platform.cli().run(&["device", "remove", NAME]);
        for (sending, delivery) in [(in_flight, "sent"), (waiting, "not-sent")] {
            let (exit, printed, stderr) = sending.end();
            assert_eq!((exit, &printed["outcome"]), (69, &"withdrawn".into()), "{stderr}");
            assert_eq!(printed["delivery"], delivery);
            assert!(stderr.contains("was removed from the directory"), "{stderr}");
        }
        let known = scene.outbox();
        assert!(
            known.iter().all(|order| order["outcome"] == "withdrawn" && order["reason"] == "device-removed")
        );
        let shown = scene.platform.cli().run(&["order", "show", known[0]["id"].as_str().unwrap()]);
        assert!(shown.contains("withdrawn: its device was removed from the directory"), "{shown}");
        let rows = scene.platform.cli().json(&["audit", "list", "--event", "southbound-settled"]);
        assert_eq!(rows.len(), 3, "audited: {rows:?}");
        assert!(rows.iter().all(|row| row["details"]["reason"] == "device-removed"), "{rows:?}");
        assert!(wire.answer().is_none(), "its session ends");

        scene.platform.admit(NAME, &[]);
        let mut wire = scene.connect();
        assert!(wire.is_quiet(Duration::from_secs(1)));
        scene.send(&order("NEW", "AL", ""), &["--within", "1h", "--no-wait"]).end();
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "NEW");
    }
}

#[test]
fn a_removal_on_one_node_withdraws_what_another_node_is_about_to_send() {
    let database = cluster::shared().database();
    let node = |name: &str| Site::of_database(&database).with("store", &format!("node = \"{name}\""));
    let (here, there) = (node("here"), node("there"));
    let (scene, other) = (Scene::new(here), there.start());
    scene.send(&order("OLD", "AL", ""), &["--within", "1h", "--no-wait"]).end();
    let waiting = scene.send(&order("WAITED-FOR", "AL", ""), &["--within", "1h"]);
    eventually("both wait", || scene.outbox().len() == 2);
    other.cli().run(&["device", "remove", NAME]);
    eventually("the platform knows", || other.metric("pcd_directory_devices") == 0.0);
    other.admit(NAME, &[]);
    let credential = there.certificate(NAME, KeyType::Ecc);
    let mut elsewhere = Wire::connect(&there, other.address, &credential);
    assert_eq!(waiting.end().0, 69);
    assert!(elsewhere.is_quiet(Duration::from_secs(1)));
    assert!(outbox(other.cli()).iter().all(|order| order["outcome"] == "withdrawn"));
}

// Each attempt is a row of the audit trail.
#[test]
fn a_device_that_disconnects_at_each_order_gets_it_ever_more_rarely() {
    let mut scene = Scene::new(Site::new());
    scene.send(&order("AGAIN", "AL", ""), &["--within", "1h", "--no-wait"]).end();
    // An attempt begins between a connection and the order's arrival: when exactly, the device cannot say.
    let (mut connected, mut attempts) = (Vec::new(), Vec::new());
    while attempts.len() < 5 {
        connected.push(Instant::now());
        let mut wire = scene.connect();
        assert!(!wire.is_quiet(SOON));
        attempts.push(Instant::now());
        drop(wire);
        eventually("its session is over", || scene.platform.metric("pcd_connections_active") == 0.0);
    }
    // 250 ms, 500 ms, 1 s and 2 s after the beginning of the attempt before.
    let took = attempts[4] - connected[0];
    assert!(took >= Duration::from_millis(3700), "{took:?}");
    // The pause is that of the order: another process of the node goes on with it.
    scene.kill_and_start();
    let mut wire = scene.connect();
    assert!(!wire.is_quiet(SOON));
    let took = connected[4].elapsed();
    assert!(took >= Duration::from_millis(3900), "{took:?}");
    assert_eq!(scene.audited("southbound-sent"), 6);
}
