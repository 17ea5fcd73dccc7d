//! `openssl s_client` against the platform's suites.

use std::io::Write as _;

use CipherSuite as S;
use NamedGroup as G;
use pcd_platform::tls::provider::Settings;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};

use super::server::{Server, Session, TLS12};
use super::site::{Leaf, SITE, installed};

/// The suites in the specification's order, by OpenSSL's names.
const SUITES: [(&str, CipherSuite); 7] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("DHE-RSA-AES256-GCM-SHA384", S::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-SHA256", S::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256),
    ("DHE-RSA-AES128-SHA256", S::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256),
    ("ECDHE-ECDSA-AES256-SHA", S::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA),
    ("DHE-RSA-AES256-SHA256", S::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256),
];

/// Connects, sends a long line and returns what came back, with what the server saw. OpenSSL checks the
/// platform's certificate against the site's roots, and shows the device's if there is one.
fn talk(settings: Settings, device: Option<&Leaf>, arguments: &[&str]) -> Result<Session, String> {
    let server = Server::start(settings);
    let mut client = SITE.command("openssl");
    client.args(["s_client", "-quiet", "-verify_return_error", "-CAfile", "roots.pem", "-connect"]);
    client.arg(server.address.to_string()).args(arguments);
    if let Some(device) = device {
        client.args(["-cert", &device.certificate_file, "-key", &device.key_file]);
    }
    let mut client = installed(client.spawn(), "openssl");
    let line = [&[b'x'; 20_000][..], b"\n"].concat();
    // A client that was refused no longer reads.
    let _ = client.stdin.as_mut().unwrap().write_all(&line);
    let output = client.wait_with_output().unwrap();
    let session = server.session()?;
    assert_eq!(output.stdout, line, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(session.line, line);
    Ok(session)
}

fn cipher(names: &str) -> String {
    format!("{names}:@SECLEVEL=0")
}

#[test]
fn a3_every_suite_carries_data_both_ways() {
    for (name, suite) in SUITES {
        let session = talk(TLS12, None, &["-tls1_2", "-cipher", &cipher(name)]).unwrap();
        assert_eq!((session.version, session.suite), (ProtocolVersion::TLSv1_2, suite));
    }
}

#[test]
fn a3_the_server_s_order_counts_and_the_client_s_does_not() {
    for first in 0..SUITES.len() {
        let offered = &SUITES[first..];
        let reversed: Vec<_> = offered.iter().rev().map(|(name, _)| *name).collect();
        let session = talk(TLS12, None, &["-tls1_2", "-cipher", &cipher(&reversed.join(":"))]).unwrap();
        assert_eq!(session.suite, offered[0].1);
    }
    let session = talk(TLS12, None, &["-tls1_2", "-cipher", &cipher("ALL")]).unwrap();
    assert_eq!(session.suite, SUITES[0].1);
}

#[test]
fn a3_the_optional_suite_can_be_off() {
    let without = Settings { ecdhe_rsa: false, ..TLS12 };
    let [_, dhe, ecdhe_rsa, ..] = SUITES;
    assert!(talk(without, None, &["-tls1_2", "-cipher", &cipher(ecdhe_rsa.0)]).is_err());
    let both = format!("{}:{}", ecdhe_rsa.0, dhe.0);
    assert_eq!(talk(without, None, &["-tls1_2", "-cipher", &cipher(&both)]).unwrap().suite, dhe.1);
}

#[test]
fn a0_a_client_gets_the_finite_field_that_it_names() {
    // OpenSSL names finite fields only when it offers TLS 1.3 as well.
    let dhe = cipher(SUITES[1].0);
    for (name, group) in
        [("ffdhe2048", G::FFDHE2048), ("ffdhe3072", G::FFDHE3072), ("ffdhe4096", G::FFDHE4096)]
    {
        let session = talk(TLS12, None, &["-groups", name, "-cipher", &dhe]).unwrap();
        assert_eq!((session.suite, session.group), (SUITES[1].1, group));
    }
    let session = talk(TLS12, None, &["-groups", "ffdhe8192:ffdhe4096:ffdhe2048", "-cipher", &dhe]).unwrap();
    assert_eq!(session.group, G::FFDHE4096, "the first that the server has, in the client's order");
}

#[test]
fn a0_a_client_that_names_no_finite_field_gets_ffdhe2048() {
    let dhe = cipher(SUITES[1].0);
    assert_eq!(talk(TLS12, None, &["-tls1_2", "-cipher", &dhe]).unwrap().group, G::FFDHE2048);
    assert_eq!(talk(TLS12, None, &["-groups", "P-256", "-cipher", &dhe]).unwrap().group, G::FFDHE2048);
}

#[test]
fn a0_a_client_that_names_other_finite_fields_gets_a_curve_or_handshake_failure() {
    let [_, dhe, ecdhe_rsa, ..] = SUITES;
    let both = cipher(&format!("{}:{}", dhe.0, ecdhe_rsa.0));
    let session = talk(TLS12, None, &["-groups", "ffdhe8192:P-384", "-cipher", &both]).unwrap();
    assert_eq!((session.suite, session.group), (ecdhe_rsa.1, G::secp384r1));

    let server = Server::start(TLS12);
    let mut client = SITE.command("openssl");
    client.args([
        "s_client",
        "-groups",
        "ffdhe8192",
        "-cipher",
        &both,
        "-connect",
        &server.address.to_string(),
    ]);
    let client = installed(client.spawn(), "openssl").wait_with_output().unwrap();
    let transcript = String::from_utf8_lossy(&client.stderr).into_owned();
    assert!(transcript.contains("SSL alert number 40"), "{transcript}");
    assert!(server.session().is_err());
}

#[test]
fn a0_the_nist_curves_exchange_keys_in_both_versions() {
    // P-384 besides: in TLS 1.2 a client verifies certificates only on curves that it names.
    let curves = [("P-256:P-384", G::secp256r1), ("P-384", G::secp384r1), ("P-521:P-384", G::secp521r1)];
    for (name, group) in curves {
        for (flag, version) in [("-tls1_2", ProtocolVersion::TLSv1_2), ("-tls1_3", ProtocolVersion::TLSv1_3)]
        {
            let session = talk(Settings::default(), None, &[flag, "-groups", name]).unwrap();
            assert_eq!((session.version, session.group), (version, group));
        }
    }
}

#[test]
fn a3_a_client_that_does_not_know_the_curve_of_the_ecc_certificate_gets_the_rsa_one() {
    let session = talk(TLS12, None, &["-tls1_2", "-groups", "P-256"]).unwrap();
    assert_eq!(session.suite, SUITES[1].1);
    let session = talk(TLS12, None, &["-tls1_2", "-groups", "P-256", "-cipher", SUITES[2].0]).unwrap();
    assert_eq!((session.suite, session.group), (SUITES[2].1, G::secp256r1));
}

#[test]
fn a5_a_client_that_knows_only_one_kind_of_certificate_gets_that_one() {
    for version in ["-tls1_2", "-tls1_3"] {
        for (algorithms, root) in [("ECDSA+SHA384", "ecc-root.pem"), ("RSA-PSS+SHA256", "rsa-root.pem")] {
            let knows = ["-sigalgs", algorithms, "-CAfile", root];
            talk(Settings::default(), None, &[&[version][..], &knows].concat()).unwrap();
        }
    }
}

#[test]
fn a0_a_device_s_key_may_be_of_either_kind_whatever_the_suite() {
    for (name, suite) in SUITES {
        for branch in [&SITE.ecc, &SITE.rsa] {
            let arguments = ["-tls1_2", "-cipher", &cipher(name)];
            let session = talk(TLS12, Some(&branch.device), &arguments).unwrap();
            assert_eq!(session.suite, suite);
            // OpenSSL finds the root in its file and sends it along.
            assert_eq!(session.device.unwrap().first(), branch.device.chain.first());
        }
    }
}

#[test]
fn a2_nothing_below_tls_1_2_is_spoken() {
    for version in ["-tls1", "-tls1_1"] {
        let refused = talk(Settings::default(), None, &[version, "-cipher", &cipher("ALL")]);
        assert!(refused.is_err(), "{version}");
    }
}
