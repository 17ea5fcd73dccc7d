//! Orders of the platform, through the gateway to the device that they name.

use super::{GATEWAY, ONE, OTHER, Scene};
use crate::harness::{Platform, Wire, eventually, field, framed};

/// A PCD-03 for one device (IHE PCD TF vol. 2, 3.3).
pub(super) fn order(control_id: &str, device: &str) -> String {
    format!(
        "MSH|^~\\&|PLATFORM|WARD|PUMP^{device}^EUI-64||20260101120000+0000||RGV^O15^RGV_O15|{control_id}|P|2.6|||AL|AL\r\
         PID|1||X\r"
    )
}

pub(super) fn answer(device: &str, kind: &str, control_id: &str, code: &str, own_id: &str) -> Vec<u8> {
    let text = format!(
        "MSH|^~\\&|PUMP^{device}^EUI-64||PLATFORM||20260101120000+0000||{kind}|{own_id}|P|2.6\rMSA|{code}|{control_id}\r"
    );
    framed(text.as_bytes())
}

/// A device that has accepted an order of the platform, and has not reported its result.
fn accepting(scene: &Scene) -> Wire {
    eventually("the gateway is connected", || scene.gateway().metric("pcd_gateway_connections") == 4.0);
    let (mut device, sent) = (scene.wire(ONE), order("ORDER-1", ONE));
    let file = scene.upper.path().join("order.hl7");
    std::fs::write(&file, &sent).unwrap();
    let words = ["order", "send", "--no-wait", "--within", "2m", GATEWAY, file.to_str().unwrap()];
    scene.platform().cli().run(&words);
    assert_eq!(device.answer().unwrap(), sent);
    device.write(&answer(ONE, "ACK^O15^ACK", "ORDER-1", "CA", "A-1"));
    eventually("the platform knows that it was accepted", || {
        scene.platform().cli().json(&["order", "list"])[0]["acknowledgement"] == "CA"
    });
    device
}

fn is_acknowledged(platform: &Platform) -> bool {
    platform.cli().json(&["order", "list"])[0]["outcome"] == "acknowledged"
}

#[test]
fn the_result_of_an_order_reaches_the_platform_after_the_gateway_was_killed() {
    let mut scene = Scene::new();
    drop(accepting(&scene));
    scene.kill_gateway();
    scene.start_gateway();
    let mut device = scene.wire(ONE);
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-2"));
    eventually("the platform has the result", || is_acknowledged(scene.platform()));
    let kept = scene.gateway().cli().json(&["message", "list"]);
    let result = kept.iter().find(|message| message["control-id"] == "A-2").unwrap();
    assert!(result["rejection"].is_null(), "it was expected: {result}");
    assert!(device.is_quiet(std::time::Duration::from_millis(300)), "an accepted order is not sent again");
}

#[test]
fn what_a_device_answers_during_an_outage_is_passed_on_by_the_next_process() {
    let mut scene = Scene::new();
    let mut device = accepting(&scene);
    scene.stop_platform();
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-2"));
    eventually("the gateway has the result", || is_acknowledged(scene.gateway()));
    scene.kill_gateway();
    scene.start_gateway();
    scene.start_platform();
    eventually("the platform has the result", || is_acknowledged(scene.platform()));
}

#[test]
fn an_order_reaches_the_device_that_it_names_and_its_answers_travel_back() {
    let scene = Scene::new();
    eventually("the gateway is connected", || scene.gateway().metric("pcd_gateway_connections") == 4.0);
    let (mut meant, mut other) = (scene.wire(ONE), scene.wire(OTHER));
    let sent = order("ORDER-1", ONE);
    let file = scene.upper.path().join("order.hl7");
    std::fs::write(&file, &sent).unwrap();
    let cli = scene.platform().cli().clone();
    let sending = std::thread::spawn(move || {
        cli.try_run(&["--json", "order", "send", GATEWAY, file.to_str().unwrap()])
    });
    assert_eq!(meant.answer().unwrap(), sent, "byte for byte");
    meant.write(&answer(ONE, "ACK^O15^ACK", "ORDER-1", "CA", "A-1"));
    meant.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-2"));
    let (status, printed, stderr) = sending.join().unwrap();
    assert!(status.success() && printed.contains("\"acknowledged\""), "{printed} {stderr}");
    assert!(other.is_quiet(std::time::Duration::from_millis(300)));

    let file = scene.upper.path().join("unknown.hl7");
    std::fs::write(&file, order("ORDER-2", "00A037FFFE0000FF")).unwrap();
    let words = ["--json", "order", "send", GATEWAY, file.to_str().unwrap()];
    let (status, printed, stderr) = scene.platform().cli().try_run(&words);
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(stderr.contains("00A037FFFE0000FF") && stderr.contains("order-device-unknown"), "{stderr}");
    let refused = find(scene.platform(), "ORDER-2");
    assert_eq!(refused["refusal"], "order-device-unknown", "{refused}");
    assert_eq!(refused["addressee"], "00A037FFFE0000FF", "{refused}");
    let id = refused["id"].as_str().unwrap();
    let shown = scene.platform().cli().run(&["order", "show", id]);
    assert!(shown.contains("order-device-unknown") && shown.contains("00A037FFFE0000FF"), "{shown}");
    eventually("the finding says so", || {
        let found = scene.platform().cli().try_run(&["--json", "status"]).1;
        found.contains("order-device-unknown") && found.contains("00A037FFFE0000FF")
    });
    let answered = scene.platform().cli().json(&["message", "list", "--limit", "1"]);
    let id = answered[0]["id"].as_str().unwrap();
    let raw = String::from_utf8(scene.platform().cli().run_raw(&["message", "show", id, "--raw"])).unwrap();
    assert!(field(&raw, "ERR", 5).starts_with("order-device-unknown"), "{raw}");
}

/// No message takes an order back. So the gateway sends one only for a short time after it came.
#[test]
fn an_order_that_the_platform_has_given_up_does_not_reach_a_device_that_comes_back() {
    let scene = Scene::new();
    eventually("the gateway is connected", || scene.gateway().metric("pcd_gateway_connections") == 4.0);
    let (mut device, sent) = (scene.wire(ONE), order("ORDER-1", ONE));
    let file = scene.upper.path().join("order.hl7");
    std::fs::write(&file, &sent).unwrap();
    let words = ["order", "send", "--no-wait", "--within", "8s", GATEWAY, file.to_str().unwrap()];
    scene.platform().cli().run(&words);
    assert_eq!(device.answer().unwrap(), sent);
    eventually("the platform gives it up", || {
        scene.platform().cli().json(&["order", "list"])[0]["outcome"] == "expired"
    });
    drop(device);
    let mut again = scene.wire(ONE);
    eventually("it is connected", || scene.gateway().metric("pcd_connections_active") == 1.0);
    assert!(again.is_quiet(std::time::Duration::from_secs(2)));
}

pub(super) fn send(scene: &Scene, control_id: &str, device: &str, within: &str) -> String {
    let (file, sent) = (scene.upper.path().join(format!("{control_id}.hl7")), order(control_id, device));
    std::fs::write(&file, &sent).unwrap();
    let words = ["order", "send", "--no-wait", "--within", within, GATEWAY, file.to_str().unwrap()];
    scene.platform().cli().run(&words);
    sent
}

pub(super) fn find(platform: &Platform, control_id: &str) -> serde_json::Value {
    let orders = platform.cli().json(&["order", "list"]);
    orders.into_iter().find(|order| order["control-id"] == control_id).unwrap()
}

/// A gateway that was killed knows from its store that the device may have the order.
#[test]
fn an_order_that_was_open_at_its_device_when_the_gateway_was_killed_is_not_refused_and_is_sent_again() {
    let mut scene = Scene::new();
    eventually("the gateway is connected", || scene.gateway().metric("pcd_gateway_connections") == 4.0);
    let mut device = scene.wire(ONE);
    let first = send(&scene, "ORDER-1", ONE, "3m");
    assert_eq!(device.answer().unwrap(), first);
    scene.kill_gateway();
    scene.start_gateway();
    eventually("the platform sends it again", || find(scene.platform(), "ORDER-1")["attempts"] == 2);
    let taken =
        |outcome: &str| scene.gateway().metric(&format!("pcd_gateway_orders_total{{outcome=\"{outcome}\"}}"));
    eventually("the gateway has it", || taken("pending") + taken("sent") > 0.0);
    assert_eq!(taken("device-away"), 0.0);
    let mut device = scene.wire(ONE);
    assert_eq!(device.answer().unwrap(), first, "the device recognises it by its MSH-10");
    assert_eq!(find(scene.platform(), "ORDER-1")["outcome"], "waiting");
    device.write(&answer(ONE, "ACK^O15^ACK", "ORDER-1", "CA", "A-1"));
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-2"));
    eventually("the platform has the result", || {
        find(scene.platform(), "ORDER-1")["outcome"] == "acknowledged"
    });
}

#[test]
fn an_order_that_the_platform_has_given_up_holds_up_no_later_one_for_its_device() {
    let mut scene = Scene::new();
    eventually("the gateway is connected", || scene.gateway().metric("pcd_gateway_connections") == 4.0);
    let mut device = scene.wire(ONE);
    let first = send(&scene, "ORDER-1", ONE, "8s");
    assert_eq!(device.answer().unwrap(), first);
    scene.kill_gateway();
    scene.start_gateway();
    // It is connected again, gets the order perhaps a second time, and answers neither.
    let mut device = scene.wire(ONE);
    eventually("the platform gives it up", || find(scene.platform(), "ORDER-1")["outcome"] == "expired");
    // Shorter than the gateway would wait for the device's answer to the first one.
    let second = send(&scene, "ORDER-2", ONE, "15s");
    let mut received = device.answer().unwrap();
    if received == first {
        received = device.answer().unwrap();
    }
    assert_eq!(received, second);
    device.write(&answer(ONE, "ACK^O15^ACK", "ORDER-2", "CA", "A-1"));
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-2", "AA", "A-2"));
    eventually("the platform has the result", || {
        find(scene.platform(), "ORDER-2")["outcome"] == "acknowledged"
    });
    // What the device says of the first one after all counts.
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-3"));
    eventually("its late answer arrives", || find(scene.platform(), "ORDER-1")["outcome"] == "acknowledged");
}

/// Orders follow one another for each device, not for each connection.
#[test]
fn a_device_that_reports_no_result_holds_up_no_order_for_another_one_behind_its_gateway() {
    let scene = Scene::new();
    let mut other = scene.wire(OTHER);
    let mut silent = accepting(&scene);
    let send = |control_id: &str, device: &str| {
        let file = scene.upper.path().join(format!("{control_id}.hl7"));
        std::fs::write(&file, order(control_id, device)).unwrap();
        let words = ["order", "send", "--no-wait", "--within", "2m", GATEWAY, file.to_str().unwrap()];
        scene.platform().cli().run(&words);
    };
    let find = |control_id: &str| {
        let orders = scene.platform().cli().json(&["order", "list"]);
        orders.into_iter().find(|order| order["control-id"] == control_id).unwrap()
    };
    send("ORDER-2", ONE);
    send("ORDER-3", OTHER);
    assert_eq!(other.answer().unwrap(), order("ORDER-3", OTHER));
    other.write(&answer(OTHER, "ACK^O15^ACK", "ORDER-3", "CA", "A-3"));
    other.write(&answer(OTHER, "RRG^O16^RRG_O16", "ORDER-3", "AA", "A-4"));
    eventually("its result arrives", || find("ORDER-3")["outcome"] == "acknowledged");
    assert_eq!(
        (&find("ORDER-1")["delivery"], &find("ORDER-2")["delivery"]),
        (&"accepted".into(), &"not-sent".into())
    );
    silent.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-2"));
    assert_eq!(silent.answer().unwrap(), order("ORDER-2", ONE), "its own next order");
}
