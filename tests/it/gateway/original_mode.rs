//! Devices that wait for AA, whatever their messages ask for.

use super::scripted::{acknowledgement, scene, wire};
use super::{ONE, asking};
use crate::harness::{eventually, field, framed};

/// Answers as MSH-15 asks. Silence where it says NE, as IHE PCD has it.
fn as_asked(message: &str) -> Vec<String> {
    let is_asked = field(message, "MSH", 15) == "AL";
    is_asked.then(|| acknowledgement("CA", field(message, "MSH", 10))).into_iter().collect()
}

#[test]
fn a_device_in_original_mode_gets_aa_for_what_asks_for_no_answer_and_for_what_it_repeats() {
    let (_platform, gateway, site) = scene(as_asked);
    let mut device = wire(&site, &gateway);
    let before = framed(&asking(ONE, "BEFORE", "AL", "NE"));
    device.write(&before);
    assert_eq!(device.verdict(), ("CA".to_owned(), "BEFORE".to_owned()));
    let waiting = || gateway.metric("pcd_gateway_waiting_messages");
    let accepted = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    eventually("it is forwarded", || gateway.metric(accepted) == 1.0 && waiting() == 0.0);
    drop(device);

    gateway.cli().run(&["device", "change", ONE, "--acknowledge", "original"]);
    let mut device = wire(&site, &gateway);
    device.write(&before);
    assert_eq!(device.verdict(), ("AA".to_owned(), "BEFORE".to_owned()), "the platform is asked again");
    for (id, accept) in [("SILENT", "NE"), ("EMPTY", "")] {
        let silent = framed(&asking(ONE, id, accept, "NE"));
        for _ in 0..2 {
            device.write(&silent);
            assert_eq!(device.verdict(), ("AA".to_owned(), id.to_owned()), "also a repetition");
        }
    }
}
