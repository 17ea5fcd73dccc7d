//! A device that speaks through OpenSSL: both TLS versions, both kinds of certificate.

use pcd_platform::pki::KeyType;

use crate::harness::{Credential, Platform, Site, command, finish, message};

/// `openssl s_client` as a device; sends `frame` and stays until `ready` has come back.
fn s_client(
    site: &Site,
    platform: &Platform,
    own: &Credential,
    more: &[&str],
    frame: &[u8],
    ready: Option<&[u8]>,
) -> crate::harness::Finished {
    let mut openssl = command("openssl", "openssl");
    openssl
        .args(["s_client", "-connect", &platform.address.to_string(), "-quiet", "-no_ign_eof"])
        .args(["-verify_return_error", "-CAfile"])
        .arg(site.trust_bundle())
        .arg("-cert")
        .arg(&own.chain)
        .arg("-cert_chain")
        .arg(&own.chain)
        .arg("-key")
        .arg(&own.key)
        .args(more);
    finish(openssl, frame, ready)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [b"\x0B", message, b"\x1C\r"].concat()
}

#[test]
fn a2_a5_both_versions_with_both_kinds_of_certificate_are_acknowledged() {
    let site = Site::new();
    let platform = site.start();
    for (name, key) in [("MONITOR-ECC", KeyType::Ecc), ("MONITOR-RSA", KeyType::Rsa)] {
        let own = site.certificate(name, key);
        platform.admit(name, &[]);
        for version in ["-tls1_2", "-tls1_3"] {
            let control_id = format!("{name}{version}");
            let frame = framed(&message(name, &control_id));
            let said = s_client(&site, &platform, &own, &[version], &frame, Some(b"\x1C\r"));
            let expected = format!("MSA|CA|{control_id}\r");
            let answer = String::from_utf8_lossy(&said.stdout).into_owned();
            assert!(answer.starts_with('\u{b}') && answer.contains(&expected), "{version}: {}", said.text());
        }
    }
    let stored = platform.cli().json(&["message", "list"]);
    assert_eq!(stored.len(), 4);
}
