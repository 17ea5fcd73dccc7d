//! Several messages with one MSH-10 under way at once.

use std::time::Duration;

use pcd_platform::interface_b::{Alarm, Phase};
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;

use super::scripted::{acknowledgement, scene, scene_of, wire};
use super::{GATEWAY, ONE, OTHER, Scene, asking};
use crate::harness::{Platform, Wire, eventually, field, framed};

/// What the scripted platform refuses.
const REFUSED: &str = "NTE|1||refused\r";
const TAKEN: &str = "NTE|1||taken\r";
const SAME: &str = "SAME";

/// Answers as MSH-15 and MSH-16 ask, by what the message says.
fn by_content(message: &str) -> Vec<String> {
    let modes = [15, 16].map(|number| field(message, "MSH", number));
    let verdict = if message.contains("refused") { "AE" } else { "AA" };
    let result = acknowledgement(verdict, field(message, "MSH", 10));
    match modes {
        ["AL", "AL"] => vec![acknowledgement("CA", field(message, "MSH", 10)), result],
        ["AL", _] => vec![acknowledgement("CA", field(message, "MSH", 10))],
        _ => vec![result],
    }
}

fn saying(device: &str, modes: (&str, &str), text: &str) -> Vec<u8> {
    let message = String::from_utf8(asking(device, SAME, modes.0, modes.1).to_vec()).unwrap();
    (message + text).into_bytes()
}

fn alarm(modes: (&str, &str), text: &str) -> Vec<u8> {
    let at = Clock::system().now();
    let alarm = Alarm { device: ONE, control_id: SAME, number: "1", at, phase: Phase::Start, pulse: 165 };
    let message = String::from_utf8(alarm.to_message().to_vec()).unwrap();
    (message.replacen("|AL|NE|", &format!("|{}|{}|", modes.0, modes.1), 1) + text).into_bytes()
}

/// The codes of the next acknowledgements, each of which names the same message.
fn codes(device: &mut Wire, count: usize) -> Vec<String> {
    let code = |(code, control_id): (String, String)| {
        assert_eq!(control_id, SAME);
        code
    };
    (0..count).map(|_| code(device.verdict())).collect()
}

/// Which of the messages that are on the gateway the platform refused.
fn is_refused(gateway: &Platform) -> Vec<(String, bool)> {
    let listed = gateway.cli().json(&["message", "list"]);
    let fate = |message: &serde_json::Value| {
        let id = message["id"].as_str().unwrap();
        let raw = gateway.cli().run_raw(&["message", "show", id, "--raw"]);
        let shown = gateway.cli().json(&["message", "show", id]).remove(0);
        let text = String::from_utf8_lossy(&raw).contains("refused");
        (if text { "refused" } else { "taken" }.to_owned(), shown["forward"]["state"] == "refused")
    };
    let mut fates: Vec<_> = listed.iter().map(fate).collect();
    fates.sort();
    fates
}

// MSH-10 alone says to which message an acknowledgement belongs.
#[test]
fn two_messages_of_one_device_with_one_msh_10_get_their_own_answers_each() {
    for modes in [("", ""), ("AL", "AL"), ("NE", "AL")] {
        for order in [[REFUSED, TAKEN], [TAKEN, REFUSED]] {
            let (platform, gateway, site) = scene(by_content);
            let mut device = wire(&site, &gateway);
            let both = order.map(|text| framed(&saying(ONE, modes, text))).concat();
            device.write(&both);
            let expected = order.map(|text| if text == REFUSED { "AE" } else { "AA" });
            let has_accept = modes.0 == "AL";
            let mut found = codes(&mut device, if has_accept { 4 } else { 2 });
            found.retain(|code| code != "CA");
            assert_eq!(found, expected, "{modes:?} {order:?}");
            assert!(device.is_quiet(Duration::from_millis(300)), "{modes:?}: no further answer");
            assert_eq!(platform.messages(), [SAME, SAME], "each was sent once");
            let fates = [("refused".to_owned(), true), ("taken".to_owned(), false)];
            eventually("each is settled by its own answer", || is_refused(&gateway) == fates);
            assert_eq!(gateway.metric("pcd_gateway_unexpected_acknowledgements_total"), 0.0);
        }
    }
}

// An alarm overtakes the data of its device, so both may be under way at once.
#[test]
fn an_alarm_and_data_of_one_device_with_one_msh_10_get_their_own_answers() {
    let (platform, gateway, site) = scene(by_content);
    let mut device = wire(&site, &gateway);
    let data = framed(&saying(ONE, ("", ""), REFUSED));
    device.write(&[data, framed(&alarm(("", ""), TAKEN))].concat());
    let found = codes(&mut device, 2);
    assert_eq!(found, ["AE", "AA"], "in the order of the messages");
    assert_eq!(platform.messages(), [SAME, SAME]);
    let fates = [("refused".to_owned(), true), ("taken".to_owned(), false)];
    eventually("each is settled by its own answer", || is_refused(&gateway) == fates);
}

#[test]
fn two_devices_with_one_msh_10_get_their_own_answers_also_where_one_is_refused() {
    for modes in [("", ""), ("AL", "AL")] {
        let (platform, gateway, site) = scene(by_content);
        gateway.admit(OTHER, &[]);
        let mut one = wire(&site, &gateway);
        let mut other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
        one.write(&framed(&saying(ONE, modes, REFUSED)));
        other.write(&framed(&saying(OTHER, modes, TAKEN)));
        let count = if modes.0 == "AL" { 2 } else { 1 };
        assert_eq!(codes(&mut one, count).pop().unwrap(), "AE", "{modes:?}");
        assert_eq!(codes(&mut other, count).pop().unwrap(), "AA", "{modes:?}");
        assert_eq!(platform.messages(), [SAME, SAME]);
    }
}

// Another connection has nothing under way.
#[test]
fn an_alarm_does_not_wait_for_a_message_of_another_device_with_its_msh_10() {
    let script = |message: &str| if message.contains("mute") { Vec::new() } else { by_content(message) };
    let (platform, gateway, site) = scene_of(script, Duration::ZERO, "50s", 2);
    gateway.admit(OTHER, &[]);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    other.write(&framed(&saying(OTHER, ("AL", "NE"), "NTE|1||mute\r")));
    assert_eq!(codes(&mut other, 1), ["CA"]);
    eventually("it is under way", || platform.messages().len() == 1);
    let mut device = wire(&site, &gateway);
    for round in 2..=9 {
        let began = std::time::Instant::now();
        device.write(&framed(&alarm(("AL", "NE"), &format!("NTE|1||{round}\r"))));
        assert_eq!(codes(&mut device, 1), ["CA"]);
        eventually("the alarm arrives", || platform.messages().len() == round);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

// Their bytes differ, at the gateway and at the platform, whatever is sent again.
#[test]
fn messages_with_one_msh_10_are_neither_lost_nor_doubled_by_an_outage_and_a_crash() {
    for modes in [("", ""), ("AL", "AL")] {
        let mut scene = Scene::new();
        let texts: Vec<_> = (0..4).map(|number| format!("NTE|1||variant {number}\r")).collect();
        let bytes: Vec<_> = texts.iter().map(|text| saying(ONE, modes, text)).collect();
        let own = scene.lower.certificate(ONE, KeyType::Ecc);
        scene.stop_platform();
        let mut device = scene.wire(ONE);
        device.write(&bytes.iter().flat_map(|one| framed(one)).collect::<Vec<_>>());
        eventually("all are durable", || scene.gateway().metric("pcd_gateway_waiting_messages") == 4.0);
        drop(device);
        scene.kill_gateway();
        scene.start_gateway();
        let mut device = Wire::connect(&scene.lower, scene.gateway().address, &own);
        // As it does when it got no answer: all of them again, in another order.
        device.write(&bytes.iter().rev().flat_map(|one| framed(one)).collect::<Vec<_>>());
        scene.start_platform();
        let mut found = codes(&mut device, if modes.0 == "AL" { 8 } else { 4 });
        found.retain(|code| code != "CA");
        assert_eq!(found, ["AA"; 4], "{modes:?}");
        assert!(device.is_quiet(Duration::from_millis(300)), "{modes:?}");
        eventually("nothing waits", || scene.gateway().metric("pcd_gateway_waiting_messages") == 0.0);
        let listed = scene.platform().cli().json(&["message", "list"]);
        let raw = |message: &serde_json::Value| {
            scene.platform().cli().run_raw(&["message", "show", message["id"].as_str().unwrap(), "--raw"])
        };
        let mut arrived: Vec<_> = listed.iter().map(raw).collect();
        arrived.reverse();
        assert_eq!(arrived, bytes, "each once, in order");
        assert!(listed.iter().all(|message| message["device"] == GATEWAY));
    }
}
