//! The state of an alert (PCD-05), from the platform through the gateway to the device that reported it.

use pcd_platform::interface_b::{Alarm, Phase};

use super::{GATEWAY, ONE, OTHER, Scene};
use crate::harness::{eventually, field, framed};

/// IHE PCD TF vol. 2, 3.5.4.1: ORA^R41 has MSA, and is a message that asks for an acknowledgement.
#[test]
fn the_state_of_an_alert_reaches_the_device_that_reported_it_and_is_acknowledged() {
    let scene = Scene::new();
    let (mut device, mut other) = (scene.wire(ONE), scene.wire(OTHER));
    let at = "2026-01-01T12:00:00Z".parse().unwrap();
    let alarm = Alarm { device: ONE, control_id: "ONSET", number: "A1", at, phase: Phase::Start, pulse: 165 };
    device.write(&framed(&alarm.to_message()));
    assert_eq!(device.verdict().0, "CA");
    scene.all_arrived(1);
    let alert = scene.platform().cli().json(&["message", "list"])[0]["id"].as_str().unwrap().to_owned();
    let status = |code: &str, control_id: &str, alert: &str| {
        format!(
            "MSH|^~\\&|AM|WARD|MON^{ONE}^EUI-64||20260101120000+0000||ORA^R41^ORA_R41|{control_id}|P|2.6|||AL|NE\r\
             MSA|{code}|{alert}\rOBR|1|A1|A1|196616^MDC_EVT_ALARM^MDC\r"
        )
    };
    // A code that says error does not make it the refusal of the alarm.
    for (code, control_id) in [("AA", "STATUS-1"), ("AE", "STATUS-2")] {
        let file = scene.upper.path().join("status.hl7");
        std::fs::write(&file, status(code, control_id, "")).unwrap();
        let (cli, alert) = (scene.platform().cli().clone(), alert.clone());
        let sending = std::thread::spawn(move || {
            let words = ["--json", "order", "send", GATEWAY, file.to_str().unwrap(), "--alert", &alert];
            cli.try_run(&words)
        });
        assert_eq!(
            device.answer().unwrap(),
            status(code, control_id, "ONSET"),
            "with the alert's first MSH-10"
        );
        let text = format!(
            "MSH|^~\\&|MON^{ONE}^EUI-64||AM|WARD|20260101120001+0000||ACK^R41^ACK|A-{control_id}|P|2.6|||NE|NE\r\
             MSA|CA|{control_id}\r"
        );
        device.write(&framed(text.as_bytes()));
        let (exit, printed, stderr) = sending.join().unwrap();
        assert!(exit.success() && printed.contains("\"acknowledged\""), "{printed} {stderr}");
    }
    assert!(other.is_quiet(std::time::Duration::from_millis(300)));
    for metric in [
        "pcd_gateway_unexpected_acknowledgements_total",
        "pcd_gateway_late_results_total{outcome=\"accepted\"}",
        "pcd_gateway_late_results_total{outcome=\"refused\"}",
    ] {
        assert_eq!(scene.gateway().metric(metric), 0.0, "{metric}");
    }
    // The alarm itself stays accepted, and the next one follows.
    let last = Alarm { control_id: "ENDED", phase: Phase::End, ..alarm };
    device.write(&framed(&last.to_message()));
    assert_eq!(device.verdict().0, "CA");
    eventually("it arrives", || scene.arrived().contains(&"ENDED".to_owned()));
    let answers = scene.platform().cli().json(&["message", "list", "--limit", "10"]);
    assert!(answers.iter().any(|message| message["control-id"] == "A-STATUS-1"), "{answers:?}");
    assert_eq!(field(&String::from_utf8(scene.raw("A-STATUS-2")).unwrap(), "MSA", 2), "STATUS-2");
}
