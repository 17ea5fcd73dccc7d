//! Interface A's side of the handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::certificate_selection::PlatformCertificates;
use super::credential::{CredentialError, PlatformCredentials};
use super::inventory::installed;
use super::peer::Peer;
use super::provider::{Settings, provider};
use super::refusal::HandshakeError;
use super::signature_cache::SignatureCache;
use super::stapling::{StapleRefresher, StapledChains};
use super::status_request_v2::{self, RewritingStream};
use super::stream::SecuredStream;
use super::time::time_provider;
use super::trust::{Trust, TrustError};
use super::verifier::{Admission, DECISION, DeviceVerifier, PeerVerifier};
use crate::audit::Installed;
use crate::authz::DirectoryHandle;
use crate::config::{Config, MustStaple};
use crate::model::{Clock, Refusal};
use crate::revocation::Engine;
use crate::x509::CertificateFacts;

/// How long a refused peer gets to read its alert before the connection goes away.
const ALERT_LINGER: Duration = Duration::from_millis(500);
/// Bytes of a refused peer that are read and thrown away meanwhile.
const LINGER_BYTES: u64 = 64 * 1024;

/// Turns TCP connections into [`Secured`] ones, or refuses them with the right alert.
#[derive(Debug)]
pub struct Acceptor {
    published: ArcSwap<Published>,
    directory: DirectoryHandle,
    revocation: Engine,
    remembered: Arc<SignatureCache>,
    stapling: StapleRefresher,
    handshake_timeout: Duration,
    clock: Clock,
}

/// Another configuration, read and not in force yet.
#[derive(Debug)]
pub struct Prepared(Published);

/// What a configuration amounts to; replaced whole by a reload.
#[derive(Debug)]
struct Published {
    config: Arc<ServerConfig>,
    judge: Arc<PeerVerifier>,
    certificates: Vec<CertificateFacts>,
    chains: StapledChains,
    /// Vouches for the audit trail: the ECC key, or the RSA key where there is no other.
    signing_key: Option<Arc<CertifiedKey>>,
}

/// What stands in the way of building an [`Acceptor`].
#[derive(Debug, thiserror::Error)]
pub enum AcceptorError {
    /// Roots.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The platform's own certificates.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// rustls does not take the combination.
    #[error("the TLS settings cannot work: {0}")]
    Settings(#[from] rustls::Error),
}

/// A connection whose peer has proved who it is and may connect. Only [`Acceptor::accept`] makes one.
#[derive(Debug)]
pub struct Secured {
    stream: TlsStream<RewritingStream<TcpStream>>,
    peer: Peer,
}

impl Acceptor {
    /// Reads everything that `config` names: roots and both identities. Revocation is asked of `revocation`.
    ///
    /// # Errors
    /// When something of that cannot be used.
    pub fn build(
        config: &Config,
        directory: DirectoryHandle,
        revocation: Engine,
        clock: Clock,
    ) -> Result<Self, AcceptorError> {
        let remembered = Arc::default();
        let published = Published::build(config, &directory, &revocation, &remembered, &clock)?;
        let stapling = StapleRefresher::new(revocation.clone(), clock.clone());
        stapling.recall(&published.chains);
        stapling.take_over(published.chains.clone());
        Ok(Self {
            published: ArcSwap::from_pointee(published),
            directory,
            revocation,
            remembered,
            stapling,
            handshake_timeout: config.interface_a.handshake_timeout,
            clock,
        })
    }

    /// Reads everything again.
    ///
    /// # Errors
    /// When something cannot be used.
    pub fn prepare(&self, config: &Config) -> Result<Prepared, AcceptorError> {
        Published::build(config, &self.directory, &self.revocation, &self.remembered, &self.clock)
            .map(Prepared)
    }

    /// Uses what was read for every connection from now on. Sessions that exist are not touched, and cannot be resumed
    /// into the new settings. Chains that have no staples yet wait for them, no longer than `patience`. `// A10`
    pub async fn publish(&self, prepared: Prepared, patience: Duration) {
        let Prepared(published) = prepared;
        self.stapling.recall(&published.chains);
        self.stapling.obtain(&published.chains, patience).await;
        self.stapling.take_over(published.chains.clone());
        self.published.store(Arc::new(published));
    }

    /// Asks for the staples that are missing, and waits for them, no longer than `patience`. `// A10`
    pub async fn staple(&self, patience: Duration) {
        let published = self.published.load_full();
        self.stapling.obtain(&published.chains, patience).await;
    }

    /// The staples of the chains in force, and who keeps them.
    #[must_use]
    pub const fn stapling(&self) -> &StapleRefresher {
        &self.stapling
    }

    /// The platform's own certificates.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.published.load().certificates.clone()
    }

    /// The platform's own certificates and the roots, as the audit trail tells of them.
    #[must_use]
    pub fn installed(&self) -> Vec<Installed> {
        let published = self.published.load();
        installed(&published.certificates, &published.judge.trust)
    }

    /// The key that vouches for the audit trail.
    pub(super) fn signing_key(&self) -> Option<Arc<CertifiedKey>> {
        self.published.load().signing_key.clone()
    }

    /// Does the handshake.
    ///
    /// # Errors
    /// [`HandshakeError`], after the peer got its alert and a moment to read it.
    pub async fn accept(&self, tcp: TcpStream, address: SocketAddr) -> Result<Secured, HandshakeError> {
        let published = self.published.load_full();
        let handshake = DECISION.scope(Default::default(), async {
            let accepted = status_request_v2::accept(Arc::clone(&published.config), tcp).await;
            (accepted, DECISION.with(|slot| slot.take()))
        });
        let Ok((accepted, finding)) = tokio::time::timeout(self.handshake_timeout, handshake).await else {
            return Err(HandshakeError::new(Refusal::HandshakeTimeout));
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err((error, tcp)) => {
                // The verifier knows more than the error that it made rustls return.
                let refused = match finding {
                    Some(Err(refused)) => refused,
                    _ => HandshakeError::by_io(&error),
                };
                linger(tcp).await;
                return Err(refused);
            }
        };
        let (_, connection) = stream.get_ref();
        let admitted = match finding {
            Some(Ok(admitted)) => admitted,
            // A resumed session skips the verifier; it does not skip the decision.
            _ => match published.judge_resumed(connection, &self.clock) {
                Ok(admitted) => admitted,
                Err(refused) => {
                    let (stream, _) = stream.into_inner();
                    linger(stream.into_inner()).await;
                    return Err(refused);
                }
            },
        };
        let peer = Peer::new(&admitted, address, connection);
        Ok(Secured { stream, peer })
    }
}

impl Published {
    fn build(
        config: &Config,
        directory: &DirectoryHandle,
        revocation: &Engine,
        remembered: &Arc<SignatureCache>,
        clock: &Clock,
    ) -> Result<Self, AcceptorError> {
        let settings = Settings::new(&config.tls.versions, config.tls.ecdhe_rsa);
        let provider = Arc::new(provider(settings));
        let time = time_provider(clock);
        let now = time.current_time().ok_or(rustls::Error::FailedToGetCurrentTime)?;
        let trust = Trust::load(&config.tls.client_trust_anchors)?;
        let credentials = PlatformCredentials::load(&config.tls, &trust, &provider, now)?;
        let judge = Arc::new(PeerVerifier {
            trust,
            revocation: revocation.clone(),
            remembered: Arc::clone(remembered),
            when_undetermined: config.revocation.when_undetermined,
            rsa_bits: config.tls.client_rsa_bits,
            directory: Arc::clone(directory),
            algorithms: provider.signature_verification_algorithms,
        });
        let identity = match config.stapling.must_staple {
            MustStaple::Withhold => credentials.identity,
            MustStaple::Serve => credentials.identity.regardless_of_promises(),
        };
        let chains = StapledChains::new(&identity, &judge.trust);
        let signing_key = identity.ecc().or(identity.rsa()).map(|served| Arc::clone(served.key()));
        let certificates = PlatformCertificates::new(&provider, identity);
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(settings.versions.protocol_versions())?
            .with_client_cert_verifier(Arc::new(DeviceVerifier(Arc::clone(&judge))))
            .with_cert_resolver(Arc::new(certificates));
        // A3: the platform's order decides.
        server.ignore_client_order = true;
        remember(&mut server, config.tls.session_cache);
        let certificates = credentials.certificates;
        Ok(Self { config: Arc::new(server), judge, certificates, chains, signing_key })
    }

    fn judge_resumed(
        &self,
        connection: &ServerConnection,
        clock: &Clock,
    ) -> Result<Admission, HandshakeError> {
        let chain = connection.peer_certificates().unwrap_or_default();
        let now =
            time_provider(clock).current_time().ok_or(HandshakeError::new(Refusal::ProtocolViolation))?;
        self.judge.judge(chain, now)
    }
}

/// Keeps the newest `sessions` for resumption, in memory and nowhere else.
///
/// A session belongs to one device by construction: what resumes it is a secret that only the two ends of its first
/// handshake have, and with it rustls keeps the certificate of that handshake; [`PeerVerifier`] decides about that certificate
/// again. There is no 0-RTT, which could be replayed and would be read before that decision.
fn remember(server: &mut ServerConfig, sessions: usize) {
    server.max_early_data_size = 0;
    if sessions == 0 {
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        return;
    }
    server.session_storage = ServerSessionMemoryCache::new(sessions);
    // A device has one connection at a time, and gets a new ticket on each.
    server.send_tls13_tickets = 1;
}

impl Secured {
    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The stream and its peer.
    #[must_use]
    pub fn into_parts(self) -> (SecuredStream, Peer) {
        (SecuredStream(self.stream.into()), self.peer)
    }
}

/// Closes our side and reads what the peer still sends, for a moment: a TCP connection closed with unread bytes
/// is reset, and a reset throws away the alert before the peer has seen it.
async fn linger(mut tcp: TcpStream) {
    let farewell = async {
        tcp.shutdown().await?;
        tokio::io::copy(&mut tcp.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(ALERT_LINGER, farewell).await;
}
