//! Messages that the platform does not answer, however often they are sent: what their devices get, and what
//! follows when the devices send them again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::scripted::{CUT, acknowledgement, scene, wire};
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
    let (_platform, gateway, site) = scene(script);
    let mut device = wire(&site, &gateway);
    let [original, both] = [("MUTE-1", "", ""), ("MUTE-2", "AL", "AL")]
        .map(|(id, accept, application)| framed(&asking(ONE, id, accept, application)));
    device.write(&original);
    assert_eq!(verdict(&mut device), expect("AE", "MUTE-1", "not-forwarded"));
    device.write(&both);
    assert_eq!(verdict(&mut device), expect("CA", "MUTE-2", ""), "it is safe");
    assert_eq!(verdict(&mut device), expect("AE", "MUTE-2", "not-forwarded"), "and was not processed");
    eventually("it is a finding", || is_refused(&gateway));
    IS_FIXED.store(true, Ordering::SeqCst);
    repeat_until_accepted(&mut device, &original, "MUTE-1");
    eventually("nothing waits", || gateway.metric("pcd_gateway_waiting_messages") == 0.0);
}
