//! Java's own TLS as a device: `tests/peers/JsseDevice.java`.

use std::net::SocketAddr;
use std::process::Command;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use super::conversation::{Peer, in_every_suite};
use super::shared::{Device, Shared};
use super::suite::Suite;
use super::talk::Writing;
use crate::harness::{Credential, finish, java};

pub struct Jsse;

impl Peer for Jsse {
    const NAME: &'static str = "JSSE";
    const WRITING: Writing = Writing::Counted;
    const TLS13_PADDING: usize = 16;

    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, more: &[&str]) -> Command {
        let mut java = java("JsseDevice", &[], more);
        java.arg(device.pkcs12()).arg(Credential::PASSWORD).arg(&shared.roots);
        java.args([to.ip().to_string(), to.port().to_string()]);
        java.arg(if suite.is_tls13() { "TLSv1.3" } else { "TLSv1.2" }).arg(format!("TLS_{}", suite.name));
        java
    }
}

/// IHE PCD TF vol. 2, 3.4 and B.1: alert reports, alone and in a batch, of a sender that knows nothing of our
/// code.
#[test]
fn b1_alerts_and_a_batch_of_a_java_client_are_acknowledged_as_they_ask() {
    let shared = Shared::platform();
    let device = shared.device("JAVA-ALERTS", KeyType::Ecc);
    let to = shared.platform.address;
    let mut java = java("AlertDevice", &[], &[]);
    java.arg(device.pkcs12()).arg(Credential::PASSWORD).arg(&shared.roots);
    java.args([to.ip().to_string(), to.port().to_string(), device.name.clone()]);
    let output = finish(java, b"", None);
    assert!(output.success, "{}\n{}", output.text(), shared.platform.log());
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    let expected = [
        // In an alert report MSH-16 does not ask for an application acknowledgement.
        ["AL-AL", "CA", "J1", "ACK^R40^ACK", ""],
        ["AL-NE", "CA", "J2", "ACK^R40^ACK", ""],
        ["original", "AA", "J3", "ACK^R40^ACK", ""],
        ["stranger", "CR", "J4", "ACK^R40^ACK", "207"],
        // Each message of a batch as it asks, in their order.
        ["batch", "CA", "J5", "ACK^R40^ACK", ""],
        ["batch", "CA", "J6", "ACK^R01^ACK", ""],
        ["batch", "AA", "J6", "ACK^R01^ACK", ""],
        ["batch", "AA", "J7", "ACK^R40^ACK", ""],
        ["resent", "CA", "J1", "ACK^R40^ACK", ""],
    ];
    assert_eq!(
        rows.iter().map(|line| &line[..5]).collect::<Vec<_>>(),
        expected.each_ref().map(|line| &line[..])
    );
    // The acknowledgement of a resend is the first one: also its own MSH-10.
    assert_eq!(rows[0][5], rows[8][5]);

    let listed = shared.platform.cli().json(&["message", "list", "--device", &device.name]);
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let kept: Vec<_> = listed
        .iter()
        .rev()
        .map(|row| [&row["control-id"], &row["transaction"], &row["rejection"]].map(text))
        .collect();
    let kept: Vec<_> = kept.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    assert_eq!(
        kept,
        [
            ["J1", "PCD-04", ""],
            ["J2", "PCD-04", ""],
            ["J3", "PCD-04", ""],
            ["J4", "PCD-04", "identity-mismatch"],
            ["J5", "PCD-04", ""],
            ["J6", "PCD-01", ""],
            ["J7", "PCD-04", ""],
        ]
    );
}

#[test]
fn a3_jsse_with_an_ecc_certificate_in_every_suite() {
    in_every_suite::<Jsse>(KeyType::Ecc);
}

#[test]
fn a3_jsse_with_an_rsa_certificate_in_every_suite() {
    in_every_suite::<Jsse>(KeyType::Rsa);
}
