//! `openssl s_client` as a device.

use std::net::SocketAddr;
use std::process::Command;

use pcd_platform::pki::KeyType;

use super::conversation::{Peer, in_every_suite};
use super::shared::{Device, Shared};
use super::suite::Suite;
use super::talk::{Talk, Writing};
use crate::harness::{command, message};

pub struct OpenSsl;

impl Peer for OpenSsl {
    const NAME: &'static str = "OPENSSL";
    const WRITING: Writing = Writing::Plain;

    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, more: &[&str]) -> Command {
        let mut openssl = command("openssl", "openssl");
        openssl
            .args(["s_client", "-connect", &to.to_string(), "-quiet", "-no_ign_eof", "-nocommands"])
            .args(["-verify_return_error", "-CAfile"])
            .arg(&shared.roots)
            .arg("-cert")
            .arg(&device.own.chain)
            .arg("-cert_chain")
            .arg(&device.own.chain)
            .arg("-key")
            .arg(&device.own.key);
        if suite.is_tls13() {
            openssl.args(["-tls1_3", "-ciphersuites", &format!("TLS_{}", suite.name)]);
        } else {
            openssl.args(["-tls1_2", "-cipher", &format!("{}:@SECLEVEL=0", name(suite))]);
        }
        openssl.args(more);
        openssl
    }
}

/// OpenSSL's name: `ECDHE-ECDSA-AES256-GCM-SHA384`.
pub fn name(suite: Suite) -> String {
    let dashed = suite.name.replace("_WITH_AES_", "_AES").replace("_CBC_", "_").replace('_', "-");
    dashed.replace("AES-", "AES")
}

#[test]
fn a3_openssl_with_an_ecc_certificate_in_every_suite() {
    in_every_suite::<OpenSsl>(KeyType::Ecc);
}

#[test]
fn a3_openssl_with_an_rsa_certificate_in_every_suite() {
    in_every_suite::<OpenSsl>(KeyType::Rsa);
}

/// Runs `s_client` with its interactive commands and its report, and has it connect.
fn reporting(shared: &Shared, device: &Device, version: &str) -> Talk {
    let mut openssl = command("openssl", "openssl");
    openssl
        .args(["s_client", version, "-connect", &shared.platform.address.to_string(), "-CAfile"])
        .arg(&shared.roots)
        .arg("-cert")
        .arg(&device.own.chain)
        .arg("-cert_chain")
        .arg(&device.own.chain)
        .arg("-key")
        .arg(&device.own.key);
    Talk::start(openssl, Writing::Plain)
}

#[test]
fn a2_renegotiation_is_secure_and_refused() {
    let shared = Shared::platform();
    let device = shared.device("RENEGOTIATION", KeyType::Ecc);
    let mut talk = reporting(&shared, &device, "-tls1_2");
    talk.write(&[b"\x0B", &*message(&device.name, "1"), b"\x1C\r"].concat());
    let report = String::from_utf8_lossy(&talk.frame().unwrap()).into_owned();
    // RFC 5746, RFC 7627, and no compression (CRIME).
    for line in ["Secure Renegotiation IS supported", "Extended master secret: yes", "Compression: NONE"] {
        assert!(report.contains(line), "{line}: {report}");
    }
    talk.write(b"R\n");
    // RFC 5246 7.2.2: the alert no_renegotiation, which OpenSSL makes an error of its own.
    let output = talk.end();
    assert!(output.contains("RENEGOTIATING") && output.contains("no renegotiation"), "{output}");

    let mut again = reporting(&shared, &device, "-tls1_2");
    again.write(&[b"\x0B", &*message(&device.name, "2"), b"\x1C\r"].concat());
    assert!(again.frame().is_ok(), "the platform goes on");
    assert_eq!(shared.platform.metric("pcd_panics_total"), 0.0);
}

#[test]
fn a2_tls_1_3_offers_no_early_data() {
    // RFC 8446 8: what comes before the handshake is over could be a replay.
    let shared = Shared::platform();
    let device = shared.device("EARLY", KeyType::Ecc);
    let mut talk = reporting(&shared, &device, "-tls1_3");
    talk.write(&[b"\x0B", &*message(&device.name, "1"), b"\x1C\r"].concat());
    let report = String::from_utf8_lossy(&talk.frame().unwrap()).into_owned() + &talk.end();
    assert!(report.contains("Post-Handshake New Session Ticket arrived"), "{report}");
    assert!(report.contains("Max Early Data: 0"), "{report}");
    assert!(!report.contains("Max Early Data: 1") && report.contains("Early data was not sent"), "{report}");
}
