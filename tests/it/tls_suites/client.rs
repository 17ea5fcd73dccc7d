//! The same provider on the client's side, as the reference client uses it. `// B13, B14`

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::sync::Arc;

use pcd_platform::tls::provider::{Settings, Versions, provider};
use rustls::{CipherSuite, ClientConfig, ClientConnection, NamedGroup, ProtocolVersion};

use super::server::{Server, TLS12};
use super::site::{Branch, SITE, installed};

/// A client that offers TLS 1.2 suites from `from` on, with the certificate of a device.
fn client(settings: Settings, from: usize, device: &Branch) -> ClientConnection {
    let mut provider = provider(settings);
    provider.cipher_suites.drain(..from);
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(settings.versions.protocol_versions())
        .unwrap()
        .with_root_certificates(SITE.roots())
        .with_client_auth_cert(device.device.chain.clone(), device.device.private())
        .unwrap();
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

fn talk(connection: &mut ClientConnection, address: &str, answer: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut tls = rustls::Stream::new(connection, &mut stream);
    tls.write_all(b"frame\n").unwrap();
    let mut buffer = vec![0; answer.len()];
    tls.read_exact(&mut buffer).unwrap();
    assert_eq!(buffer, answer);
}

#[test]
fn b14_client_and_server_agree_on_every_suite() {
    let specified = provider(TLS12).cipher_suites;
    for (from, suite) in specified.iter().enumerate() {
        let server = Server::start(TLS12);
        let mut connection = client(TLS12, from, &SITE.ecc);
        talk(&mut connection, &server.address.to_string(), b"frame\n");
        assert_eq!(server.session().unwrap().suite, suite.suite());
    }
}

#[test]
fn b13_client_and_server_speak_the_best_version_that_both_have() {
    let with = |versions| Settings { versions, ..TLS12 };
    let both = with(Versions::Tls12AndTls13);
    for (settings, version) in [
        (with(Versions::Tls12), ProtocolVersion::TLSv1_2),
        (with(Versions::Tls13), ProtocolVersion::TLSv1_3),
        (both, ProtocolVersion::TLSv1_3),
    ] {
        for (ours, theirs) in [(settings, both), (both, settings)] {
            let server = Server::start(theirs);
            talk(&mut client(ours, 0, &SITE.rsa), &server.address.to_string(), b"frame\n");
            assert_eq!(server.session().unwrap().version, version);
        }
    }
}

/// `openssl s_server` with one of the platform's certificates; it answers each line backwards.
struct Opposite {
    process: Child,
    address: String,
}

impl Opposite {
    fn start(branch: &Branch, arguments: &[&str]) -> Self {
        let mut command = SITE.command("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-Verify", "1", "-verify_return_error"]);
        command.args(["-CAfile", "roots.pem", "-cert", &branch.platform.certificate_file]);
        command.args(["-key", &branch.platform.key_file]).args(arguments);
        let mut process = installed(command.stderr(std::process::Stdio::null()).spawn(), "openssl");
        let address = BufReader::new(process.stdout.as_mut().unwrap())
            .lines()
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(ToOwned::to_owned))
            .unwrap();
        Self { process, address }
    }
}

impl Drop for Opposite {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn b14_openssl_serves_every_suite() {
    for (suite, name, branch) in [
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384", &SITE.ecc),
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", &SITE.rsa),
    ] {
        let opposite = Opposite::start(branch, &["-cipher", name, "-tls1_2", "-groups", "P-521"]);
        let mut connection = client(TLS12, 0, &SITE.rsa);
        talk(&mut connection, &opposite.address, b"emarf\n");
        assert_eq!(connection.negotiated_cipher_suite().unwrap().suite(), suite);
        assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::secp521r1);
    }
}

#[test]
fn b14_openssl_serves_dhe_in_every_finite_field() {
    for (name, group) in [
        ("ffdhe2048", NamedGroup::FFDHE2048),
        ("ffdhe3072", NamedGroup::FFDHE3072),
        ("ffdhe4096", NamedGroup::FFDHE4096),
    ] {
        let parameters = format!("{name}.pem");
        let option = format!("group:{name}");
        let mut generate = SITE.command("openssl");
        generate.args(["genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", &option, "-out", &parameters]);
        assert!(installed(generate.status(), "openssl").success());
        let cipher = ["-cipher", "DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0", "-tls1_2", "-dhparam", &parameters];
        let opposite = Opposite::start(&SITE.rsa, &cipher);
        let mut connection = client(TLS12, 0, &SITE.ecc);
        talk(&mut connection, &opposite.address, b"emarf\n");
        assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), group);
    }
}
