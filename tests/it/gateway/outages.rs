//! The platform is away, and the gateway is killed.

use std::time::Duration;

use super::{ONE, OTHER, Scene, asking};
use crate::harness::{Site, eventually, framed, message};
use pcd_platform::interface_b::{Alarm, Phase};
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;

fn alarm(device: &str, control_id: &str) -> bytes::Bytes {
    let at = Clock::system().now();
    Alarm { device, control_id, number: control_id, at, phase: Phase::Start, pulse: 165 }.to_message()
}

#[test]
fn what_comes_during_an_outage_is_forwarded_afterwards_alarms_first_and_in_order() {
    let mut scene = Scene::new();
    scene.stop_platform();
    let mut devices = [scene.device(ONE), scene.device(OTHER)];
    for number in 0..10 {
        for (device, name) in devices.iter_mut().zip([ONE, OTHER]) {
            let id = format!("{}-D{number}", &name[15..]);
            assert_eq!(device.code(message(name, &id)), "CA");
        }
    }
    assert_eq!(devices[0].code(alarm(ONE, "ALARM-1")), "CA");
    assert_eq!(devices[0].code(alarm(ONE, "ALARM-2")), "CA");
    eventually("the outage is a finding", || scene.status().contains("platform-unreachable"));
    scene.start_platform();
    let arrived = scene.all_arrived(22);
    let place = |id: &str| arrived.iter().position(|other| other == id).unwrap();
    assert!(place("ALARM-1") < place("ALARM-2") && place("ALARM-2") < place("1-D9"), "{arrived:?}");
    for name in ["1", "2"] {
        let places: Vec<_> = (0..10).map(|number| place(&format!("{name}-D{number}"))).collect();
        assert!(places.is_sorted(), "{arrived:?}");
    }
    eventually("the finding ends", || !scene.status().contains("platform-unreachable"));
}

#[test]
fn a_gateway_that_is_killed_loses_nothing_and_repeats_nothing() {
    let mut scene = Scene::new();
    let kills = number("PCD_GATEWAY_KILLS", 5);
    let mut count = 0;
    for round in 0..kills {
        let mut device = scene.device(ONE);
        for number in 0..20 {
            assert_eq!(device.code(message(ONE, &format!("{round}-{number}"))), "CA");
            count += 1;
        }
        // In the middle of forwarding, or of an outage.
        if round % 5 == 2 {
            scene.stop_platform();
            std::thread::sleep(std::time::Duration::from_secs(number("PCD_GATEWAY_OUTAGE_SECONDS", 0)));
        }
        scene.kill_gateway();
        scene.start_gateway();
        if round % 5 == 3 {
            scene.start_platform();
        }
    }
    if scene.platform.is_none() {
        scene.start_platform();
    }
    let arrived = scene.all_arrived(count);
    let expected: Vec<_> =
        (0..kills).flat_map(|round| (0..20).map(move |n| format!("{round}-{n}"))).collect();
    assert_eq!(arrived, expected, "in the order in which the device sent them");
}

/// How often the gateway is killed, and for how long the platform is away: more in a long run.
pub(super) fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().expect(variable))
}

// A host gets another name; a backup is restored on another machine; a container starts under a new one.
#[test]
fn a_gateway_under_another_name_forwards_what_it_has_acknowledged() {
    let mut scene = Scene::new();
    scene.stop_platform();
    let mut device = scene.device(ONE);
    for id in ["1", "2", "3"] {
        assert_eq!(device.code(message(ONE, id)), "CA");
    }
    scene.gateway.take().expect("it runs").stop();
    let lower = std::mem::replace(&mut scene.lower, Site::new());
    scene.lower = lower.with("store", "node = \"renamed\"");
    scene.start_gateway();
    eventually("they wait", || scene.gateway().metric("pcd_gateway_waiting_messages") == 3.0);
    scene.start_platform();
    assert_eq!(scene.all_arrived(3), ["1", "2", "3"]);
}

#[test]
fn an_alarm_that_arrives_late_carries_a_warning_at_the_platform() {
    let scene = Scene::new();
    let mut device = scene.device(ONE);
    let at = Clock::system().now() - jiff::SignedDuration::from_hours(2);
    let late = Alarm { device: ONE, control_id: "LATE", number: "1", at, phase: Phase::Start, pulse: 165 };
    assert_eq!(device.code(late.to_message()), "CA");
    assert_eq!(device.code(alarm(ONE, "NOW")), "CA");
    scene.all_arrived(2);
    let warned = scene.platform().cli().json(&["message", "list", "--warning", "late-alarm"]);
    let warned: Vec<_> = warned.iter().map(|message| message["control-id"].as_str().unwrap()).collect();
    assert_eq!(warned, ["LATE"]);
}

#[test]
fn a_full_queue_refuses_messages_and_their_devices_keep_them() {
    let mut scene = Scene::with(KeyType::Ecc, |site| site.with("gateway", "max-waiting = 2"));
    scene.stop_platform();
    let mut device = scene.device(ONE);
    for id in ["1", "2"] {
        assert_eq!(device.code(message(ONE, id)), "CA");
    }
    let answers = device.send(message(ONE, "3")).unwrap();
    let reason = answers[0].reason.as_deref();
    assert_eq!((answers[0].code.as_str(), reason), ("CE", Some("forward-queue-full")));
    scene.start_platform();
    let third = message(ONE, "3");
    eventually("there is room again", || device.code(third.clone()) == "CA");
    assert_eq!(scene.all_arrived(3), ["1", "2", "3"]);
}

#[test]
fn a_damaged_message_is_named_and_holds_up_no_other() {
    let mut scene = Scene::new();
    scene.stop_platform();
    let (mut device, mut other) = (scene.device(ONE), scene.device(OTHER));
    for id in ["1", "DAMAGED", "3"] {
        assert_eq!(device.code(message(ONE, id)), "CA");
    }
    assert_eq!(other.code(message(OTHER, "4")), "CA");
    let listed = scene.gateway().cli().json(&["message", "list"]);
    let damaged = listed.iter().find(|message| message["control-id"] == "DAMAGED").unwrap();
    let damaged = damaged["id"].as_str().unwrap();
    scene.gateway.take().expect("it runs").stop();
    scene.lower.damage("DAMAGED");
    scene.start_gateway();
    scene.start_platform();
    let arrived = scene.all_arrived(3);
    assert_eq!(arrived.iter().filter(|id| *id != "4").collect::<Vec<_>>(), ["1", "3"]);
    eventually("it is a finding", || {
        let text = scene.status();
        text.contains("forward-refused") && text.contains(damaged) && text.contains("was altered")
    });
    let refused = "pcd_gateway_forwarded_total{outcome=\"refused\"}";
    assert_eq!(scene.gateway().metric(refused), 1.0);
}

#[test]
fn retention_removes_nothing_that_waits_for_the_platform() {
    let mut scene = Scene::with(KeyType::Ecc, |site| site.with("store", "retain-messages = \"1s\""));
    scene.stop_platform();
    let mut device = scene.device(ONE);
    assert_eq!(device.code(message(ONE, "WAITS")), "CA");
    assert_eq!(device.code(message("0004A300000000EE", "REJECTED")), "CR");
    // It is as old as the other, and the gateway does not forward it.
    let pruned = "pcd_retention_pruned_total{what=\"rejected\"}";
    eventually("retention has passed", || scene.gateway().metric(pruned) >= 1.0);
    scene.start_platform();
    assert_eq!(scene.all_arrived(1), ["WAITS"]);
}

/// The platform reads slowly. The gateway has waited for a proof, and has closed its side of the connection,
/// when the platform stops: its end must not be taken for the word that it has read everything.
#[test]
fn messages_without_acknowledgement_that_a_stopping_platform_has_not_read_are_sent_again() {
    const MESSAGES: usize = 30;
    let upper = Site::new().with("devices", "messages-per-second = 4");
    let mut scene = Scene::under(upper, KeyType::Ecc, |site| site.with("gateway", "connections = 1"));
    let mut device = scene.wire(ONE);
    let sent = |number: usize| framed(&asking(ONE, &number.to_string(), "NE", "NE"));
    device.write(&(0..MESSAGES).flat_map(sent).collect::<Vec<_>>());
    // The gateway waits for two seconds, and then ends its side. That leaves the TCP connection open, so it
    // cannot be seen from here; the platform reads for seven seconds.
    std::thread::sleep(Duration::from_secs(4));
    scene.stop_platform();
    scene.start_platform();
    let expected: Vec<_> = (0..MESSAGES).map(|number| number.to_string()).collect();
    assert_eq!(scene.all_arrived(MESSAGES), expected);
}
