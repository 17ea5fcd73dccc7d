//! TLS to a web server that is not a part of the profile: the receiver of notifications.
//!
//! The certificate is verified by the TLS library against configured roots, or those of the system, and has
//! to name the host. Suites and groups are the library's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::status_request_v2::RewritingStream;
use super::stream::SecuredStream;
use super::time::time_provider;
use crate::model::Clock;

/// Opens TLS connections to web servers.
#[derive(Clone)]
pub struct WebConnector(Arc<ClientConfig>);

/// The roots for web servers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebTrustError {
    /// The file cannot be read, or is no PEM.
    #[error("cannot read certificates from {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// No root was found.
    #[error("{0} holds no certificate of a root")]
    Empty(String),
    /// The TLS library rejects its own defaults.
    #[error("rustls rejects the TLS settings: {0}")]
    Settings(#[from] rustls::Error),
}

impl WebConnector {
    /// Reads the roots: those of the system when `trust_anchors` is empty.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no root in them.
    pub fn build(trust_anchors: &[PathBuf], clock: &Clock) -> Result<Self, WebTrustError> {
        let system = SYSTEM_ROOTS.iter().map(Path::new).find(|file| file.is_file()).map(Path::to_owned);
        let files = if trust_anchors.is_empty() { system.as_slice() } else { trust_anchors };
        let mut roots = RootCertStore::empty();
        for file in files {
            let failed = |source| WebTrustError::Read { file: file.clone(), source };
            let certificates = CertificateDer::pem_file_iter(file).map_err(failed)?;
            let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(failed)?;
            // The system's list may have some that the library does not read.
            roots.add_parsable_certificates(certificates);
        }
        if roots.is_empty() {
            let searched: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            let none = || format!("none of {}", SYSTEM_ROOTS.join(", "));
            return Err(WebTrustError::Empty(if searched.is_empty() { none() } else { searched.join(", ") }));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_details(provider, time_provider(clock))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Performs the handshake with the server `host`.
    ///
    /// # Errors
    /// When `host` is neither a name nor an address, or the handshake fails.
    pub async fn connect(&self, host: &str, tcp: TcpStream) -> std::io::Result<SecuredStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        connector.connect(name, RewritingStream::plain(tcp)).await.map(SecuredStream::from)
    }
}

impl std::fmt::Debug for WebConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebConnector")
    }
}

/// Where systems keep their roots: Debian, Red Hat, SUSE, Alpine.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
