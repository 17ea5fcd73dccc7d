//! The client side of the handshake on Interface B (B12 to B18).

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ClientConfig, InvalidMessage};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::credential::{CredentialError, read_pair};
use super::platform_verifier::{PlatformRefusal, PlatformVerifier, REFUSED, StatusCheck};
use super::provider::{Settings, provider};
use super::received_alert::ReceivedAlert;
use super::status_request_v2::RewritingStream;
use super::status_request_v2::client::{self, WireKey};
use super::stream::SecuredStream;
use super::time::time_provider;
use super::trust::{Trust, TrustError};
use crate::config::{Credential, TlsVersion};
use crate::model::Clock;

/// Opens TLS connections to a platform.
#[derive(Debug, Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// Whether it asks for the status of every certificate (B18).
    asks_status: bool,
    /// Whether it offers TLS 1.2.
    offers_tls12: bool,
}

/// What many clients have in common: all but the certificate and the key.
#[derive(Clone)]
pub struct ConnectorTemplate {
    /// Without a certificate.
    config: ClientConfig,
    provider: Arc<CryptoProvider>,
    asks_status: bool,
    offers_tls12: bool,
}

/// A private key in memory, which several clients may share.
#[derive(Clone)]
pub struct ClientKey(Arc<dyn SigningKey>);

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
    /// How the stapled status of the certificates is evaluated (B18). `None` asks for no status: for
    /// peers that are no platforms.
    pub status: Option<StatusCheck>,
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
    /// The client refuses the platform (B17, B18).
    #[error("{0}")]
    Platform(Box<PlatformRefusal>),
    /// The platform refused the client with a TLS alert.
    #[error("the platform refused the connection: {0}")]
    Refused(ReceivedAlert),
    /// The connection ended in the handshake: the other side speaks no TLS, or was killed.
    #[error("the connection was cut in the TLS handshake")]
    Cut,
    /// What answers speaks something else.
    #[error("what answers there does not speak TLS: is it the port of Interface A (2575)?")]
    NoTls,
    /// The handshake failed.
    #[error("TLS handshake failed: {0}")]
    Handshake(#[source] std::io::Error),
}

impl ConnectError {
    /// Whether the token of the client's key rejects the PIN: each attempt may lock it.
    #[must_use]
    pub fn rejects_pin(&self) -> bool {
        matches!(self, Self::Credential(CredentialError::Key(key)) if key.rejects_pin())
    }
}

impl Connector {
    /// Loads the roots, the certificate and the key.
    ///
    /// # Errors
    /// When one of them cannot be used, or the settings exclude each other.
    pub fn build(settings: &ConnectorSettings, clock: &Clock) -> Result<Self, ConnectError> {
        let ConnectorSettings { credential, trust_anchors, versions, suite, status } = settings;
        let template =
            ConnectorTemplate::build(trust_anchors, versions, suite.as_deref(), status.clone(), clock)?;
        let own = read_pair(credential, &template.provider)?;
        Ok(template.connector_of(own.key.cert.clone(), Arc::clone(&own.key.key)))
    }

    /// Performs the handshake with the platform at `host` (B12, B17, B18).
    ///
    /// # Errors
    /// When `host` is neither a name nor an address, the client refuses the platform, or the handshake fails.
    pub async fn connect(&self, host: &str, tcp: TcpStream) -> Result<SecuredStream, ConnectError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Host(host.to_owned()))?;
        let config = Arc::clone(&self.config);
        let connecting = async {
            if self.asks_status {
                let stream = client::connect(config, name, self.offers_tls12, tcp).await?;
                return Ok(stream.into());
            }
            let stream = TlsConnector::from(config).connect(name, RewritingStream::plain(tcp)).await?;
            Ok(stream.into())
        };
        let connecting = async {
            connecting.await.map_err(|error| match REFUSED.try_with(RefCell::take) {
                Ok(Some(refusal)) => ConnectError::Platform(refusal),
                _ => ConnectError::of(error),
            })
        };
        REFUSED.scope(RefCell::default(), connecting).await
    }
}

impl ConnectorTemplate {
    /// Loads the roots. The parameters are those of [`ConnectorSettings`].
    ///
    /// # Errors
    /// When a root cannot be used, or the settings exclude each other.
    pub fn build(
        trust_anchors: &[PathBuf],
        versions: &[TlsVersion],
        suite: Option<&str>,
        status: Option<StatusCheck>,
        clock: &Clock,
    ) -> Result<Self, ConnectError> {
        let offered = Settings::new(versions, true);
        let mut provider = provider(offered);
        if let Some(suite) = suite {
            retain_suite(&mut provider, suite)?;
        }
        let provider = Arc::new(provider);
        let asks_status = status.is_some();
        let verifier = PlatformVerifier {
            trust: Trust::load_for_servers(trust_anchors)?,
            algorithms: provider.signature_verification_algorithms,
            status,
        };
        let mut config = ClientConfig::builder_with_details(Arc::clone(&provider), time_provider(clock))
            .with_protocol_versions(offered.versions.protocol_versions())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        if asks_status {
            // A resumed session shows no certificate and no status.
            config.resumption = Resumption::disabled();
        }
        let offers_tls12 = offered.versions.protocol_versions().contains(&&rustls::version::TLS12);
        Ok(Self { config, provider, asks_status, offers_tls12 })
    }

    /// A key in PKCS#8 DER, without encryption.
    ///
    /// # Errors
    /// When its kind is not supported.
    pub fn key(&self, pkcs8: &[u8]) -> Result<ClientKey, ConnectError> {
        let key = PrivateKeyDer::Pkcs8(pkcs8.to_vec().into());
        Ok(ClientKey(self.provider.key_provider.load_private_key(key)?))
    }

    /// The client with this certificate, which belongs to the key, and its issuing CA (DER).
    #[must_use]
    pub fn connector(&self, chain: &[Vec<u8>], key: &ClientKey) -> Connector {
        let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        self.connector_of(chain, Arc::clone(&key.0))
    }

    fn connector_of(&self, chain: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Connector {
        let own = CertifiedKey::new(chain, Arc::new(WireKey(key)));
        let mut config = self.config.clone();
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
        let Self { asks_status, offers_tls12, .. } = *self;
        Connector { config: Arc::new(config), asks_status, offers_tls12 }
    }
}

impl fmt::Debug for ConnectorTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorTemplate").field("asks_status", &self.asks_status).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").finish_non_exhaustive()
    }
}

impl ConnectError {
    fn of(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match ReceivedAlert::of(&error) {
            Some(alert) => Self::Refused(alert),
            None if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                Self::Cut
            }
            None if is_no_tls(&error) => Self::NoTls,
            None => Self::Handshake(error),
        }
    }
}

/// The name in IANA's registry: rustls marks the suites of TLS 1.3, and so do our logs and metrics.
fn iana_name(name: &str) -> String {
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

/// Whether the bytes that came are no TLS record: HTTP, MLLP in plain, another protocol.
fn is_no_tls(error: &std::io::Error) -> bool {
    let source = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
    matches!(source, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

fn retain_suite(provider: &mut CryptoProvider, requested: &str) -> Result<(), ConnectError> {
    let name = |suite: &rustls::SupportedCipherSuite| iana_name(suite.suite().as_str().unwrap_or(""));
    let known = provider.cipher_suites.iter().map(name).collect::<Vec<_>>().join(", ");
    let requested_name = iana_name(requested);
    provider.cipher_suites.retain(|suite| name(suite) == requested_name);
    if provider.cipher_suites.is_empty() {
        return Err(ConnectError::NoSuchSuite { requested: requested.to_owned(), known });
    }
    Ok(())
}
