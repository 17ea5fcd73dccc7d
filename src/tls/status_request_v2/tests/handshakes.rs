//! Whole handshakes with rustls' own client, and flights that a raw client reads off the wire.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ContentType, HandshakeKind, RootCertStore, ServerConfig,
    SupportedCipherSuite, Tls13CipherSuite,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls::provider::{Settings, provider};
use crate::tls::status_request_v2::accept;
use crate::tls::status_request_v2::wire::Reader;
use crate::tls::{PlatformCertificates, PlatformIdentity};

/// A root, an issuing CA and a certificate for server and client.
pub(super) struct Site {
    root: CertificateDer<'static>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Site {
    pub(super) fn new() -> Self {
        let authority = || {
            let mut parameters = CertificateParams::new([]).unwrap();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (parameters, KeyPair::generate().unwrap())
        };
        let (root, root_key) = authority();
        let root_der = root.self_signed(&root_key).unwrap().der().clone();
        let root = Issuer::new(root, root_key);
        let (issuing, issuing_key) = authority();
        let issuing_der = issuing.signed_by(&issuing_key, &root).unwrap().der().clone();
        let issuing = Issuer::new(issuing, issuing_key);
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(["platform".to_owned()]).unwrap().signed_by(&key, &issuing).unwrap();
        Self { root: root_der, chain: vec![leaf.der().clone(), issuing_der], key: key.serialize_der() }
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.clone()).unwrap()
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }

    pub(super) fn server(&self, staples: &ChainStaples) -> Arc<ServerConfig> {
        let provider = Arc::new(provider(Settings::default()));
        let key = CertifiedKey::from_der(self.chain.clone(), self.key(), &provider).unwrap();
        let identity = PlatformIdentity::new(Some(Arc::new(key)), None).unwrap();
        identity.ecc().unwrap().set_staples(staples.clone());
        let certificates = PlatformCertificates::new(&provider, identity);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_cert_resolver(Arc::new(certificates));
        config.ignore_client_order = true;
        config.session_storage = ServerSessionMemoryCache::new(10);
        Arc::new(config)
    }

    /// A rustls client with one suite, which sends extension 5, and the handshake bytes that it decrypts in
    /// TLS 1.3.
    fn client(&self, suite: &str) -> (Arc<ClientConfig>, Decrypted) {
        let decrypted = Decrypted::default();
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|known| known.suite().as_str() == Some(suite));
        let tapped = provider.cipher_suites.iter().map(|suite| tapped(*suite, &decrypted)).collect();
        provider.cipher_suites = tapped;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(self.chain.clone(), self.key())
            .unwrap();
        (Arc::new(config), decrypted)
    }
}

/// Handshake bytes of TLS 1.3, as a client has decrypted them.
type Decrypted = Arc<Mutex<Vec<u8>>>;

struct Tap(&'static dyn Tls13AeadAlgorithm, Decrypted);

fn tapped(suite: SupportedCipherSuite, decrypted: &Decrypted) -> SupportedCipherSuite {
    let SupportedCipherSuite::Tls13(known) = suite else { return suite };
    SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
        common: rustls::crypto::CipherSuiteCommon { ..known.common },
        hkdf_provider: known.hkdf_provider,
        aead_alg: Box::leak(Box::new(Tap(known.aead_alg, Arc::clone(decrypted)))),
        quic: None,
    })))
}

impl Tls13AeadAlgorithm for Tap {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(TappedDecrypter(self.0.decrypter(key, iv), Arc::clone(&self.1)))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

struct TappedDecrypter(Box<dyn MessageDecrypter>, Decrypted);

impl MessageDecrypter for TappedDecrypter {
    fn decrypt<'a>(
        &mut self,
        message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, rustls::Error> {
        let plain = self.0.decrypt(message, sequence)?;
        if plain.typ == ContentType::Handshake {
            self.1.lock().unwrap().extend_from_slice(plain.payload);
        }
        Ok(plain)
    }
}

/// A handshake and one word in each direction; returns the kind of the handshake. At most `piece` bytes are
/// in transit, which must be more than a ChangeCipherSpec, which both ends send at once.
async fn converse(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, piece: usize) -> HandshakeKind {
    let (near, far) = duplex(piece);
    let serve = async {
        let mut stream = accept(Arc::clone(server), near).await.map_err(|(error, _)| error).unwrap();
        // The server writes first, so that the client reads the tickets.
        stream.write_all(b"word").await.unwrap();
        stream.flush().await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"word");
        stream
    };
    let connect = async {
        let name = ServerName::try_from("platform").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, far).await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(&word).await.unwrap();
        stream.flush().await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap()
    };
    let both = async { tokio::join!(serve, connect).1 };
    tokio::time::timeout(std::time::Duration::from_secs(60), both).await.expect("no deadlock")
}

const TLS12: &str = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
const TLS13: [&str; 3] =
    ["TLS13_AES_256_GCM_SHA384", "TLS13_AES_128_GCM_SHA256", "TLS13_CHACHA20_POLY1305_SHA256"];

/// The extensions of the entries in the first Certificate message.
fn entries(messages: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Reader::new(messages);
    while let Some((kind, body)) = messages.message() {
        if kind != 11 {
            continue;
        }
        let mut body = Reader::new(&body[1..]);
        let mut entries = Reader::new(body.vector::<3>().unwrap());
        let mut extensions = Vec::new();
        while !entries.is_empty() {
            entries.vector::<3>().unwrap();
            extensions.push(entries.vector::<2>().unwrap().to_vec());
        }
        return extensions;
    }
    Vec::new()
}

fn status(response: &[u8]) -> Vec<u8> {
    extension(5, &[&[1][..], &vector::<3>(response)].concat())
}

#[tokio::test]
async fn a10_in_tls_1_3_each_entry_has_its_response_with_every_suite() {
    let site = Site::new();
    // The second flight is larger than a record, and the third larger than two.
    for (leaf, issuer) in [(1500, 2500), (900, 20_000), (30_000, 20_000)] {
        let server = site.server(&staples(&[Some(leaf), Some(issuer)]));
        for suite in TLS13 {
            for piece in [100_000, 1000] {
                let (client, decrypted) = site.client(suite);
                assert_eq!(converse(&server, &client, piece).await, HandshakeKind::Full);
                let entries = entries(&decrypted.lock().unwrap());
                assert!(
                    entries == [status(&vec![1; leaf]), status(&vec![2; issuer])],
                    "{suite} {leaf} {issuer}"
                );
            }
        }
    }
    let server = site.server(&staples(&[None, Some(70)]));
    let (client, decrypted) = site.client(TLS13[0]);
    converse(&server, &client, 10).await;
    assert_eq!(entries(&decrypted.lock().unwrap()), [vec![], status(&[2; 70])]);
}

#[tokio::test]
async fn a10_a_hello_retry_request_keeps_the_staples() {
    // RFC 8446 4.1.4: the client offers a share of a group that this server lacks, then another.
    let site = Site::new();
    let mut server = Arc::into_inner(site.server(&staples(&[Some(50), Some(60)]))).unwrap();
    let mut provider = provider(Settings::default());
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.kx_groups.retain(|group| group.name() == rustls::NamedGroup::secp384r1);
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(site.roots()),
        Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    );
    let resolver = Arc::clone(&server.cert_resolver);
    server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_cert_resolver(resolver);
    let (client, decrypted) = site.client(TLS13[0]);
    let kind = converse(&Arc::new(server), &client, 5000).await;
    assert_eq!(kind, HandshakeKind::FullWithHelloRetryRequest);
    assert!(crate::model::take_hello_retry(), "noticed");
    assert_eq!(entries(&decrypted.lock().unwrap()), [status(&[1; 50]), status(&[2; 60])]);
}

#[tokio::test]
async fn a10_a_resumed_session_has_no_staples() {
    let site = Site::new();
    let server = site.server(&staples(&[Some(50), Some(60)]));
    for suite in [TLS12, TLS13[0]] {
        let (client, decrypted) = site.client(suite);
        assert_eq!(converse(&server, &client, 9).await, HandshakeKind::Full, "{suite}");
        decrypted.lock().unwrap().clear();
        assert_eq!(converse(&server, &client, 9).await, HandshakeKind::Resumed, "{suite}");
        assert_eq!(entries(&decrypted.lock().unwrap()), Vec::<Vec<u8>>::new());
    }
}

/// rustls passes the response of RFC 6066 to the client's verifier.
#[tokio::test]
async fn a10_a_client_of_rfc_6066_gets_the_end_entitys_response() {
    let site = Site::new();
    for (lengths, expected) in [([Some(400), Some(60)], 400), ([None, Some(60)], 0), ([None, None], 0)] {
        let server = site.server(&staples(&lengths));
        let (client, _) = site.client(TLS12);
        let response = Arc::new(Mutex::new(None));
        let mut client = Arc::into_inner(client).unwrap();
        client.resumption = Resumption::disabled();
        client.dangerous().set_certificate_verifier(Arc::new(RecordingVerifier(Arc::clone(&response))));
        converse(&server, &Arc::new(client), 3).await;
        assert_eq!(response.lock().unwrap().take(), Some(vec![1; expected]));
    }
}

/// Records the response and accepts every certificate.
#[derive(Debug)]
struct RecordingVerifier(Arc<Mutex<Option<Vec<u8>>>>);

impl rustls::client::danger::ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        response: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        self.0.lock().unwrap().replace(response.to_vec());
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Sends these bytes to a server and reads what it says until it waits or ends: the messages of its flight in
/// the clear, or its alert.
async fn flight(server: Arc<ServerConfig>, bytes: &[u8], piece: usize) -> (Vec<u8>, Option<u8>) {
    let (near, mut far) = duplex(piece);
    let serving = tokio::spawn(async move {
        let (_, mut io) = accept(server, near).await.map(|_| ()).unwrap_err();
        io.shutdown().await.unwrap();
    });
    let (mut reader, mut writer) = tokio::io::split(&mut far);
    let send = async { writer.write_all(bytes).await };
    let (_, answer) = tokio::join!(send, read_flight(&mut reader));
    drop(far);
    serving.await.unwrap();
    answer
}

async fn read_flight(from: &mut tokio::io::ReadHalf<&mut DuplexStream>) -> (Vec<u8>, Option<u8>) {
    let mut messages = Vec::new();
    loop {
        let mut header = [0; 5];
        if from.read_exact(&mut header).await.is_err() {
            return (messages, None);
        }
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        from.read_exact(&mut body).await.unwrap();
        match header[0] {
            22 => messages.extend(body),
            21 => return (messages, body.get(1).copied()),
            _ => return (messages, None),
        }
        // ServerHelloDone
        if messages.ends_with(&[14, 0, 0, 0]) {
            return (messages, None);
        }
    }
}

/// The extensions of a flight's ServerHello, and the body of its CertificateStatus.
pub(super) fn status_in(messages: &[u8]) -> (Vec<usize>, Option<Vec<u8>>) {
    let mut messages = Reader::new(messages);
    let (mut kinds, mut status) = (Vec::new(), None);
    while let Some((kind, body)) = messages.message() {
        if kind == 22 {
            assert_eq!(status.replace(body.to_vec()), None, "there is one");
        }
        if kind == 2 {
            let mut body = Reader::new(&body[34..]);
            body.vector::<1>().unwrap();
            body.take(3).unwrap();
            let mut extensions = Reader::new(body.vector::<2>().unwrap());
            while !extensions.is_empty() {
                kinds.push(extensions.uint::<2>().unwrap());
                assert!(
                    [5, 17].contains(kinds.last().unwrap()) <= extensions.vector::<2>().unwrap().is_empty()
                );
            }
        }
    }
    (kinds, status)
}

#[tokio::test]
async fn a10_exactly_one_of_5_and_17_is_acknowledged_and_17_is_preferred() {
    let site = Site::new();
    let list = |issuer: usize| {
        [&[2][..], &vector::<3>(&[vector::<3>(&[1; 40]), vector::<3>(&vec![2; issuer])].concat())].concat()
    };
    let single = [&[1][..], &vector::<3>(&[1; 40])].concat();
    let cases = [
        (vec![], None, None),
        (vec![status_request()], Some(5), Some(single.clone())),
        (vec![v2(&[2])], Some(17), Some(list(60))),
        (vec![v2(&[1])], Some(17), Some(single.clone())),
        (vec![v2(&[2]), status_request()], Some(17), Some(list(60))),
        (vec![status_request(), v2(&[1, 2])], Some(17), Some(single.clone())),
        (vec![status_request(), v2(&[7, 2, 1])], Some(17), Some(list(60))),
        (vec![status_request(), v2(&[7])], Some(5), Some(single)),
        (vec![v2(&[7])], None, None),
    ];
    let none = site.server(&ChainStaples::none(2));
    let server = site.server(&staples(&[Some(40), Some(60)]));
    for (extensions, acknowledged, status) in cases {
        let hello = in_records(&hello(0x0303, &[necessary(), extensions.clone()].concat()), 50);
        for piece in [100_000, 1] {
            let (kinds, sent) = status_in(&flight(Arc::clone(&server), &hello, piece).await.0);
            let acknowledgements: Vec<_> = kinds.into_iter().filter(|kind| [5, 17].contains(kind)).collect();
            assert_eq!(acknowledgements, Vec::from_iter(acknowledged), "{extensions:02x?}");
            assert_eq!(sent, status, "{extensions:02x?}");
        }
        let (kinds, sent) = status_in(&flight(Arc::clone(&none), &hello, 1000).await.0);
        assert!(!kinds.iter().any(|kind| [5, 17].contains(kind)) && sent.is_none(), "{extensions:02x?}");
    }
    // Larger than a record.
    let server = site.server(&staples(&[Some(40), Some(50_000)]));
    let hello = in_records(&hello(0x0303, &[necessary(), vec![v2(&[2])]].concat()), 16_384);
    assert_eq!(status_in(&flight(server, &hello, 777).await.0).1, Some(list(50_000)));
}

#[tokio::test]
async fn a10_an_unacceptable_hello_gets_its_alert_before_anything_else() {
    let site = Site::new();
    let server = site.server(&staples(&[Some(40), Some(60)]));
    let alert = async |message: Vec<u8>| flight(Arc::clone(&server), &in_records(&message, 20), 64).await;
    let malformed = hello(0x0303, &[necessary(), vec![(17, vec![0, 1, 2])]].concat());
    assert_eq!(alert(malformed).await, (vec![], Some(50)), "decode_error");
    // rustls sends the same alert for a malformed extension 5.
    let malformed = hello(0x0303, &[necessary(), vec![(5, vec![1, 9])]].concat());
    assert_eq!(alert(malformed).await, (vec![], Some(50)), "decode_error");
    // A2: neither hello has signature_algorithms, and each gets the alert for its fault.
    assert_eq!(alert(hello(0x0302, &[])).await, (vec![], Some(70)), "protocol_version");
    assert_eq!(alert(hello(0x0303, &[])).await, (vec![], Some(40)), "handshake_failure");
}

#[tokio::test]
async fn without_a_rewriter_rustls_staples_by_rfc_6066() {
    let both = ChainStaples::new(vec![Some(Bytes::from_static(b"leaf")), Some(Bytes::from_static(b"ca"))]);
    assert_eq!(crate::tls::status_request_v2::response_for_rustls(2, &both), Some(b"leaf".to_vec()));
    assert_eq!(*crate::tls::status_request_v2::as_seen_by_client(b"messages"), *b"messages");
}
