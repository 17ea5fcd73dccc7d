//! ClientHellos that TLS allows and the TLS library of the platform refuses.

use pcd_platform::pki::KeyType;

use super::hello::{Hello, in_records, send};
use crate::harness::{Site, alert, eventually, finish, framed, message, s_client};

// RFC 6066 3: the platform has one name, whatever a device calls it.
#[test]
fn an_unusable_server_name_is_ignored_by_openssls_client() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("PUMP", &[]);
    let own = site.certificate("PUMP", KeyType::Ecc);
    for name in [" ", "*.ward", "-ward", "ward 7", "platform.example"] {
        for version in ["-tls1_2", "-tls1_3"] {
            let arguments = [version, "-servername", name, "-status"];
            let command = s_client(&site, platform.address, Some(&own), &arguments);
            let output = finish(command, &framed(&message("PUMP", "1")), Some(b"MSA|"));
            assert_eq!(alert(&output), None, "{name:?} {version}: {}", output.text());
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(answer.contains("MSA|"), "{name:?} {version}: {}", output.text());
        }
    }
    assert_eq!(platform.metric("pcd_panics_total"), 0.0);
}

// RFC 8446 4.1.2: the second ClientHello repeats the name.
#[test]
fn an_unusable_server_name_is_ignored_after_a_hello_retry_request_too() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("PUMP", &[]);
    let own = site.certificate("PUMP", KeyType::Ecc);
    for name in [" ", "*.ward", "-ward", "platform.example"] {
        // The platform does not know the first group, for which OpenSSL sends a key.
        let arguments = ["-tls1_3", "-groups", "X448:P-256", "-servername", name, "-status", "-msg"];
        let command = s_client(&site, platform.address, Some(&own), &arguments);
        let output = finish(command, &framed(&message("PUMP", "1")), Some(b"MSA|"));
        assert_eq!(alert(&output), None, "{name:?}: {}", output.text());
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains("MSA|"), "{name:?}: {}", output.text());
        assert_eq!(output.text().matches(", ClientHello").count(), 2, "{}", output.text());
    }
    assert_eq!(platform.metric("pcd_panics_total"), 0.0);
}

// RFC 8422 4
#[test]
fn a_client_without_supported_groups_gets_a_curve_in_tls_1_2() {
    let site = Site::new();
    let platform = site.start();
    for (suites, suite) in
        [(&[0xc02c][..], Some(0xc02c)), (&[0xc030], Some(0xc030)), (&[0x009f], Some(0x009f))]
    {
        let hello = Hello {
            version: 0x0303,
            suites: suites.to_vec(),
            groups: Vec::new(),
            compression: &[0],
            padding: 0,
        };
        let answer = send(platform.address, &in_records(&hello.message_without_groups()));
        assert_eq!(answer.suite(), suite, "{suites:x?}: {:?}", answer.alert());
        // ECParameters of ServerKeyExchange: named_curve, secp256r1 (RFC 8422 section 5.4).
        let exchange = [3, 0, 23, 65, 4];
        let has_curve = answer.bytes.windows(exchange.len()).any(|window| window == exchange);
        assert_eq!(has_curve, suite != Some(0x009f), "{suites:x?}");
    }
}

// RFC 5246 7.4.1.4.1: in TLS 1.2 the digest says nothing about the curve. The platform's key is on P-256.
#[test]
fn ecdsa_with_sha_384_is_possible_with_a_key_on_p_256_in_tls_1_2_alone() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("PUMP", &[]);
    let own = site.certificate("PUMP", KeyType::Ecc);
    let outcome = |version: &str| {
        let arguments =
            [version, "-sigalgs", "ECDSA+SHA384", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=1"];
        let command = s_client(&site, platform.address, Some(&own), &arguments);
        finish(command, &framed(&message("PUMP", "1")), Some(b"MSA|"))
    };
    let served = outcome("-tls1_2");
    assert!(String::from_utf8_lossy(&served.stdout).contains("MSA|"), "{}", served.text());
    assert_eq!(alert(&outcome("-tls1_3")), Some(40), "TLS 1.3 ties the digest to the curve");
}

// RFC 5746 3.6: the first ClientHello of a connection renegotiates nothing.
#[test]
fn a_first_client_hello_that_renegotiates_gets_handshake_failure() {
    let site = Site::new();
    let platform = site.start();
    let hello = Hello {
        version: 0x0303,
        suites: vec![0xc02c, 0xc030],
        groups: vec![23],
        compression: &[0],
        padding: 0,
    };
    let with = |content: &[u8]| send(platform.address, &in_records(&hello.message_with(0xff01, content)));
    assert_eq!(with(&[0]).suite(), Some(0xc02c));
    for content in [&[1, 7][..], &[12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] {
        assert_eq!(with(content).alert(), Some(40), "{content:?}");
    }
    let counter = "pcd_handshakes_total{reason=\"protocol-violation\",result=\"refused\"}";
    eventually("both are counted", || platform.metric(counter) == 2.0);
}
