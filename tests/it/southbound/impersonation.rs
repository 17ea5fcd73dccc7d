//! Messages that name an outstanding order and are no answer of its device.

use super::{NAME, Scene, answer, order};
use crate::harness::{Site, eventually, field, framed};

const OTHER: &str = "00A037FFFE0000FF";

/// A PCD-01 with an MSA, about equipment.
fn report(id: &str, order: &str, equipment: &str) -> Vec<u8> {
    framed(
        format!(
            "MSH|^~\\&|DEMO^{NAME}^EUI-64|WARD|||20260101120000+0000||ORU^R01^ORU_R01|{id}|P|2.6|||AL|NE\r\
             MSA|AA|{order}\r\
             PID|||1^^^Demo Hospital^PI||Patient^Imaginary\r\
             OBR|1|{id}^M^{NAME}^EUI-64|{id}^M^{NAME}^EUI-64|182777000^monitoring of patient^SCT|||20260101120000+0000\r\
             OBX|1|ST|1^MDC_X^MDC|1.0.0.1|5||||||R|||20260101120000+0000||||M^^{equipment}^EUI-64\r"
        )
        .as_bytes(),
    )
}

/// An acknowledgement whose MSH-3 names a device.
fn claimed_by(device: &str, kind: &str, order: &str, code: &str, id: &str) -> Vec<u8> {
    framed(
        format!(
            "MSH|^~\\&|DEMO^{device}^EUI-64||PLATFORM||20260101120000+0000||{kind}|{id}|P|2.6\rMSA|{code}|{order}\r"
        )
        .as_bytes(),
    )
}

fn row(scene: &Scene, control_id: &str) -> serde_json::Value {
    let mut found = None;
    eventually("the message is stored", || {
        let listed = scene.platform.cli().json(&["message", "list"]);
        found = listed.into_iter().find(|row| row["control-id"] == control_id);
        found.is_some()
    });
    found.unwrap()
}

fn is_open(scene: &Scene) -> bool {
    let order = &scene.outbox()[0];
    order["outcome"] == "waiting" && order["delivery"] == "sent"
}

// An MSA says that a message is an answer only in the message types that are answers.
#[test]
fn a_report_with_an_msa_is_a_report_and_settles_no_order() {
    let scene = Scene::new(Site::new());
    scene.platform.admit(OTHER, &[]);
    let mut wire = scene.connect();
    let sending = scene.send(&order("ORDER-1", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ORDER-1");

    // It is checked as every report is.
    wire.write(&report("R-1", "ORDER-1", OTHER));
    let refused = wire.answer().unwrap();
    assert_eq!(field(&refused, "MSA", 1), "CR", "{refused}");
    assert_eq!(row(&scene, "R-1")["rejection"], "identity-mismatch");
    assert_eq!(scene.audited("identity-violation"), 1);
    assert!(is_open(&scene));
    // And accepted as every report is.
    wire.write(&report("R-2", "ORDER-1", NAME));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "R-2".to_owned()));
    assert_eq!(row(&scene, "R-2")["rejection"], serde_json::Value::Null);
    assert!(is_open(&scene));

    wire.write(&answer("ACK^O15^ACK", "ORDER-1", "CA", "A-1"));
    assert_eq!(sending.end().0, 0);
}

#[test]
fn an_answer_that_names_another_device_is_a_violation_and_settles_no_order() {
    let scene = Scene::new(Site::new());
    scene.platform.admit(OTHER, &[]);
    let mut wire = scene.connect();
    let sending = scene.send(&order("ORDER-1", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ORDER-1");
    for (number, (kind, code)) in
        [("ACK^O15^ACK", "CA"), ("RRG^O16^RRG_O16", "AA"), ("ACK", "AR")].into_iter().enumerate()
    {
        let id = format!("V-{number}");
        wire.write(&claimed_by(OTHER, kind, "ORDER-1", code, &id));
        assert_eq!(row(&scene, &id)["rejection"], "identity-mismatch", "{kind}");
        assert_eq!(scene.audited("identity-violation"), number + 1, "{kind}");
        assert!(is_open(&scene), "{kind}");
    }
    wire.write(&claimed_by(NAME, "ACK^O15^ACK", "ORDER-1", "CA", "A-1"));
    assert_eq!(sending.end().0, 0);
    assert_eq!(scene.audited("southbound-settled"), 1);

    // Neither can such an answer change an outcome afterwards, nor another device with its own certificate.
    wire.write(&claimed_by(OTHER, "ACK^O15^ACK", "ORDER-1", "AE", "V-9"));
    assert_eq!(row(&scene, "V-9")["rejection"], "identity-mismatch");
    let own = scene.site.certificate(OTHER, pcd_platform::pki::KeyType::Ecc);
    let mut stranger = crate::harness::Wire::connect(&scene.site, scene.platform.address, &own);
    stranger.write(&claimed_by(OTHER, "ACK^O15^ACK", "ORDER-1", "AE", "V-10"));
    assert_eq!(row(&scene, "V-10")["rejection"], "unexpected-acknowledgement");
    assert_eq!(scene.outbox()[0]["outcome"], "acknowledged");
    assert_eq!(scene.audited("southbound-settled"), 1);
}
