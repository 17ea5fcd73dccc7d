//! Which device, and which of its sessions, gets an order.

use std::time::Duration;

use super::{NAME, Scene, answer, order};
use crate::harness::{Site, eventually, field};

const PUMP: &str = "OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X|||||||A1^^00A037FFFE000002^EUI-64\r";

// IHE PCD TF vol. 2, 3.3.4.4
#[test]
fn an_order_that_names_another_pump_is_not_queued() {
    let other = order("OTHER", "AL", "NE") + PUMP;
    let scene = Scene::new(Site::new());
    let (exit, _, why) = scene.send(&other, &["--no-wait"]).end();
    assert_eq!((exit, scene.outbox().len()), (1, 0), "{why}");
    assert!(why.contains("OBX[1]-18") && why.contains("--also-speaks-for"), "{why}");
    assert!(!why.contains("00A037FFFE000002"), "no content: {why}");
    scene.platform.cli().run(&["device", "change", NAME, "--also-speaks-for", "00A037FFFE000002"]);
    let (exit, _, why) = scene.send(&other, &["--no-wait"]).end();
    assert_eq!((exit, scene.outbox().len()), (0, 1), "{why}");

    let scene = Scene::new(Site::new().with("devices", "identity = \"record\""));
    let (exit, _, warnings) = scene.send(&other, &["--no-wait"]).end();
    assert_eq!((exit, scene.outbox().len()), (0, 1), "{warnings}");
    assert!(warnings.contains("names another device"), "{warnings}");
}

#[test]
fn an_order_for_a_client_that_only_sends_is_refused_at_once() {
    let scene = Scene::new(Site::new());
    let cli = scene.platform.cli();
    let changed = cli.run(&["device", "change", NAME, "--receives-orders", "no"]);
    assert!(changed.contains("receives-orders: yes -> no"), "{changed}");
    let (exit, _, why) = scene.send(&order("NEVER", "AL", ""), &["--within", "1h"]).end();
    assert_eq!((exit, scene.outbox().len()), (1, 0), "{why}");
    assert!(why.contains("receives no orders") && why.contains("--receives-orders yes"), "{why}");
    assert_eq!(cli.json(&["device", "show", NAME])[0]["receives-orders"], false);
    let rows = cli.json(&["audit", "list", "--event", "device-changed"]);
    assert_eq!(rows[0]["details"]["receives-orders"], false);
    let file = scene.site.path().join("devices.csv");
    std::fs::write(&file, format!("cn,receives-orders\n{NAME},yes\n")).unwrap();
    cli.run(&["device", "import", "--update", file.to_str().unwrap()]);
    let (exit, _, why) = scene.send(&order("LATER", "AL", ""), &["--no-wait"]).end();
    assert_eq!((exit, scene.outbox().len()), (0, 1), "{why}");
}

// B.1: a gateway may keep several connections, and read orders on one of them.
#[test]
fn an_order_reaches_the_session_that_reads_orders() {
    let scene = Scene::new(Site::new());
    let mut reads = scene.connect();
    eventually("it is connected", || scene.platform.metric("pcd_connections_active") == 1.0);
    let mut only_sends = scene.connect();
    eventually("both are connected", || scene.platform.metric("pcd_connections_active") == 2.0);
    let first = scene.send(&order("FIRST", "AL", ""), &["--within", "2s"]);
    assert_eq!(field(&only_sends.answer().unwrap(), "MSH", 10), "FIRST", "the newest session");
    let (exit, printed, why) = first.end();
    assert_eq!(
        (exit, &printed["outcome"], &printed["attempts"]),
        (69, &"expired".into(), &1.into()),
        "{why}"
    );

    let second = scene.send(&order("SECOND", "AL", ""), &["--within", "1h"]);
    assert_eq!(
        field(&reads.answer().unwrap(), "MSH", 10),
        "SECOND",
        "the other one left its order unanswered"
    );
    reads.write(&answer("ACK^O15^ACK", "SECOND", "CA", "A-1"));
    assert_eq!(second.end().0, 0);
    assert!(only_sends.is_quiet(Duration::ZERO));
}
