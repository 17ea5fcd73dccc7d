//! A server with the platform's provider and certificates: one connection, one line in, the same line back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use pcd_platform::tls::provider::{Settings, Versions, provider};
use pcd_platform::tls::{PlatformCertificates, PlatformIdentity};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, ServerConfig, ServerConnection};

use super::site::SITE;

pub(crate) const TLS12: Settings = Settings { versions: Versions::Tls12, ecdhe_rsa: true };

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<Result<Session, String>>,
}

/// What the server knows when the connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) version: ProtocolVersion,
    pub(crate) suite: CipherSuite,
    pub(crate) group: NamedGroup,
    pub(crate) line: Vec<u8>,
    pub(crate) device: Option<Vec<CertificateDer<'static>>>,
}

/// A server's configuration with both certificates. Clients may come without one.
pub(crate) fn config(settings: Settings) -> Arc<ServerConfig> {
    let keys = [&SITE.ecc, &SITE.rsa].map(|branch| Some(branch.platform.certified_key()));
    let [ecc, rsa] = keys;
    let provider = Arc::new(provider(settings));
    let certificates = PlatformCertificates::new(&provider, PlatformIdentity::new(ecc, rsa).unwrap());
    let verifier = WebPkiClientVerifier::builder_with_provider(SITE.roots(), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.versions.protocol_versions())
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates));
    config.ignore_client_order = true;
    Arc::new(config)
}

impl Server {
    pub(crate) fn start(settings: Settings) -> Self {
        let config = config(settings);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, thread: std::thread::spawn(move || serve(&listener, config)) }
    }

    /// The session, or why there was none.
    pub(crate) fn session(self) -> Result<Session, String> {
        self.thread.join().unwrap()
    }
}

fn serve(listener: &TcpListener, config: Arc<ServerConfig>) -> Result<Session, String> {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(crate::harness::SOON)).unwrap();
    let mut connection = ServerConnection::new(config).unwrap();
    let mut line = Vec::new();
    BufReader::new(rustls::Stream::new(&mut connection, &mut stream))
        .read_until(b'\n', &mut line)
        .map_err(|error| error.to_string())?;
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    tls.write_all(&line).map_err(|error| error.to_string())?;
    connection.send_close_notify();
    connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
    Ok(Session {
        version: connection.protocol_version().unwrap(),
        suite: connection.negotiated_cipher_suite().unwrap().suite(),
        group: connection.negotiated_key_exchange_group().unwrap().name(),
        line,
        device: connection.peer_certificates().map(<[_]>::to_vec),
    })
}
