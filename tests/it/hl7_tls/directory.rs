//! What an operator sets for one device, while it is connected.

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

const NAME: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE000002";

fn shown(platform: &Platform) -> Value {
    platform.cli().json(&["device", "show", NAME]).remove(0)
}

/// Sends the same question under other control ids until the change has reached the platform.
fn until(wire: &mut Wire, prefix: &str, expected: &[&str], asked: impl Fn(&str) -> Vec<u8>) {
    let mut number = 0;
    eventually("the change is applied", || {
        number += 1;
        wire.write(&framed(&asked(&format!("{prefix}-{number}"))));
        wire.write(&framed(&message(NAME, &format!("END-{prefix}-{number}"))));
        let mut codes = Vec::new();
        loop {
            let answer = wire.answer().expect("an acknowledgement");
            if field(&answer, "MSA", 2).starts_with("END-") {
                break codes == expected;
            }
            codes.push(field(&answer, "MSA", 1).to_owned());
        }
    });
}

#[test]
fn a_device_that_does_not_mean_what_it_asks_is_acknowledged_as_the_operator_says() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &["--acknowledge", "application"]);
    assert_eq!(shown(&platform)["acknowledge"], "application");
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let never = |id: &str| {
        let text = String::from_utf8(message(NAME, id).to_vec()).unwrap();
        text.replace("|2.6|||AL|NE|", "|2.6|||NE|NE|").into_bytes()
    };
    wire.write(&framed(&never("1")));
    assert_eq!(wire.verdict(), ("AA".to_owned(), "1".to_owned()));
    // The same connection, after the operator has changed their mind.
    for (how, expected) in [("original", &["AA"][..]), ("accept", &["CA"])] {
        platform.cli().run(&["device", "change", NAME, "--acknowledge", how]);
        // Both change the sentinel's answer as well; its MSA-2 is what counts.
        until(&mut wire, how, expected, never);
    }
    platform.cli().run(&["device", "change", NAME, "--acknowledge", "as-asked"]);
    until(&mut wire, "as-asked", &[], never);
    let changes = platform.cli().json(&["audit", "list", "--event", "device-changed"]);
    let reported: Vec<_> =
        changes.iter().map(|row| row["details"]["acknowledge"].as_str().unwrap()).collect();
    assert_eq!(reported.len(), 3);
    assert!(reported.contains(&"original") && reported.contains(&"as-asked"));
}

#[test]
fn what_a_gateway_sent_for_others_can_be_seen_and_accepted() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2"] {
        wire.write(&framed(&message(OTHER, id)));
        assert_eq!(wire.verdict().0, "CR");
    }
    let seen = shown(&platform)["seen"].take();
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
    assert_eq!((&seen[0]["identity"], &seen[0]["messages"]), (&OTHER.into(), &2.into()));
    platform.cli().run(&["device", "change", NAME, "--kind", "gateway", "--from-seen"]);
    assert_eq!(shown(&platform)["speaks-for"][0], OTHER);
    assert_eq!(shown(&platform)["seen"].as_array().unwrap().len(), 0);
    until(&mut wire, "accepted", &["CA"], |id| message(OTHER, id).to_vec());
    // Who was removed and is added again has been seen before.
    platform.cli().run(&["device", "remove", NAME]);
    platform.cli().run(&["device", "add", NAME, "--kind", "gateway", "--from-seen"]);
    assert_eq!(shown(&platform)["speaks-for"][0], OTHER);
}
