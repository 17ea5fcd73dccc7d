//! The client's side with the server's side: what the verifier of a client gets, in pieces of any size.

use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::handshakes::Site;
use super::*;
use crate::tls::provider::{Settings, provider};
use crate::tls::status_request_v2::client::{self, WireKey};
use crate::tls::status_request_v2::hello::{CLIENT_HELLO, ClientHello};
use crate::tls::status_request_v2::messages::acknowledge_v2;
use crate::tls::status_request_v2::{accept, as_seen_by_client};

/// Notes the responses. The path is tested elsewhere; the signatures are verified, and with them the
/// transcript.
#[derive(Debug)]
struct Noting(WebPkiSupportedAlgorithms, Mutex<Vec<Vec<u8>>>);

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        given: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.1.lock().unwrap() = client::staples(given);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Verifies what the client has signed: in TLS 1.2 the messages as it has seen them.
#[derive(Debug)]
struct AsSeen(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AsSeen {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.verify_client_cert(certificate, others, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(&as_seen_by_client(message), certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn server(site: &Site, staples: &ChainStaples) -> Arc<ServerConfig> {
    let provider = Arc::new(provider(Settings::default()));
    let roots = Arc::new(site.roots());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(AsSeen(verifier.build().unwrap())))
        .with_cert_resolver(Arc::clone(&site.server(staples).cert_resolver));
    Arc::new(config)
}

/// What the client's verifier gets from a server with these staples, after words in both directions.
async fn noted(
    site: &Site,
    staples: &ChainStaples,
    versions: &[&'static SupportedProtocolVersion],
    piece: usize,
) -> Vec<Vec<u8>> {
    let provider = Arc::new(provider(Settings::default()));
    let noting = Arc::new(Noting(provider.signature_verification_algorithms, Mutex::default()));
    let own = CertifiedKey::from_der(site.chain.clone(), site.key(), &provider).unwrap();
    let own = CertifiedKey::new(own.cert.clone(), Arc::new(WireKey(own.key)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&noting) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.resumption = Resumption::disabled();
    let (near, far) = duplex(piece);
    let server = server(site, staples);
    let serve = async {
        let mut stream = accept(server, near).await.map_err(|(error, _)| error).unwrap();
        stream.write_all(b"word").await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream
    };
    let offers_v2 = versions.contains(&&TLS12);
    let connect = async {
        let name = ServerName::try_from("platform").unwrap();
        let mut stream = client::connect(Arc::new(config), name, offers_v2, far).await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(b"word").await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let both = async { tokio::join!(serve, connect) };
    tokio::time::timeout(std::time::Duration::from_secs(60), both).await.expect("no deadlock");
    std::mem::take(&mut noting.1.lock().unwrap())
}

#[tokio::test]
async fn b18_the_verifier_gets_the_response_of_each_certificate_in_pieces_of_any_size() {
    let site = Site::new();
    for places in [[Some(150), Some(250)], [Some(90), None], [Some(3000), Some(20_000)]] {
        let expected: Vec<_> = staples(&places)
            .responses()
            .iter()
            .map(|response| response.as_deref().unwrap_or_default().to_vec())
            .collect();
        for versions in [&[&TLS12][..], &[&TLS13], &[&TLS12, &TLS13]] {
            for piece in [10, 1000, 100_000] {
                let noted = noted(&site, &staples(&places), versions, piece).await;
                assert!(noted == expected, "{versions:?} {piece} {:?}", noted.iter().map(Vec::len));
            }
        }
    }
    // A server without any response acknowledges neither extension.
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let noted = noted(&site, &staples(&[None, None]), versions, 1000).await;
        assert!(noted.iter().all(Vec::is_empty), "{versions:?}");
    }
}

#[test]
fn b18_extension_17_comes_first_and_asks_for_a_list() {
    let original = hello(0x0303, &[necessary(), vec![status_request()]].concat());
    let offered = client::offer_v2(&original).unwrap();
    assert_eq!((offered[0], offered.len()), (CLIENT_HELLO, original.len() + 20));
    let request = ClientHello::read(&offered).unwrap().status_request(true, true).unwrap();
    assert_eq!(request.v2_items, [StatusRequestItem::OcspMulti, StatusRequestItem::Ocsp]);
    assert!(request.status_request, "for servers that know RFC 6066 only");
    assert!(client::offer_v2(&offered).is_none(), "once");
}

#[test]
fn b18_the_answers_of_the_server_become_those_of_extension_5_and_back() {
    let server_hello = |extensions: &[(u16, &[u8])]| {
        let extensions: Vec<u8> =
            extensions.iter().flat_map(|(kind, content)| extension(*kind, content)).collect();
        let head = [&[3, 3][..], &[7; 32], &[0], &[0xc0, 0x2c, 0]].concat();
        handshake(2, &[head, vector::<2>(&extensions)].concat())
    };
    let wire = server_hello(&[(0xff01, &[0]), (17, &[])]);
    let seen = client::without_v2(&wire).unwrap();
    assert_eq!(seen, server_hello(&[(0xff01, &[0]), (5, &[])]));
    assert_eq!(acknowledge_v2(&seen), Some(wire));
    for other in [
        server_hello(&[(5, &[])]),
        server_hello(&[(17, &[1])]),
        server_hello(&[(17, &[]), (5, &[])]),
        server_hello(&[(17, &[]), (17, &[])]),
        server_hello(&[(43, &[3, 4]), (17, &[])]),
    ] {
        assert_eq!(client::without_v2(&other), None, "left to rustls");
    }
}
