//! `openssl s_client` as a device.

use std::net::SocketAddr;
use std::process::Command;

use pcd_platform::pki::KeyType;

use crate::conversation::{Peer, in_every_suite};
use crate::harness::command;
use crate::shared::{Device, Shared};
use crate::suite::Suite;
use crate::talk::Writing;

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
