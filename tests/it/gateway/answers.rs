//! Acknowledgements end to end.

use pcd_platform::pki::KeyType;

use super::{ONE, OTHER, Scene, asking};
use crate::harness::{eventually, field, framed, message};

// HL7 2.6 ch. 2, 2.9: a device in original mode gets AA only from the platform.
#[test]
fn a_device_in_original_mode_is_acknowledged_by_the_platform_and_waits_during_an_outage() {
    let mut scene = Scene::new();
    let mut device = scene.device(ONE);
    let answers = device.send(asking(ONE, "1", "", "")).unwrap();
    assert_eq!((answers.len(), answers[0].code.as_str()), (1, "AA"));
    let raw = String::from_utf8(answers[0].raw.to_vec()).unwrap();
    assert_eq!(field(&raw, "MSA", 2), "1");
    // The same message again is answered as the platform has answered it.
    let again = device.send(asking(ONE, "1", "", "")).unwrap();
    assert_eq!(again[0].code.as_str(), "AA");

    scene.stop_platform();
    let mut wire = scene.wire(ONE);
    wire.write(&framed(&asking(ONE, "2", "", "")));
    eventually("it is durable", || scene.gateway().metric("pcd_gateway_waiting_messages") == 1.0);
    scene.start_platform();
    assert_eq!(wire.verdict(), ("AA".to_owned(), "2".to_owned()));
    assert_eq!(scene.all_arrived(2), ["1", "2"]);
}

#[test]
fn both_acknowledgements_come_the_first_from_the_gateway_and_the_second_from_the_platform() {
    let mut scene = Scene::new();
    scene.stop_platform();
    let mut wire = scene.wire(ONE);
    wire.write(&framed(&asking(ONE, "1", "AL", "AL")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()), "during the outage");
    scene.start_platform();
    assert_eq!(wire.verdict(), ("AA".to_owned(), "1".to_owned()));
}

#[test]
fn during_an_outage_a_device_in_original_mode_gets_ae_where_that_is_configured() {
    let refuse = |site: crate::harness::Site| site.with("gateway", "during-outage = \"refuse\"");
    let mut scene = Scene::with(KeyType::Ecc, refuse);
    scene.stop_platform();
    let mut device = scene.device(ONE);
    let answers = device.send(asking(ONE, "1", "", "")).unwrap();
    assert_eq!(
        (answers[0].code.as_str(), answers[0].reason.as_deref()),
        ("AE", Some("platform-unreachable"))
    );
    assert_eq!(device.code(message(ONE, "2")), "CA", "an accept acknowledgement needs no platform");
    scene.start_platform();
    let sent_again = device.send(asking(ONE, "1", "", ""));
    eventually("the platform is reached", || scene.gateway().metric("pcd_gateway_connections") > 0.0);
    if sent_again.unwrap()[0].code.as_str() == "AE" {
        assert_eq!(device.code(asking(ONE, "1", "", "")), "AA");
    }
    let mut arrived = scene.all_arrived(2);
    arrived.sort();
    assert_eq!(arrived, ["1", "2"]);
}

#[test]
fn two_devices_with_one_msh_10_at_the_same_moment_get_their_own_answers() {
    let scene = Scene::with(KeyType::Ecc, |site| site.with("gateway", "connections = 1"));
    let mut wires = [scene.wire(ONE), scene.wire(OTHER)];
    for round in 0..10 {
        let control_id = format!("SAME-{round}");
        wires[0].write(&framed(&asking(ONE, &control_id, "", "")));
        wires[1].write(&framed(&asking(OTHER, &control_id, "", "")));
        for (wire, name) in wires.iter_mut().zip([ONE, OTHER]) {
            let answer = wire.answer().unwrap();
            assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("AA", control_id.as_str()));
            // MSH-5 of the answer is MSH-3 of its message.
            assert!(field(&answer, "MSH", 5).contains(name), "{answer}");
        }
    }
    eventually("all have arrived", || scene.arrived().len() == 20);
}
