//! Which device, and which of its sessions, gets an order.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pcd_platform::interface_b::{Alarm, Phase};

use super::{NAME, Scene, answer, order};
use crate::harness::{Site, eventually, field, framed};
use crate::remote_commands::post;

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

// A gateway whose pattern has the pump would pass the order on, and the pump's answers would be rejected.
#[test]
fn an_order_for_a_device_with_an_entry_of_its_own_is_not_queued_for_a_pattern() {
    let scene = Scene::new(Site::new());
    let other = order("OTHER", "AL", "NE") + PUMP;
    let cli = scene.platform.cli();
    cli.run(&["device", "change", NAME, "--kind", "gateway", "--also-speaks-for", "00A037*"]);
    assert_eq!(scene.send(&other, &["--no-wait"]).end().0, 0);
    cli.run(&["device", "add", "00A037FFFE000002"]);
    let (exit, _, why) = scene.send(&other.replace("OTHER", "LATER"), &["--no-wait"]).end();
    assert!(exit == 1 && why.contains("names another device") && scene.outbox().len() == 1, "{exit} {why}");
}

// IHE PCD TF vol. 2, 3.5.4.1.4: MSA-2 of PCD-05 is the MSH-10 of the first message of the alert.
#[test]
fn pcd_05_about_an_alert_names_the_message_that_reported_it_first() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    for (control_id, phase) in [("ONSET", Phase::Start), ("LATER", Phase::Continue)] {
        let at = "2026-01-01T12:00:00Z".parse().unwrap();
        let alarm = Alarm { device: NAME, control_id, number: "A1", at, phase, pulse: 165 };
        wire.write(&framed(&alarm.to_message()));
        assert_eq!(wire.verdict().0, "CA");
    }
    let listed = scene.platform.cli().json(&["message", "list"]);
    let later = listed.iter().find(|message| message["control-id"] == "LATER").unwrap();
    let later = later["id"].as_str().unwrap();
    let status = |msa: &str, receiver: &str| {
        format!(
            "MSH|^~\\&|PLATFORM||{receiver}||20260101120000+0000||ORU^R41^ORU_R41|STATUS-1|P|2.6|||AL|NE\r\
             {msa}OBR|1|A1|A1|196616^MDC_EVT_ALARM^MDC\r"
        )
    };
    let own = format!("MON^{NAME}^EUI-64");
    let (exit, _, why) = scene.send(&status("MSA|AA|\r", &own), &["--no-wait"]).end();
    assert!(exit == 1 && why.contains("--alert"), "{exit} {why}");
    let (exit, _, why) = scene.send(&status("MSA|AA|OTHER\r", &own), &["--no-wait", "--alert", later]).end();
    assert!(exit == 1 && why.contains("another alert"), "{exit} {why}");

    let post = |message: &str| {
        let message = STANDARD.encode(message);
        let body = serde_json::json!({"message": message, "alert": later}).to_string();
        post(&scene.platform, &format!("/api/devices/{NAME}/messages"), &body)
    };
    let (code, problem) = post(&status("MSA|AA|\r", "MON"));
    assert!(code == 409 && problem["detail"].as_str().unwrap().contains("does not name"), "{problem}");
    assert_eq!(scene.outbox().len(), 0);
    let (code, act) = post(&status("MSA|AA|\r", &own));
    assert_eq!(code, 200, "{act}");
    let received = wire.answer().unwrap();
    assert_eq!(received, status("MSA|AA|ONSET\r", &own), "only MSA-2 was filled");
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
    // Who reads that it was never sent orders again, and the device does it twice.
    eventually("the finding says that the device may have it", || {
        let (_, status, _) = scene.platform.cli().try_run(&["status"]);
        status.contains("the device may have it; look at the device before you order again")
    });

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
