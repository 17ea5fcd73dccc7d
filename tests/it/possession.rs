//! A copy of a certificate, without its key: it causes no query and no enrolment (A8, A9).

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use pcd_platform::pki::KeyType;
use rcgen::KeyPair;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme, SupportedProtocolVersion};

use crate::harness::{Credential, Device, Platform, Server, Site, eventually, message};
use crate::revocation::{certificate, refused, site};

const BAD_SIGNATURE: &str = r#"pcd_handshakes_total{reason="bad-signature",result="refused"}"#;

/// Sends a certificate, and signs with another key.
#[derive(Debug)]
struct Copied(Arc<CertifiedKey>);

impl ResolvesClientCert for Copied {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Connects with a copy of `own` until the platform closes the connection.
fn attack(site: &Site, platform: &Platform, own: &Credential, version: &'static SupportedProtocolVersion) {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let chain: Vec<_> = CertificateDer::pem_file_iter(&own.chain).unwrap().map(Result::unwrap).collect();
    let other = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(other).unwrap();
    let mut roots = RootCertStore::empty();
    for root in site.trust_anchors() {
        roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Copied(Arc::new(CertifiedKey::new(chain, key)))));
    let mut connection = ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
    let mut tcp = TcpStream::connect(platform.address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut tcp);
    let error = stream.read(&mut [0; 16]).unwrap_err();
    assert!(error.to_string().contains("DecryptError"), "{error}");
}

// A9.2: the responder is queried for a peer that has the key.
#[test]
fn a_copied_certificate_causes_no_query() {
    let responder = Server::start(Duration::ZERO, Arc::new(|_| None));
    let site = site(&["when-undetermined = \"accept\""]);
    let own = certificate(&site, "PUMP", &[responder.url("ocsp")], &[responder.url("crl")]);
    let platform = site.start();
    platform.admit("PUMP", &[]);
    let asked = || *responder.asked.lock().unwrap();
    for (number, version) in [&rustls::version::TLS12, &rustls::version::TLS13].into_iter().enumerate() {
        attack(&site, &platform, &own, version);
        let count = number as f64 + 1.0;
        eventually("it is refused", || platform.metric(BAD_SIGNATURE) == count);
        assert_eq!(asked(), 0, "{version:?}");
    }
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message("PUMP", "1")), "CA");
    assert!(asked() > 0, "the holder of the key causes the query");
}

// A8: only a peer that has the key is enrolled.
#[test]
fn a_copied_certificate_enrols_nothing() {
    let site = Site::new().with("devices", "unknown = \"enrol\"");
    let platform = site.start();
    let own = site.certificate("NEW", KeyType::Ecc);
    let devices = || platform.cli().json(&["device", "list"]).len();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        attack(&site, &platform, &own, version);
    }
    eventually("both are refused", || platform.metric(BAD_SIGNATURE) == 2.0);
    refused(&platform, "bad-signature");
    assert_eq!(devices(), 0);
    let connected = Device::connect(&site, platform.address, &own);
    assert!(connected.is_err() || connected.unwrap().send(message("NEW", "1")).is_err());
    eventually("the holder of the key is enrolled", || devices() == 1);
}
