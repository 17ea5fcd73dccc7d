//! Messages that the platform does not answer, however often they are sent: what their devices get, and what
//! follows when the devices send them again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::orders::answer as reply;
use super::scripted::{CUT, ENDS, accept, acknowledgement, order, scene, wire};
use super::{ONE, OTHER, asking};
use crate::harness::{Platform, Wire, eventually, field, framed, message};
use pcd_platform::pki::KeyType;

const REFUSED: &str = "pcd_gateway_forwarded_total{outcome=\"refused\"}";

/// MSA-1, MSA-2 and ERR-5.1 of the next acknowledgement.
fn verdict(device: &mut Wire) -> (String, String, String) {
    let answer = device.answer().expect("an acknowledgement");
    let reason = if answer.contains("\rERR|") { field(&answer, "ERR", 5) } else { "" };
    let reason = reason.split('^').next().unwrap_or_default().to_owned();
    (field(&answer, "MSA", 1).to_owned(), field(&answer, "MSA", 2).to_owned(), reason)
}

fn expect(code: &str, id: &str, reason: &str) -> (String, String, String) {
    (code.to_owned(), id.to_owned(), reason.to_owned())
}

/// Sends the message again until the platform has answered it. Until then each one is answered with AE.
fn repeat_until_accepted(device: &mut Wire, bytes: &[u8], id: &str) {
    eventually("the platform takes it", || {
        std::thread::sleep(Duration::from_millis(100));
        device.write(bytes);
        let found = verdict(device);
        assert!(found == expect("AE", id, "not-forwarded") || found == expect("AA", id, ""), "{found:?}");
        found.0 == "AA"
    });
}

fn is_refused(gateway: &Platform) -> bool {
    gateway.cli().try_run(&["--json", "status"]).1.contains("forward-refused")
}

/// The answer that the message asks for, AA or CA.
fn answer(message: &str) -> Vec<String> {
    let code = if field(message, "MSH", 15) == "AL" { "CA" } else { "AA" };
    vec![acknowledgement(code, field(message, "MSH", 10))]
}

// HL7 2.6 ch. 2, 2.9.2: in original mode a sender waits for its one answer.
#[test]
fn a_device_that_waits_learns_that_its_message_ends_connections_and_gets_aa_once_it_is_taken() {
    static IS_FIXED: AtomicBool = AtomicBool::new(false);
    let script = |message: &str| match field(message, "MSH", 10) {
        "POISON" if !IS_FIXED.load(Ordering::SeqCst) => vec![CUT.to_owned()],
        _ => answer(message),
    };
    let (platform, gateway, site) = scene(script);
    gateway.admit(OTHER, &[]);
    let mut device = wire(&site, &gateway);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let poison = framed(&asking(ONE, "POISON", "", ""));
    device.write(&poison);
    let mut sent = 0;
    let mut pass = |sent: &mut usize| {
        *sent += 1;
        let id = format!("OTHER-{sent}");
        other.write(&framed(&message(OTHER, &id)));
        assert_eq!(other.verdict(), ("CA".to_owned(), id));
    };
    eventually("it is given up", || {
        pass(&mut sent);
        gateway.metric(REFUSED) == 1.0
    });
    assert_eq!(verdict(&mut device), expect("AE", "POISON", "not-forwarded"));
    let tries = || platform.messages().iter().filter(|id| *id == "POISON").count();
    let before = tries();
    device.write(&poison);
    assert_eq!(verdict(&mut device), expect("AE", "POISON", "not-forwarded"), "at once");
    assert_eq!(tries(), before, "it is not tried in the pause");

    // Its device sends it again and again: each try costs one connection at most, and others go on.
    let mut found = tries();
    eventually("it is tried again", || {
        device.write(&poison);
        assert_eq!(verdict(&mut device), expect("AE", "POISON", "not-forwarded"));
        pass(&mut sent);
        found = tries();
        found > before
    });
    eventually("it is given up again", || {
        pass(&mut sent);
        gateway.metric(REFUSED) == 2.0
    });
    assert_eq!(tries(), before + 1, "one try");
    eventually("it is a finding", || is_refused(&gateway));
    IS_FIXED.store(true, Ordering::SeqCst);
    repeat_until_accepted(&mut device, &poison, "POISON");
    eventually("the finding ends", || !is_refused(&gateway));
    let arrived = |id: &str| platform.messages().iter().any(|other| other == id);
    eventually("all others arrive", || (1..=sent).all(|number| arrived(&format!("OTHER-{number}"))));
}

#[test]
fn a_device_that_waits_learns_that_the_platform_does_not_answer_its_message() {
    static IS_FIXED: AtomicBool = AtomicBool::new(false);
    let script = |message: &str| {
        let is_silent = field(message, "MSH", 10).starts_with("MUTE") && !IS_FIXED.load(Ordering::SeqCst);
        if is_silent { Vec::new() } else { answer(message) }
    };
    let (platform, gateway, site) = scene(script);
    gateway.admit(OTHER, &[]);
    let mut device = wire(&site, &gateway);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    let [original, both] = [("MUTE-1", "", ""), ("MUTE-2", "AL", "AL")]
        .map(|(id, accept, application)| framed(&asking(ONE, id, accept, application)));
    // While the platform acknowledges nothing, nothing is given up.
    device.write(&original);
    eventually("it is tried again and again", || {
        platform.messages().iter().filter(|id| *id == "MUTE-1").count() > 3
    });
    assert_eq!(gateway.metric(REFUSED), 0.0);
    let mut sent = 0;
    let mut give_up = |number| {
        eventually("it is given up", || {
            sent += 1;
            let id = format!("OTHER-{sent}");
            other.write(&framed(&message(OTHER, &id)));
            assert_eq!(other.verdict(), ("CA".to_owned(), id));
            gateway.metric(REFUSED) == number
        });
    };
    give_up(1.0);
    assert_eq!(verdict(&mut device), expect("AE", "MUTE-1", "not-forwarded"));
    device.write(&both);
    give_up(2.0);
    assert_eq!(verdict(&mut device), expect("CA", "MUTE-2", ""), "it is safe");
    assert_eq!(verdict(&mut device), expect("AE", "MUTE-2", "not-forwarded"), "and was not processed");
    eventually("it is a finding", || is_refused(&gateway));
    IS_FIXED.store(true, Ordering::SeqCst);
    repeat_until_accepted(&mut device, &original, "MUTE-1");
    eventually("nothing waits", || gateway.metric("pcd_gateway_waiting_messages") == 0.0);
}

// A platform may be unable to store one message, as a copy that it may not replace, and take all others.
#[test]
fn a_message_that_the_platform_cannot_take_does_not_hold_up_its_device_forever() {
    static IS_FIXED: AtomicBool = AtomicBool::new(false);
    let script = |message: &str| match field(message, "MSH", 10) {
        "STUCK" if !IS_FIXED.load(Ordering::SeqCst) => {
            let refusal = acknowledgement("CE", "STUCK");
            vec![format!("{refusal}ERR|||207^x^HL70357|E|store-unavailable\r")]
        }
        _ => answer(message),
    };
    let (platform, gateway, site) = scene(script);
    gateway.admit(OTHER, &[]);
    let mut device = wire(&site, &gateway);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    for id in ["STUCK", "BEHIND"] {
        device.write(&framed(&message(ONE, id)));
        assert_eq!(device.verdict(), ("CA".to_owned(), id.to_owned()));
    }
    let times = |id: &str| platform.messages().iter().filter(|other| *other == id).count();
    let mut sent = 0;
    eventually("what is behind it arrives", || {
        sent += 1;
        let id = format!("OTHER-{sent}");
        other.write(&framed(&message(OTHER, &id)));
        assert_eq!(other.verdict(), ("CA".to_owned(), id));
        std::thread::sleep(Duration::from_millis(200));
        times("BEHIND") == 1
    });
    assert!(times("STUCK") >= 10, "it had its time");
    eventually("it alone stays in the queue", || gateway.metric("pcd_gateway_waiting_messages") == 1.0);
    eventually("it is a finding", || {
        gateway.cli().try_run(&["--json", "status"]).1.contains("forward-stuck")
    });
    IS_FIXED.store(true, Ordering::SeqCst);
}

// Each device behind a gateway depends on its connections.
#[test]
fn an_answer_to_an_order_that_ends_connections_keeps_no_device_from_the_platform() {
    let (platform, gateway, site) = scene(accept);
    gateway.admit(OTHER, &[]);
    let mut device = wire(&site, &gateway);
    let mut other = Wire::connect(&site, gateway.address, &site.certificate(OTHER, KeyType::Ecc));
    device.write(&framed(&message(ONE, "FIRST")));
    assert_eq!(device.verdict(), ("CA".to_owned(), "FIRST".to_owned()));
    platform.send(&order("ORDER", "AL|AL", "1"));
    assert!(device.answer().unwrap().contains("|ORDER|"));
    device.write(&reply(ONE, "ACK^O15^ACK", "ORDER", "CA", "A-1"));
    device.write(&reply(ONE, &format!("RRG^O16^{ENDS}"), "ORDER", "AA", "A-2"));
    let (mut sent, given_up) = (0, "pcd_gateway_orders_total{outcome=\"answer-given-up\"}");
    let arrived = |id: &str| platform.messages().iter().any(|other| other == id);
    let mut pass = || {
        sent += 1;
        let id = format!("OTHER-{sent}");
        other.write(&framed(&message(OTHER, &id)));
        assert_eq!(other.verdict(), ("CA".to_owned(), id.clone()));
        eventually("it arrives", || arrived(&id));
    };
    eventually("the answer is given up", || {
        pass();
        gateway.metric(given_up) == 1.0
    });
    let tries = platform.answers_to("ORDER").iter().filter(|(code, _)| code == "AA").count();
    assert!((3..=6).contains(&tries), "{tries}");
    // The last try ended a connection too. This message arrives on the one that follows it.
    pass();
    let connections = platform.connections();
    // Longer than a connection works on others before it sends what goes alone.
    for _ in 0..30 {
        pass();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(platform.connections(), connections);
}

// Interface A takes the byte as part of a message (MLLP R1: FS CR ends a block).
#[test]
fn a_message_with_a_file_separator_travels_as_it_came() {
    let (platform, gateway, site) = scene(accept);
    let mut device = wire(&site, &gateway);
    let text = String::from_utf8(message(ONE, "SEPARATOR").to_vec()).unwrap() + "NTE|1||a\x1Cb\r";
    device.write(&framed(text.as_bytes()));
    assert_eq!(device.verdict(), ("CA".to_owned(), "SEPARATOR".to_owned()));
    eventually("it is acknowledged", || {
        gateway.metric("pcd_gateway_forwarded_total{outcome=\"accepted\"}") == 1.0
    });
    assert!(platform.frames().contains(&text));
    assert_eq!(platform.connections(), 1);
}
