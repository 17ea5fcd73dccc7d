//! Acknowledgements end to end.

use pcd_platform::pki::KeyType;

use super::{GATEWAY, ONE, OTHER, Scene, asking};
use crate::harness::{eventually, field, framed, message};

// HL7 2.6 ch. 2, 2.9: a device in original mode gets AA only from the platform.
#[test]
fn a_device_in_original_mode_is_acknowledged_by_the_platform_and_waits_during_an_outage() {
    let mut scene = Scene::new();
    let mut device = scene.device(ONE);
    let first = asking(ONE, "1", "", "");
    let answers = device.send(first.clone()).unwrap();
    assert_eq!((answers.len(), answers[0].code.as_str()), (1, "AA"));
    let raw = String::from_utf8(answers[0].raw.to_vec()).unwrap();
    assert_eq!(field(&raw, "MSA", 2), "1");
    // The same message again is answered as the platform has answered it.
    let again = device.send(first).unwrap();
    assert_eq!(again[0].code.as_str(), "AA");

    scene.stop_platform();
    let mut wire = scene.wire(ONE);
    wire.write(&framed(&asking(ONE, "2", "", "")));
    eventually("it is durable", || scene.gateway().metric("pcd_gateway_waiting_messages") == 1.0);
    assert_eq!(scene.shown("2")["forward"]["state"], "waiting");
    scene.start_platform();
    assert_eq!(wire.verdict(), ("AA".to_owned(), "2".to_owned()));
    assert_eq!(scene.all_arrived(2), ["1", "2"]);
}

// B.1: an accept acknowledgement says that the message is safe, which does not depend on the platform.
#[test]
fn during_an_outage_a_device_that_waits_for_the_platform_goes_on_over_the_same_connection() {
    let mut scene = Scene::with(KeyType::Ecc, |site| site.with("interface-a", "in-flight = 4"));
    scene.stop_platform();
    let mut wire = scene.wire(ONE);
    let sent: Vec<_> = (0..10).map(|number| framed(&asking(ONE, &format!("O{number}"), "", ""))).collect();
    // The first one comes again, as a device sends it after its timeout.
    for message in sent.iter().chain(&sent[..1]) {
        wire.write(message);
    }
    wire.write(&framed(&asking(ONE, "ALARM", "AL", "NE")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "ALARM".to_owned()));
    eventually("all wait", || scene.gateway().metric("pcd_gateway_waiting_messages") == 11.0);
    // An order of the gateway's operator: the device's answer is read.
    let file = scene.lower.path().join("order.hl7");
    let order = format!(
        "MSH|^~\\&|P||X^{ONE}^EUI-64||20260101120000+0000||RGV^O15^RGV_O15|ORDER|P|2.6|||AL|NE\rPID|1||X\r"
    );
    std::fs::write(&file, &order).unwrap();
    let cli = scene.gateway().cli().clone();
    let sending =
        std::thread::spawn(move || cli.try_run(&["--json", "order", "send", ONE, file.to_str().unwrap()]));
    assert_eq!(wire.answer().unwrap(), order);
    let accepted = format!("MSH|^~\\&|X^{ONE}^EUI-64||P||20260101120000+0000||ACK|A-1|P|2.6\rMSA|CA|ORDER\r");
    wire.write(&framed(accepted.as_bytes()));
    let (status, printed, stderr) = sending.join().unwrap();
    assert!(status.success() && printed.contains("\"acknowledged\""), "{printed} {stderr}");
    scene.start_platform();
    for number in 0..10 {
        assert_eq!(wire.verdict(), ("AA".to_owned(), format!("O{number}")), "one answer, in order");
    }
    assert!(wire.is_quiet(std::time::Duration::from_millis(300)), "the repetition has no further one");
    assert_eq!(scene.all_arrived(11).len(), 11);
}

#[test]
fn beyond_the_limit_messages_that_wait_for_the_platform_are_refused() {
    let limit = |site: crate::harness::Site| site.with("gateway", "awaited-per-connection = 2");
    let mut scene = Scene::with(KeyType::Ecc, limit);
    scene.stop_platform();
    let mut wire = scene.wire(ONE);
    for id in ["1", "2", "3"] {
        wire.write(&framed(&asking(ONE, id, "", "")));
    }
    let refused = wire.answer().unwrap();
    assert_eq!((field(&refused, "MSA", 1), field(&refused, "MSA", 2)), ("AE", "3"));
    assert!(refused.contains("answer-queue-full"), "{refused}");
    eventually("two wait", || scene.gateway().metric("pcd_gateway_awaited_answers") == 2.0);
    scene.start_platform();
    for id in ["1", "2"] {
        assert_eq!(wire.verdict(), ("AA".to_owned(), id.to_owned()));
    }
    wire.write(&framed(&asking(ONE, "3", "", "")));
    assert_eq!(wire.verdict(), ("AA".to_owned(), "3".to_owned()));
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

// A refused message that comes again is evaluated again: the reason may be gone.
#[test]
fn what_the_platform_has_refused_reaches_it_again_when_the_device_repeats_it() {
    const BEHIND: &str = "0004A30000000001";
    let scene = Scene::new();
    let mut device = scene.device(ONE);
    scene.gateway().cli().run(&["device", "change", ONE, "--speaks-for", BEHIND]);
    eventually("the gateway lets it speak for the other one", || {
        device.code(message(BEHIND, "ACCEPT")) == "CA"
    });
    let original = asking(BEHIND, "ORIGINAL", "", "");
    assert_eq!(device.code(original.clone()), "AR", "the platform does not");
    let refused = "pcd_gateway_forwarded_total{outcome=\"refused\"}";
    let returned = "pcd_gateway_forwarded_total{outcome=\"returned\"}";
    eventually("both are refused", || scene.gateway().metric(refused) == 1.0);
    assert_eq!(scene.gateway().metric(returned), 1.0, "its device has the refusal");
    assert_eq!(device.code(original.clone()), "AR", "the platform was asked again");
    assert_eq!(scene.gateway().metric(returned), 2.0);
    scene.platform().cli().run(&["device", "change", GATEWAY, "--also-speaks-for", BEHIND]);
    eventually("the platform takes it", || device.code(original.clone()) == "AA");
    assert_eq!(device.code(message(BEHIND, "ACCEPT")), "CA");
    let mut arrived = scene.all_arrived(2);
    arrived.sort();
    assert_eq!(arrived, ["ACCEPT", "ORIGINAL"]);
    eventually("the findings end", || !scene.status().contains("forward-refused"));
    // What it has accepted is not sent again.
    let accepted = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    let before = scene.gateway().metric(accepted);
    assert_eq!((device.code(original), device.code(message(BEHIND, "ACCEPT"))), ("AA", "CA"));
    assert_eq!(scene.gateway().metric(accepted), before);
}
