//! A device that speaks through OpenSSL: both TLS versions, both kinds of certificate.

use pcd_platform::pki::KeyType;

use crate::harness::{Site, finish, framed, message, s_client};

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
            let peer = s_client(&site, platform.address, Some(&own), &[version]);
            let output = finish(peer, &frame, Some(b"\x1C\r"));
            let expected = format!("MSA|CA|{control_id}\r");
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                answer.starts_with('\u{b}') && answer.contains(&expected),
                "{version}: {}",
                output.text()
            );
        }
    }
    let stored = platform.cli().json(&["message", "list"]);
    assert_eq!(stored.len(), 4);
}
