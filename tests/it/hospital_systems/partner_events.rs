//! Events of partners besides messages: an alert, a device that has become silent, a refused certificate.

use std::collections::BTreeMap;

use pcd_platform::interface_b::{Alarm, Phase};
use serde_json::json;

use super::partners::{Partners, connect, handle};
use super::*;
use crate::harness::{Device, message};

const NAME: &str = "00A037FFFE000001";

// N000-7
#[test]
fn n000_7_partners_are_notified_of_alerts_silent_devices_and_refused_certificates() {
    let partners = Partners::of(Site::new().with("devices", "silent-after = \"2s\""));
    let platform = partners.site().start();
    let lab = partners.partner(&platform, "lab");
    let mut middleware = partners.middleware(Some(&lab.certificate));
    for event in ["alert", "device-silent", "certificate-refused"] {
        let words = ["subscription", "add", event, "--organisation", &lab.oid, "--event", event];
        platform.cli().run(&words);
    }
    platform.admit(NAME, &[]);
    let mut sender = connect(partners.site(), &platform);
    assert_eq!(sender.code(message(NAME, "1")), "CA");
    let at = Clock::system().now();
    let alarm = Alarm { device: NAME, control_id: "2", number: "1", at, phase: Phase::Start, pulse: 165 };
    assert_eq!(sender.code(alarm.to_message()), "CA");
    // A device that is in no directory.
    let stranger = partners.site().certificate("00A037FFFE000099", KeyType::Ecc);
    let mut answered = Device::connect(partners.site(), platform.address, &stranger);
    // In TLS 1.3 a refusal comes with the first answer.
    let answered = answered.as_mut().map_or(Err(()), |device| device.send(message(NAME, "3")).map_err(drop));
    assert!(answered.is_err());
    let mut found = BTreeMap::new();
    eventually("each event", || {
        for one in middleware.receive(&lab, 10) {
            assert_eq!(one["Subscription"], one["Event"], "{one}");
            assert_eq!(middleware.acknowledge(&lab, handle(&one))["status"], 200);
            found.insert(one["Event"].as_str().unwrap().to_owned(), one);
        }
        found.len() == 3
    });
    let of = |event: &str| &found[event];
    assert_eq!((&of("alert")["Reason"], &of("alert")["Device"]), (&json!("pcd-04"), &json!(NAME)));
    assert!(of("alert")["MessageReference"].is_string());
    assert_eq!(
        (&of("device-silent")["Device"], &of("device-silent")["MessageReference"]),
        (&json!(NAME), &Value::Null)
    );
    let refused = of("certificate-refused");
    assert_eq!(refused["Device"], "00A037FFFE000099", "{refused}");
    assert!(!refused["Reason"].as_str().unwrap().is_empty() && refused["MessageReference"].is_null());
    assert!(!platform.stop().log.contains("panicked"));
}
