//! The client side of the handshake on Interface B (B12 to B17).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use webpki::{EndEntityCert, KeyUsage};

use super::credential::{CredentialError, read_pair};
use super::provider::{Settings, provider};
use super::refusal::{certificate_error, path_refusal};
use super::status_request_v2::RewritingStream;
use super::stream::SecuredStream;
use super::time::time_provider;
use super::trust::{Trust, TrustError};
use crate::config::{Credential, TlsVersion};
use crate::model::Clock;
use crate::x509::CertificateFacts;

/// Opens TLS connections to a platform.
#[derive(Debug, Clone)]
pub struct Connector(Arc<ClientConfig>);

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct ConnectorSettings {
    /// The client's certificate with the issuing CA, and its key (B16, B19).
    pub credential: Credential,
    /// Files with the roots that the client trusts (B15).
    pub trust_anchors: Vec<PathBuf>,
    /// The TLS versions that the client offers (B13).
    pub versions: Vec<TlsVersion>,
    /// The IANA name of the only cipher suite to offer. `None` offers all suites (B14).
    pub suite: Option<String>,
}

/// A connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The roots cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The client's own certificate or key cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The cipher suite is unknown.
    #[error("no cipher suite is called {requested}; known suites: {known}")]
    NoSuchSuite {
        /// The requested name.
        requested: String,
        /// The names of all suites.
        known: String,
    },
    /// The host is neither a name nor an address.
    #[error("\"{0}\" is neither a host name nor an address")]
    Host(String),
    /// rustls rejects the combination of settings.
    #[error("rustls rejects the TLS settings: {0}")]
    Settings(#[from] rustls::Error),
    /// The handshake failed.
    #[error("TLS handshake failed: {0}")]
    Handshake(#[source] std::io::Error),
}

impl Connector {
    /// Loads the roots, the certificate and the key.
    ///
    /// # Errors
    /// When one of them cannot be used, or the settings exclude each other.
    pub fn build(settings: &ConnectorSettings, clock: &Clock) -> Result<Self, ConnectError> {
        let offered = Settings::new(&settings.versions, true);
        let mut provider = provider(offered);
        if let Some(suite) = &settings.suite {
            retain_suite(&mut provider, suite)?;
        }
        let provider = Arc::new(provider);
        let verifier = PlatformVerifier {
            trust: Trust::load(&settings.trust_anchors)?,
            algorithms: provider.signature_verification_algorithms,
        };
        let own = read_pair(&settings.credential, &provider)?;
        let config = ClientConfig::builder_with_details(Arc::clone(&provider), time_provider(clock))
            .with_protocol_versions(offered.versions.protocol_versions())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                own.key.as_ref().clone(),
            )));
        Ok(Self(Arc::new(config)))
    }

    /// Performs the handshake with the platform at `host` (B12, B17).
    ///
    /// # Errors
    /// When `host` is neither a name nor an address, or the handshake fails.
    pub async fn connect(&self, host: &str, tcp: TcpStream) -> Result<SecuredStream, ConnectError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Host(host.to_owned()))?;
        TlsConnector::from(Arc::clone(&self.0))
            .connect(name, RewritingStream::plain(tcp))
            .await
            .map(|stream| SecuredStream(stream.into()))
            .map_err(ConnectError::Handshake)
    }
}

fn retain_suite(provider: &mut CryptoProvider, requested: &str) -> Result<(), ConnectError> {
    let name = |suite: &rustls::SupportedCipherSuite| suite.suite().as_str().unwrap_or("");
    let known = provider.cipher_suites.iter().map(name).collect::<Vec<_>>().join(", ");
    provider.cipher_suites.retain(|suite| name(suite) == requested);
    if provider.cipher_suites.is_empty() {
        return Err(ConnectError::NoSuchSuite { requested: requested.to_owned(), known });
    }
    Ok(())
}

/// Validates the path, and checks that the host is the Common Name or among the alternative names (B17).
#[derive(Debug)]
struct PlatformVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PlatformVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = |error| certificate_error(path_refusal(&error));
        let certificate = EndEntityCert::try_from(end_entity).map_err(refused)?;
        self.trust
            .verify_path(&certificate, intermediates, now, KeyUsage::server_auth(), &self.algorithms)
            .map_err(refused)?;
        let named = certificate.verify_is_valid_for_subject_name(server_name).is_ok()
            || common_name_is(end_entity, &server_name.to_str());
        if named {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn common_name_is(certificate: &CertificateDer<'_>, host: &str) -> bool {
    CertificateFacts::read(certificate)
        .ok()
        .and_then(|facts| facts.device_id().ok())
        .is_some_and(|name| name.as_str().eq_ignore_ascii_case(host))
}
