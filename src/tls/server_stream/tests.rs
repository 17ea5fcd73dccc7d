use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuiteCommon, ClientConfig, ClientConnection, ConnectionTrafficSecrets, RootCertStore,
    SupportedCipherSuite, SupportedProtocolVersion, Tls12CipherSuite,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::tls::provider::{Settings, provider};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    configs_with(version, provider(Settings::default()))
}

fn configs_with(
    version: &'static SupportedProtocolVersion,
    provider: CryptoProvider,
) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["platform".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    // A small pipe has no room for tickets, which a client reads with the first message.
    server.send_tls13_tickets = 0;
    let client = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// A connection over a pipe that holds so many bytes.
async fn connect(
    version: &'static SupportedProtocolVersion,
    pipe: usize,
) -> (ServerStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (server, client) = configs(version);
    connect_with(server, client, pipe).await
}

async fn connect_with(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    pipe: usize,
) -> (ServerStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (near, far) = duplex(pipe);
    let name = ServerName::try_from("platform").unwrap();
    let (accepted, connected) =
        tokio::join!(ServerStream::accept(server, near), TlsConnector::from(client).connect(name, far));
    (accepted.unwrap(), connected.unwrap())
}

#[tokio::test]
async fn a_connection_holds_no_buffer_between_messages() {
    for version in VERSIONS {
        let (mut server, mut client) = connect(version, 1 << 16).await;
        for length in [1, 1000, 20_000] {
            let message = vec![7; length];
            client.write_all(&message).await.unwrap();
            let mut read = vec![0; length];
            server.read_exact(&mut read).await.unwrap();
            assert_eq!(read, message);
            server.write_all(&read).await.unwrap();
            server.flush().await.unwrap();
            client.read_exact(&mut read).await.unwrap();
            assert_eq!(read, message);
            let held = [&server.incoming, &server.plaintext, &server.outgoing].map(Vec::capacity);
            assert_eq!(held, [0; 3], "{version:?}, {length}");
        }
    }
}

// A pipe of a few bytes cuts every record, in both directions and also in the handshake. The reader and the
// writer of a side do not wake each other.
#[tokio::test]
async fn records_in_pieces_are_put_together() {
    for (version, pipe) in VERSIONS.into_iter().flat_map(|version| [7, 300].map(|pipe| (version, pipe))) {
        let (mut server, mut client) = connect(version, pipe).await;
        let message: Vec<u8> = (0..20_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (mut near_read, mut far_read) = (vec![0; message.len()], vec![0; message.len()]);
        let (mut far_reader, mut far_writer) = tokio::io::split(&mut client);
        let (mut near_reader, mut near_writer) = tokio::io::split(&mut server);
        let near = async {
            near_writer.write_all(&message).await.unwrap();
            near_writer.flush().await.unwrap();
        };
        let far = async {
            far_writer.write_all(&message).await.unwrap();
            far_writer.flush().await.unwrap();
        };
        let (..) =
            tokio::join!(near, far, async { near_reader.read_exact(&mut near_read).await.unwrap() }, async {
                far_reader.read_exact(&mut far_read).await.unwrap()
            },);
        assert!(near_read == message && far_read == message, "{version:?}, {pipe}");
    }
}

/// Takes every byte at once, and writes later what the connection does not take: as the stream that cuts a
/// flight into smaller records.
struct Taking {
    io: DuplexStream,
    unwritten: Vec<u8>,
}

impl Taking {
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.unwritten))?;
            self.unwritten.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Taking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Taking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.unwritten.extend_from_slice(buf);
        let _ = self.poll_unwritten(cx)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unwritten(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_flight_that_the_connection_below_has_not_written_yet_is_written() {
    for version in VERSIONS {
        let (server, client) = configs(version);
        let (near, far) = duplex(7);
        let near = Taking { io: near, unwritten: Vec::new() };
        let name = ServerName::try_from("platform").unwrap();
        let both = async {
            tokio::join!(ServerStream::accept(server, near), TlsConnector::from(client).connect(name, far))
        };
        let (accepted, connected) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        assert!(accepted.is_ok() && connected.is_ok(), "{version:?}");
    }
}

#[tokio::test]
async fn what_a_small_buffer_does_not_hold_is_read_later() {
    let (mut server, mut client) = connect(&TLS13, 1 << 16).await;
    client.write_all(b"message").await.unwrap();
    let mut read = Vec::new();
    for _ in 0..7 {
        read.push(server.read_u8().await.unwrap());
    }
    assert_eq!(read, b"message");
    assert_eq!(server.plaintext.capacity(), 0);
}

// RFC 5246 7.2.1, RFC 8446 6.1
#[tokio::test]
async fn only_close_notify_is_a_clean_end() {
    for version in VERSIONS {
        let (mut server, mut client) = connect(version, 1 << 16).await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"last");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        read.clear();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"answer", "{version:?}");

        let (mut server, client) = connect(version, 1 << 16).await;
        drop(client);
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

        let (mut server, mut client) = connect(version, 1 << 16).await;
        server.write_all(b"last").await.unwrap();
        std::future::poll_fn(|cx| server.poll_cut(cx)).await.unwrap();
        read.clear();
        let error = client.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((&*read, error.kind()), (&b"last"[..], io::ErrorKind::UnexpectedEof));
    }
}

#[tokio::test]
async fn a_record_of_which_a_part_has_come_is_known() {
    for version in VERSIONS {
        let (mut server, client) = connect(version, 1 << 16).await;
        let (mut pipe, mut connection) = client.into_inner();
        io::Write::write_all(&mut connection.writer(), b"whole").unwrap();
        let mut records = Vec::new();
        connection.write_tls(&mut records).unwrap();
        let (part, rest) = records.split_at(records.len() - 1);
        pipe.write_all(part).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), server.read_u8()).await.is_err());
        assert!(server.has_partial_record());
        pipe.write_all(rest).await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();
        assert!(!server.has_partial_record());
    }
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_gets_an_alert_and_no_more() {
    for version in VERSIONS {
        let (mut server, client) = connect(version, 1 << 16).await;
        let (mut pipe, mut connection) = client.into_inner();
        // A record that was never encrypted.
        pipe.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
        pipe.write_all(&[7; 32]).await.unwrap();
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        for error in [server.write_all(b"x").await.unwrap_err(), server.read_u8().await.unwrap_err()] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        server.shutdown().await.unwrap();
        drop(server);
        let mut records = Vec::new();
        pipe.read_to_end(&mut records).await.unwrap();
        connection.read_tls(&mut &*records).unwrap();
        let error = connection.process_new_packets().unwrap_err();
        assert!(matches!(error, rustls::Error::AlertReceived(_)), "{version:?}: {error}");
    }
}

#[tokio::test]
async fn what_came_whole_before_a_broken_record_is_read() {
    for version in VERSIONS {
        let (mut server, client) = connect(version, 1 << 16).await;
        let (mut pipe, mut connection) = client.into_inner();
        io::Write::write_all(&mut connection.writer(), b"whole").unwrap();
        let mut records = Vec::new();
        connection.write_tls(&mut records).unwrap();
        records.extend([23, 3, 3, 0, 32]);
        records.extend([7; 32]);
        pipe.write_all(&records).await.unwrap();
        let mut read = [0; 100];
        assert_eq!(server.read(&mut read).await.unwrap(), 5, "{version:?}");
        assert!(read.starts_with(b"whole"));
        assert_eq!(server.read(&mut read).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

// RFC 5246 6.2.3.3 leaves it to the suite after how many records its key is used up.
#[tokio::test]
async fn a_connection_whose_keys_are_used_up_is_closed_and_not_cut() {
    let usual = rustls::crypto::aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let SupportedCipherSuite::Tls12(usual) = usual else { panic!("{usual:?}") };
    let common = CipherSuiteCommon {
        suite: usual.common.suite,
        hash_provider: usual.common.hash_provider,
        confidentiality_limit: 4,
    };
    let short = Tls12CipherSuite {
        common,
        prf_provider: usual.prf_provider,
        kx: usual.kx,
        sign: usual.sign,
        aead_alg: usual.aead_alg,
    };
    let suites = vec![SupportedCipherSuite::Tls12(Box::leak(Box::new(short)))];
    let provider = CryptoProvider { cipher_suites: suites, ..provider(Settings::default()) };
    let (server, client) = configs_with(&TLS12, provider);
    let (mut server, mut client) = connect_with(server, client, 1 << 16).await;
    let mut written = 0;
    while written < 100 && server.write_all(b"x").await.is_ok() {
        written += 1;
    }
    assert!((1..100).contains(&written), "{written}");
    drop(server);
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.expect("close_notify");
    assert_eq!(read.len(), written);
}

/// The keys of a TLS 1.2 connection with AES-GCM (RFC 5288 section 3): the key, and the salt.
fn gcm((_, secrets): (u64, ConnectionTrafficSecrets)) -> (LessSafeKey, [u8; 4]) {
    let (ConnectionTrafficSecrets::Aes128Gcm { key, iv } | ConnectionTrafficSecrets::Aes256Gcm { key, iv }) =
        secrets
    else {
        panic!("no AES-GCM")
    };
    let algorithm = if key.as_ref().len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    let salt = iv.as_ref()[..4].try_into().unwrap();
    (LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).unwrap()), salt)
}

/// The nonce and the additional data of a record (RFC 5246 6.2.3.3).
fn nonce_and_data(
    salt: [u8; 4],
    explicit: &[u8],
    sequence: u64,
    kind: u8,
    length: usize,
) -> (Nonce, Aad<Vec<u8>>) {
    let nonce = Nonce::try_assume_unique_for_key(&[&salt, explicit].concat()).unwrap();
    let length = u16::try_from(length).unwrap().to_be_bytes();
    (nonce, Aad::from([&sequence.to_be_bytes()[..], &[kind, 3, 3], &length].concat()))
}

// RFC 5246 7.2.2. No library asks for a renegotiation any more, so the record is made by hand. The pipe takes
// the answer in pieces, and no task writes anything else: the reader has to write the rest.
#[tokio::test]
async fn a_request_to_renegotiate_is_answered_while_no_task_writes() {
    let (server, client) = configs(&TLS12);
    let mut client = (*client).clone();
    client.enable_secret_extraction = true;
    let (mut server, connected) = connect_with(server, Arc::new(client.clone()), 7).await;
    let (pipe, connection) = connected.into_inner();
    let secrets = connection.dangerous_extract_secrets().unwrap();
    let (sequence, peer_sequence) = (secrets.tx.0, secrets.rx.0);
    let ((key, salt), (peer_key, peer_salt)) = (gcm(secrets.tx), gcm(secrets.rx));
    let mut hello = Vec::new();
    let mut again =
        ClientConnection::new(Arc::new(client), ServerName::try_from("platform").unwrap()).unwrap();
    again.write_tls(&mut hello).unwrap();
    let mut sealed = hello.split_off(5);
    let (nonce, data) = nonce_and_data(salt, &[9; 8], sequence, 22, sealed.len());
    key.seal_in_place_append_tag(nonce, data, &mut sealed).unwrap();
    let length = u16::try_from(8 + sealed.len()).unwrap().to_be_bytes();
    let record = [&[22, 3, 3][..], &length, &[9; 8], &sealed].concat();

    let (mut reader, mut writer) = tokio::io::split(pipe);
    let mut answer = [0; 5 + 8 + 2 + 16];
    let both = async {
        writer.write_all(&record).await.unwrap();
        reader.read_exact(&mut answer).await.unwrap();
    };
    tokio::select! {
        read = server.read_u8() => panic!("{read:?}"),
        both = tokio::time::timeout(Duration::from_secs(60), both) => both.expect("the whole answer"),
    }
    let (nonce, data) = nonce_and_data(peer_salt, &answer[5..13], peer_sequence, 21, 2);
    let alert = peer_key.open_in_place(nonce, data, &mut answer[13..]).unwrap();
    assert_eq!(alert, [1, 100], "warning, no_renegotiation");
}

// RFC 8446 4.6.3
#[tokio::test]
async fn the_keys_of_a_peer_may_change() {
    let (mut server, mut client) = connect(&TLS13, 1 << 16).await;
    for _ in 0..3 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(b"message").await.unwrap();
        let mut read = [0; 7];
        server.read_exact(&mut read).await.unwrap();
        server.write_all(&read).await.unwrap();
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"message");
    }
}

#[tokio::test]
async fn a_handshake_that_is_cut_off_or_broken_returns_the_connection() {
    for (bytes, expected) in
        [(&b""[..], io::ErrorKind::UnexpectedEof), (b"GET / HTTP/1.1\r\n", io::ErrorKind::InvalidData)]
    {
        let (server, _) = configs(&TLS13);
        let (near, mut far) = duplex(1 << 16);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let (error, _pipe) = ServerStream::accept(server, near).await.unwrap_err();
        assert_eq!(error.kind(), expected);
    }
}
