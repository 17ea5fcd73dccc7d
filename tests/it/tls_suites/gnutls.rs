//! `gnutls-cli`, which names its finite fields in TLS 1.2 as RFC 7919 says.

use std::io::Write as _;

use rustls::{CipherSuite, NamedGroup};

use super::server::{Server, Session, TLS12};
use super::site::{Leaf, SITE, installed};

fn talk(device: &Leaf, priority: &str) -> Result<Session, String> {
    let server = Server::start(TLS12);
    let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS1.2:{priority}");
    let mut client = SITE.command("gnutls-cli");
    client.args(["--logfile=gnutls.log", "--x509cafile", "roots.pem", "--priority", &priority]);
    client.args(["--x509certfile", &device.certificate_file, "--x509keyfile", &device.key_file]);
    client.args(["--port", &server.address.port().to_string(), "127.0.0.1"]);
    let mut client = installed(client.spawn(), "gnutls-bin");
    let _ = client.stdin.as_mut().unwrap().write_all(b"frame\n");
    let output = client.wait_with_output().unwrap();
    let session = server.session()?;
    let transcript = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(transcript.contains("frame"), "{transcript} {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(session.line, b"frame\n");
    assert_eq!(session.device.as_ref(), Some(&device.chain));
    Ok(session)
}

#[test]
fn a0_gnutls_exchanges_keys_in_every_finite_field() {
    for (name, group) in
        [("2048", NamedGroup::FFDHE2048), ("3072", NamedGroup::FFDHE3072), ("4096", NamedGroup::FFDHE4096)]
    {
        let priority = format!("-KX-ALL:+DHE-RSA:-GROUP-ALL:+GROUP-FFDHE{name}");
        for branch in [&SITE.ecc, &SITE.rsa] {
            let session = talk(&branch.device, &priority).unwrap();
            assert_eq!(session.suite, CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384);
            assert_eq!(session.group, group);
        }
    }
}

#[test]
fn a3_gnutls_gets_the_first_suite_that_it_offers() {
    let session =
        talk(&SITE.rsa.device, "-GROUP-ALL:+GROUP-SECP521R1:+GROUP-SECP384R1:+GROUP-FFDHE2048").unwrap();
    assert_eq!(session.suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    assert_eq!(session.group, NamedGroup::secp521r1);
    let session = talk(&SITE.rsa.device, "-KX-ALL:+ECDHE-RSA:+DHE-RSA").unwrap();
    assert_eq!(session.suite, CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384);
}
