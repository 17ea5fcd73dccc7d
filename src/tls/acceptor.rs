//! The server side of the handshake on Interface A.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::anchor_fitness::UnfitAnchor;
use super::certificate_selection::PlatformCertificates;
use super::credential::{CredentialError, PlatformCredentials, UnusableIdentity};
use super::inventory::{Authority, AuthorityRole, authorities, installed_certificates};
use super::peer::Peer;
use super::provider::{Settings, provider};
use super::refusal::HandshakeError;
use super::resumption::configure_resumption;
use super::server_stream::ServerStream;
use super::stapling::{StapleRefresher, StapledChains};
use super::status_request_v2::{self, NewConnection, RewritingStream};
use super::stream::SecuredStream;
use super::time::time_provider;
use super::trust::{Trust, TrustError};
use super::verifier::{AdmissionPolicy, Caches, DECISION, PRESENTED, PeerVerifier, RustlsVerifier};
use crate::audit::Installed;
use crate::authz::DirectoryHandle;
use crate::config::{Config, MustStaple};
use crate::model::{Clock, Refusal, explained};
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict};
use crate::x509::{CertificateFacts, KeyKind};

/// Turns TCP connections into [`Secured`] ones, or refuses them with the matching TLS alert.
#[derive(Debug)]
pub struct Acceptor {
    settings: ArcSwap<AcceptorSettings>,
    directory: DirectoryHandle,
    revocation: Engine,
    caches: Caches,
    staples: StapleRefresher,
    clock: Clock,
}

/// A new configuration that has been loaded and checked, and is not applied yet.
#[derive(Debug)]
pub struct Prepared(AcceptorSettings);

/// Everything that follows from one configuration. A reload replaces the whole.
#[derive(Debug)]
struct AcceptorSettings {
    config: Arc<ServerConfig>,
    verifier: Arc<PeerVerifier>,
    certificates: Vec<CertificateFacts>,
    /// Configured identities that are not used.
    unusable: Vec<UnusableIdentity>,
    /// The roots of the platform's own chains.
    platform_trust: Trust,
    /// The roots, and the CAs of those chains.
    authorities: Vec<Authority>,
    chains: StapledChains,
    /// Signs the audit trail: the ECC key, or the RSA key where there is no ECC key.
    signing_key: Option<Arc<CertifiedKey>>,
}

/// An [`Acceptor`] could not be built.
#[derive(Debug, thiserror::Error)]
pub enum AcceptorError {
    /// The roots cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The platform's own certificates or keys cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A reload would take away an identity that works.
    #[error("the new identity {key} cannot be used, and the present one can")]
    WouldEnd {
        /// Its key in the configuration.
        key: &'static str,
        /// Why the new one cannot be used.
        source: Arc<CredentialError>,
    },
    /// rustls rejects the combination of settings.
    #[error("rustls rejects the TLS settings: {0}")]
    Settings(#[from] rustls::Error),
}

/// A connection whose peer has proved its identity and may connect. Only [`Acceptor::accept`] constructs one.
#[derive(Debug)]
pub struct Secured {
    stream: ServerStream<RewritingStream<TcpStream>>,
    peer: Peer,
}

impl Acceptor {
    /// Loads the roots and the platform's certificates and keys that `config` names.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn build(
        config: &Config,
        directory: DirectoryHandle,
        revocation: Engine,
        clock: Clock,
    ) -> Result<Self, AcceptorError> {
        let caches = Caches::default();
        let settings = AcceptorSettings::load(config, &directory, &revocation, &caches, &clock)?;
        let staples = StapleRefresher::new(revocation.clone(), clock.clone());
        staples.restore(&settings.chains);
        staples.replace_chains(settings.chains.clone(), clock.now());
        Ok(Self { settings: ArcSwap::from_pointee(settings), directory, revocation, caches, staples, clock })
    }

    /// Loads and checks a new configuration.
    ///
    /// # Errors
    /// When a file that it names cannot be used; also when that is only a matter of time, if an identity that
    /// works would go with it.
    pub fn prepare(&self, config: &Config) -> Result<Prepared, AcceptorError> {
        let settings =
            AcceptorSettings::load(config, &self.directory, &self.revocation, &self.caches, &self.clock)?;
        let (present, now) = (self.settings.load(), self.clock.now());
        for UnusableIdentity { key, facts, reason } in &settings.unusable {
            let works = |one: &CertificateFacts| {
                configured_as(one) == *key
                    && one.not_before <= now
                    && now <= one.not_after
                    && facts.as_ref().is_none_or(|new| new.fingerprint != one.fingerprint)
            };
            if present.certificates.iter().any(works) {
                return Err(AcceptorError::WouldEnd { key, source: Arc::clone(reason) });
            }
        }
        Ok(Prepared(settings))
    }

    /// Applies the new configuration to every later handshake. Open sessions stay as they are, and cannot be
    /// resumed under the new settings. First fetches missing staples of the new chains, for `timeout` at
    /// most. If a responder does not know a renewed certificate yet, the previous chain is served until that
    /// time. `// A10`
    pub async fn publish(&self, prepared: Prepared, timeout: Duration) {
        let Prepared(settings) = prepared;
        let hold_until = SignedDuration::try_from(timeout)
            .ok()
            .and_then(|timeout| self.clock.now().checked_add(timeout).ok())
            .unwrap_or(Timestamp::MAX);
        self.staples.restore(&settings.chains);
        self.staples.fetch_missing(&settings.chains, timeout).await;
        self.staples.replace_chains(settings.chains.clone(), hold_until);
        self.settings.store(Arc::new(settings));
    }

    /// Fetches missing staples, and waits for them for `timeout` at most. `// A10`
    pub async fn fetch_staples(&self, timeout: Duration) {
        let settings = self.settings.load_full();
        self.staples.fetch_missing(&settings.chains, timeout).await;
    }

    /// The task that refreshes the staples of the current chains.
    #[must_use]
    pub const fn staple_refresher(&self) -> &StapleRefresher {
        &self.staples
    }

    /// The platform's own certificates.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.settings.load().certificates.clone()
    }

    /// The same, and those that are configured and not used because they have ended: they have to be seen.
    #[must_use]
    pub fn configured_certificates(&self) -> Vec<CertificateFacts> {
        let settings = self.settings.load();
        let ended = settings.unusable.iter().filter_map(|identity| identity.facts.as_ref());
        settings.certificates.iter().chain(ended).cloned().collect()
    }

    /// The configured identities that are not used, because their time has ended or has not come.
    #[must_use]
    pub fn unusable_identities(&self) -> Vec<UnusableIdentity> {
        self.settings.load().unusable.clone()
    }

    /// The platform's own certificates and the roots, as the audit trail records them.
    #[must_use]
    pub fn installed_certificates(&self) -> Vec<Installed> {
        let settings = self.settings.load();
        installed_certificates(&settings.certificates, &settings.verifier.trust, &settings.platform_trust)
    }

    /// The roots, the CAs of the platform's chains, and those of devices that have connected.
    #[must_use]
    pub fn authorities(&self) -> Vec<Authority> {
        let seen = self.caches.ca_certificates.certificates().into_iter();
        let seen = seen.map(|facts| Authority { facts, role: AuthorityRole::DeviceCa });
        self.settings.load().authorities.iter().cloned().chain(seen).collect()
    }

    /// The installed certificates that cannot be roots of clients, or not yet.
    #[must_use]
    pub fn unfit_anchors(&self) -> Vec<UnfitAnchor> {
        self.settings.load().verifier.trust.unfit.clone()
    }

    /// The definite reason, if any, why a new connection with the path of an open session would be refused:
    /// revoked, expired, or its root was removed. An undetermined revocation status is none.
    #[must_use]
    pub fn lost_admission(&self, path: &Arc<[IssuedCertificate]>) -> Option<Refusal> {
        let verifier = Arc::clone(&self.settings.load().verifier);
        let is_revoked = |status: &Status| matches!(status.verdict, Verdict::Revoked { .. });
        if self.revocation.peek(path).iter().any(is_revoked) {
            return Some(Refusal::Revoked);
        }
        verifier.lost_admission(path, self.clock.now())
    }

    /// The key that signs the audit trail.
    pub(super) fn signing_key(&self) -> Option<Arc<CertifiedKey>> {
        self.settings.load().signing_key.clone()
    }

    /// Performs the handshake. The caller limits its time.
    ///
    /// # Errors
    /// [`HandshakeError`], after the alert has been sent and the peer had time to read it.
    pub async fn accept(
        &self,
        connection: impl Into<NewConnection<TcpStream>>,
        address: SocketAddr,
    ) -> Result<Secured, HandshakeError> {
        let connection = connection.into();
        let settings = self.settings.load_full();
        let handshake = DECISION.scope(Default::default(), async {
            let accepted = status_request_v2::accept(Arc::clone(&settings.config), connection).await;
            (accepted, DECISION.with(|slot| slot.take()))
        });
        let (accepted, decision) = PRESENTED.scope(Default::default(), handshake).await;
        let stream = match accepted {
            Ok(stream) => stream,
            Err((error, tcp)) => {
                // The verifier's error says more than the rustls error that it led to.
                let refusal = match decision {
                    Some(Err(refusal)) => refusal,
                    _ => HandshakeError::from_io(&error),
                };
                linger(tcp).await;
                return Err(refusal);
            }
        };
        let (_, connection) = stream.get_ref();
        let admission = match decision {
            Some(Ok(admission)) => admission,
            // Not possible: every handshake has a decision, a resumed one when rustls gets its session.
            _ => return Err(HandshakeError::new(Refusal::ProtocolViolation)),
        };
        let peer = Peer::new(&admission, address, connection);
        Ok(Secured { stream, peer })
    }
}

impl AcceptorSettings {
    fn load(
        config: &Config,
        directory: &DirectoryHandle,
        revocation: &Engine,
        caches: &Caches,
        clock: &Clock,
    ) -> Result<Self, AcceptorError> {
        let settings = Settings::new(&config.tls.versions, config.tls.ecdhe_rsa);
        let provider = Arc::new(provider(settings));
        let time = time_provider(clock);
        let now = time.current_time().ok_or(rustls::Error::FailedToGetCurrentTime)?;
        let clock_skew = config.revocation.clock_skew;
        let trust = Trust::load_for_clients(&config.tls.client_trust_anchors, clock.now(), clock_skew)?;
        log_unfit(&trust.unfit);
        let platform_trust = match config.tls.platform_trust_anchors.as_slice() {
            [] => trust.clone(),
            roots => Trust::load(roots)?,
        };
        let credentials = PlatformCredentials::load(&config.tls, &platform_trust, &provider, now)?;
        log_unusable(&credentials.unusable);
        let verifier = Arc::new(PeerVerifier {
            trust,
            revocation: revocation.clone(),
            caches: caches.clone(),
            directory: Arc::clone(directory),
            algorithms: provider.signature_verification_algorithms,
            policy: AdmissionPolicy::from_config(config),
        });
        let identity = match config.stapling.must_staple {
            MustStaple::Withhold => credentials.identity,
            MustStaple::Serve => credentials.identity.ignoring_must_staple(),
        };
        let authorities = authorities(&identity, &verifier.trust, &platform_trust);
        let chains = StapledChains::new(&identity, &platform_trust);
        let signing_key = identity.ecc().or(identity.rsa()).map(|served| Arc::clone(served.key()));
        let certificates = PlatformCertificates::new(&provider, identity);
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(settings.versions.protocol_versions())?
            .with_client_cert_verifier(Arc::new(RustlsVerifier(Arc::clone(&verifier))))
            .with_cert_resolver(Arc::new(certificates));
        // A3: the platform's order decides.
        server.ignore_client_order = true;
        configure_resumption(&mut server, config.tls.session_cache, &verifier, clock);
        let certificates = credentials.certificates;
        Ok(Self {
            config: Arc::new(server),
            verifier,
            certificates,
            unusable: credentials.unusable,
            platform_trust,
            authorities,
            chains,
            signing_key,
        })
    }
}

/// The key of the configuration for an identity with this certificate.
const fn configured_as(facts: &CertificateFacts) -> &'static str {
    match facts.key {
        KeyKind::Rsa { .. } => "tls.rsa",
        _ => "tls.ecc",
    }
}

/// Logs the identities that are not used.
fn log_unusable(identities: &[UnusableIdentity]) {
    for UnusableIdentity { key, reason, .. } in identities {
        tracing::error!(
            key,
            reason = %explained(reason),
            help = "docs/howto/incidents.md#a-certificate-of-the-platform-has-ended",
            "an identity of the platform is not used; devices that need a certificate of its kind cannot connect, \
             and the others can"
        );
    }
}

/// Logs the installed roots that are not used.
fn log_unfit(anchors: &[UnfitAnchor]) {
    for anchor in anchors {
        tracing::error!(
            subject = anchor.subject,
            reason = %anchor.reason,
            "an installed root is not used; devices that chain to it are refused"
        );
    }
}

impl Secured {
    /// The peer.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Notes the load balancer that relays the connection.
    pub const fn set_balancer(&mut self, balancer: Option<IpAddr>) {
        self.peer.set_balancer(balancer);
    }

    /// The stream and its peer. The memory of the box is free then.
    #[must_use]
    pub fn into_parts(self: Box<Self>) -> (SecuredStream, Peer) {
        (self.stream.into(), self.peer)
    }
}

/// Closes our side, then reads and discards what the peer still sends. A TCP connection that is closed with
/// unread bytes is reset, and a reset can discard the alert before the peer has read it.
async fn linger(mut tcp: TcpStream) {
    let drain = async {
        tcp.shutdown().await?;
        tokio::io::copy(&mut tcp.take(MAX_LINGER_BYTES), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LINGER_TIMEOUT, drain).await;
}

/// Time for a refused peer to read its alert before the connection is dropped.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes that are read from a refused peer and discarded in that time.
const MAX_LINGER_BYTES: u64 = 64 * 1024;
