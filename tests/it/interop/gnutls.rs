//! `gnutls-cli` as a device.

use std::net::SocketAddr;
use std::process::Command;

use pcd_platform::pki::KeyType;

use super::conversation::{Peer, in_every_suite};
use super::shared::{Device, Shared};
use super::suite::Suite;
use super::talk::Writing;
use crate::harness::command;

pub struct GnuTls;

impl Peer for GnuTls {
    const NAME: &'static str = "GNUTLS";
    const WRITING: Writing = Writing::Plain;

    /// `more` goes to the end of the priority string.
    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, more: &[&str]) -> Command {
        let mut gnutls = command("gnutls-cli", "gnutls-bin");
        // What it has to say must not be mixed with what it has received.
        gnutls
            .arg("--logfile=/dev/stderr")
            .arg("--x509cafile")
            .arg(&shared.roots)
            .arg("--x509certfile")
            .arg(&device.own.chain)
            .arg("--x509keyfile")
            .arg(&device.own.key)
            .args(["--priority", &priority(suite, more)])
            .args(["--port", &to.port().to_string(), &to.ip().to_string()]);
        gnutls
    }
}

/// The priority string that leaves this one suite, and more at its end.
fn priority(suite: Suite, more: &[&str]) -> String {
    let (version, key_exchange, record) = match suite.name.split_once("_WITH_") {
        Some((key_exchange, record)) => {
            ("1.2", format!("-KX-ALL:+{}:", key_exchange.replace('_', "-")), record)
        }
        None => ("1.3", String::new(), suite.name),
    };
    let (cipher, hash) = record.rsplit_once('_').unwrap();
    let mac = match hash {
        _ if cipher.ends_with("GCM") => "AEAD",
        "SHA" => "SHA1",
        hash => hash,
    };
    let cipher = cipher.replace('_', "-");
    let only =
        format!("NORMAL:-VERS-ALL:+VERS-TLS{version}:{key_exchange}-CIPHER-ALL:+{cipher}:-MAC-ALL:+{mac}");
    [&[only.as_str()], more].concat().join(":")
}

#[test]
fn a3_gnutls_with_an_ecc_certificate_in_every_suite() {
    in_every_suite::<GnuTls>(KeyType::Ecc);
}

#[test]
fn a3_gnutls_with_an_rsa_certificate_in_every_suite() {
    in_every_suite::<GnuTls>(KeyType::Rsa);
}
