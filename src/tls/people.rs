//! TLS for people: the operator's side asks for a certificate, and serves a client without one as a stranger.
//!
//! The roots of people are their own: no device's certificate opens a page. A chain is examined as one of a
//! device is, in the same order: limits before any path building, the path, revocation from memory, the
//! signature that proves the key, and only then a query to a responder. What a name may do is not decided
//! here. Suites and groups are those of the TLS library.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName as Subject, Error, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;

use super::acceptor::AcceptorError;
use super::anchor_fitness::UnfitAnchor;
use super::certificate_selection::PlatformCertificates;
use super::inventory::{Authority, AuthorityRole};
use super::listener_identity::ListenerIdentity;
use super::refusal::HandshakeError;
use super::server_stream::ServerStream;
use super::status_request_v2::RewritingStream;
use super::stream::SecuredStream;
use super::time::time_provider;
use super::trust::Trust;
use super::verifier::{
    AdmissionPolicy, Caches, DECISION, PRESENTED, PeerVerifier, remember_presented, verify_tls12_signature,
    verify_tls13_signature,
};
use crate::authz::DirectoryHandle;
use crate::config::Config;
use crate::model::{Clock, Refusal};
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict};
use crate::x509::{CertificateFacts, DistinguishedName};

/// The server side of TLS for people. It is off while the configuration names no roots of people.
#[derive(Debug)]
pub struct PeopleAcceptor {
    settings: ArcSwapOption<PeopleSettings>,
    revocation: Engine,
    clock: Clock,
}

/// What a new configuration says, loaded and checked.
#[derive(Debug)]
pub struct PreparedPeople(Option<PeopleSettings>);

#[derive(Debug)]
struct PeopleSettings {
    config: Arc<ServerConfig>,
    verifier: Arc<PeerVerifier>,
    /// The certificate of its own that the listener shows, and the CAs in its chain.
    shown: Vec<CertificateFacts>,
}

/// The certificate of a person who has proved to have its key; it leads to a root of people.
#[derive(Debug, Clone)]
pub struct PersonCertificate {
    facts: Arc<CertificateFacts>,
    path: Arc<[IssuedCertificate]>,
    /// Why it is refused all the same.
    refusal: Option<Refusal>,
}

impl PersonCertificate {
    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.facts.subject
    }
}

impl PeopleAcceptor {
    /// Loads the roots of people, and the certificate that the listener shows.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn build(config: &Config, revocation: Engine, clock: Clock) -> Result<Self, AcceptorError> {
        let acceptor = Self { settings: ArcSwapOption::empty(), revocation, clock };
        acceptor.publish(acceptor.prepare(config)?);
        Ok(acceptor)
    }

    /// Loads and checks what a new configuration names.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn prepare(&self, config: &Config) -> Result<PreparedPeople, AcceptorError> {
        if config.admin.trust_anchors.is_empty() {
            return Ok(PreparedPeople(None));
        }
        PeopleSettings::load(config, &self.revocation, &self.clock)
            .map(|settings| PreparedPeople(Some(settings)))
    }

    /// Applies it to every later connection.
    pub fn publish(&self, PreparedPeople(settings): PreparedPeople) {
        self.settings.store(settings.map(Arc::new));
    }

    /// Whether the listener speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.load().is_some()
    }

    /// The certificate of its own that the listener shows (`admin.certificate`); `None` when it shows that of
    /// the platform, or none.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateFacts> {
        self.settings.load().as_ref().and_then(|settings| settings.shown.first().cloned())
    }

    /// The roots of people, and the CAs in the chain of [`certificate`](Self::certificate).
    #[must_use]
    pub fn authorities(&self) -> Vec<Authority> {
        let settings = self.settings.load();
        let Some(settings) = settings.as_ref() else { return Vec::new() };
        let of = |role| move |facts: &CertificateFacts| Authority { facts: facts.clone(), role };
        let roots = settings.verifier.trust.facts.iter().map(of(AuthorityRole::PeopleRoot));
        roots.chain(settings.shown.iter().skip(1).map(of(AuthorityRole::AdminCa))).collect()
    }

    /// The installed certificates that are no roots of people, or not yet.
    #[must_use]
    pub fn unfit_anchors(&self) -> Vec<UnfitAnchor> {
        let settings = self.settings.load();
        settings.as_ref().map(|settings| settings.verifier.trust.unfit.clone()).unwrap_or_default()
    }

    /// Performs the handshake; the caller limits its time. A client need not have a certificate; one that it
    /// shows has to lead to a root of people. Its revocation is asked for when the client has proved to have
    /// the key: [`refusal`](Self::refusal) says the result, so that a response can name it.
    ///
    /// # Errors
    /// When the handshake fails, or the certificate is refused in it: the client gets the matching alert.
    pub async fn accept(
        &self,
        tcp: TcpStream,
    ) -> Result<(SecuredStream, Option<PersonCertificate>), HandshakeError> {
        let Some(settings) = self.settings.load_full() else {
            return Err(HandshakeError::new(Refusal::ProtocolViolation));
        };
        let handshake = DECISION.scope(RefCell::default(), async {
            let accepted =
                ServerStream::accept(Arc::clone(&settings.config), RewritingStream::plain(tcp)).await;
            let refused = DECISION.with(RefCell::take).and_then(Result::err);
            (accepted, refused, PRESENTED.with(RefCell::take))
        });
        let (accepted, refused, presented) = PRESENTED.scope(RefCell::default(), handshake).await;
        let stream =
            accepted.map_err(|(error, _)| refused.unwrap_or_else(|| HandshakeError::from_io(&error)))?;
        let certificate = match presented {
            None => None,
            Some(presented) => {
                let (facts, path, refusal) = settings.verifier.conclude_person(presented).await;
                Some(PersonCertificate { facts, path, refusal })
            }
        };
        Ok((stream.into(), certificate))
    }

    /// Why the certificate is refused now, if it is: it is revoked, or that is not known; it has expired; or
    /// its root is not installed any more.
    #[must_use]
    pub fn refusal(&self, certificate: &PersonCertificate) -> Option<Refusal> {
        let settings = self.settings.load();
        let Some(settings) = settings.as_ref() else { return Some(Refusal::UntrustedIssuer) };
        let is_revoked = |status: &Status| matches!(status.verdict, Verdict::Revoked { .. });
        if self.revocation.peek(&certificate.path).iter().any(is_revoked) {
            return Some(Refusal::Revoked);
        }
        let lost = || settings.verifier.lost_admission(&certificate.path, self.clock.now());
        certificate.refusal.or_else(lost)
    }
}

impl PeopleSettings {
    fn load(config: &Config, revocation: &Engine, clock: &Clock) -> Result<Self, AcceptorError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let time = time_provider(clock);
        let now = time.current_time().ok_or(Error::FailedToGetCurrentTime)?;
        let key = "admin.trust-anchors";
        let trust =
            Trust::load_fit(key, &config.admin.trust_anchors, clock.now(), config.revocation.clock_skew)?;
        let ListenerIdentity { identity, own: shown } =
            ListenerIdentity::load(config.admin.certificate.as_ref(), &config.tls, &provider, now)?;
        let verifier = Arc::new(PeerVerifier {
            trust,
            revocation: revocation.clone(),
            // Its own: the CAs of people are none of devices.
            caches: Caches::default(),
            directory: DirectoryHandle::default(),
            algorithms: provider.signature_verification_algorithms,
            policy: AdmissionPolicy::from_config(config).of_people(),
        });
        // Browsers staple nothing, and a certificate that must be stapled is for devices.
        let certificates = PlatformCertificates::new(&provider, identity.ignoring_must_staple());
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(PersonVerifier(Arc::clone(&verifier))))
            .with_cert_resolver(Arc::new(certificates));
        server.ignore_client_order = true;
        // A resumed session would not be examined again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(server), verifier, shown })
    }
}

/// Examines the certificate of a person inside the handshake.
#[derive(Debug)]
struct PersonVerifier(Arc<PeerVerifier>);

impl ClientCertVerifier for PersonVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Subject] {
        &self.0.trust.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        let chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
        // Without the place for it, the connection has no person.
        remember_presented(self.0.check_presented(chain, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
