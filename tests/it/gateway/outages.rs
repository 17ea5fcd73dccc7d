//! The platform is away, and the gateway is killed.

use super::{ONE, OTHER, Scene};
use crate::harness::{eventually, message};
use pcd_platform::interface_b::{Alarm, Phase};
use pcd_platform::model::Clock;

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
    let mut count = 0;
    for round in 0..5 {
        let mut device = scene.device(ONE);
        for number in 0..20 {
            assert_eq!(device.code(message(ONE, &format!("{round}-{number}"))), "CA");
            count += 1;
        }
        // In the middle of forwarding, or of an outage.
        if round == 2 {
            scene.stop_platform();
        }
        scene.kill_gateway();
        scene.start_gateway();
        if round == 3 {
            scene.start_platform();
        }
    }
    let arrived = scene.all_arrived(count);
    let expected: Vec<_> = (0..5).flat_map(|round| (0..20).map(move |n| format!("{round}-{n}"))).collect();
    assert_eq!(arrived, expected, "in the order in which the device sent them");
}
