//! TLS for hospital systems: the listener asks for a certificate, and serves a client without one as a
//! stranger.
//!
//! The roots of these clients are those of trust communities, apart from the roots of devices and of people.
//! A chain is examined as one of a device is, in the same order. A certificate that is refused does not end
//! the handshake: the answer to the request says why, and what to do. The TLS library verifies the signature
//! that proves the key in any case.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName as Subject, Error, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;

use super::acceptor::AcceptorError;
use super::anchor_fitness::UnfitAnchor;
use super::api_authorities::{authorities, enrolment_authorities, in_pem};
use super::certificate_selection::PlatformCertificates;
use super::community::{Member, hints};
use super::inventory::{Authority, AuthorityRole};
use super::listener_identity::ListenerIdentity;
use super::refusal::{HandshakeError, presented_certificate};
use super::server_stream::ServerStream;
use super::status_request_v2::RewritingStream;
use super::stream::SecuredStream;
use super::time::time_provider;
use super::udap_signer::UdapSigner;
use super::verifier::{verify_tls12_signature, verify_tls13_signature};
use crate::audit::Certificate;
use crate::config::Config;
use crate::model::{Clock, Fingerprint, Refusal};
use crate::revocation::{Engine, IssuedCertificate};
use crate::x509::{CertificateFacts, CommonName};

tokio::task_local! {
    /// The chain in the handshake of this task. rustls calls the verifier on the polling thread.
    static SHOWN: RefCell<Option<Vec<CertificateDer<'static>>>>;
}

/// The server side of TLS for hospital systems. It is off while the configuration names no address.
#[derive(Debug)]
pub struct ApiAcceptor {
    pub(super) settings: ArcSwapOption<ApiSettings>,
    revocation: Engine,
    pub(super) clock: Clock,
}

/// What a new configuration says, loaded and checked.
#[derive(Debug)]
pub struct PreparedApi(Option<ApiSettings>);

#[derive(Debug)]
pub(super) struct ApiSettings {
    config: Arc<ServerConfig>,
    communities: Vec<Member>,
    /// The roots of devices, where they renew their certificates; they open nothing else.
    devices: Option<Member>,
    /// The roots of the people who let applications read; they open nothing by themselves.
    pub(super) users: Option<Member>,
    /// The CAs of the listener's certificate, in PEM.
    pem: String,
    /// These CAs and those that issue to who enrols, in DER.
    enrolment: Vec<Vec<u8>>,
    /// The certificate of its own that the listener shows, and the CAs in its chain.
    shown: Vec<CertificateFacts>,
    udap: Option<UdapSigner>,
}

/// The certificate of a client that has proved to have its key. Whether it counts is
/// [`membership`](ApiAcceptor::membership).
#[derive(Debug, Clone)]
pub struct ApiCertificate {
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    pub(super) facts: Arc<CertificateFacts>,
    /// Under which settings it was examined, and the result.
    pub(super) examined: Examined,
}

#[derive(Debug, Clone)]
pub(super) struct Examined {
    pub(super) settings: Arc<ApiSettings>,
    result: Result<(Arc<str>, Arc<[IssuedCertificate]>), Refusal>,
    /// The path to a root of devices, of a certificate that leads to no community.
    device: Option<Arc<[IssuedCertificate]>>,
    /// The path to a root of people, of a certificate that leads to no community and to no root of devices.
    pub(super) user: Result<Arc<[IssuedCertificate]>, Refusal>,
}

/// The community of a certificate that counts now. Only [`ApiAcceptor::membership`] makes one.
#[derive(Debug, Clone)]
pub struct Membership {
    community: Arc<str>,
    facts: Arc<CertificateFacts>,
}

impl Membership {
    /// The name of the community.
    #[must_use]
    pub fn community(&self) -> &str {
        &self.community
    }

    /// The certificate of the client.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.facts.fingerprint
    }

    /// When it ends.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.facts.not_after
    }

    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> String {
        self.facts.subject.to_string()
    }

    /// The URIs of its subjectAltName.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.facts.uris
    }

    /// The certificate, as the audit trail records it.
    #[must_use]
    pub fn recorded(&self) -> Certificate {
        presented_certificate(&self.facts)
    }

    /// The Common Names of the subject that can be read.
    pub fn common_names(&self) -> impl Iterator<Item = &str> {
        self.facts.subject.common_names().iter().filter_map(CommonName::text)
    }
}

impl ApiCertificate {
    /// Whether it led to a community, or to a root of people, when the connection was made.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.examined.result.is_ok() || self.examined.user.is_ok()
    }

    /// Which certificate it is.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.facts.fingerprint
    }

    /// The certificate, as the audit trail records it.
    #[must_use]
    pub fn recorded(&self) -> Certificate {
        presented_certificate(&self.facts)
    }
}

impl ApiAcceptor {
    /// Loads the communities, and the certificate that the listener shows.
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
    pub fn prepare(&self, config: &Config) -> Result<PreparedApi, AcceptorError> {
        let settings = config.api.is_on().then(|| ApiSettings::load(config, &self.revocation, &self.clock));
        settings.transpose().map(PreparedApi)
    }

    /// Applies it to every later connection, and to every later request of the open ones.
    pub fn publish(&self, PreparedApi(settings): PreparedApi) {
        self.settings.store(settings.map(Arc::new));
    }

    /// The CAs of the listener's certificate in PEM: its root, if it is installed, and the CAs in its chain.
    #[must_use]
    pub fn authorities_in_pem(&self) -> String {
        self.settings.load().as_ref().map(|settings| settings.pem.clone()).unwrap_or_default()
    }

    /// The CAs that a client needs who enrols, in DER: those of the listener, and those that issue.
    #[must_use]
    pub fn enrolment_authorities(&self) -> Vec<Vec<u8>> {
        self.settings.load().as_ref().map(|settings| settings.enrolment.clone()).unwrap_or_default()
    }

    /// The certificate of its own that the listener shows (`api.identity`); `None` when it shows that of the
    /// platform.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateFacts> {
        self.settings.load().as_ref().and_then(|settings| settings.shown.first().cloned())
    }

    /// The roots of the communities, and the CAs in the chain of [`certificate`](Self::certificate).
    #[must_use]
    pub fn authorities(&self) -> Vec<Authority> {
        let settings = self.settings.load();
        let Some(settings) = settings.as_ref() else { return Vec::new() };
        let of = |role| move |facts: &CertificateFacts| Authority { facts: facts.clone(), role };
        let roots = settings.communities.iter().flat_map(|member| &member.verifier.trust.facts);
        let users = settings.users.iter().flat_map(|member| &member.verifier.trust.facts);
        let authorities = settings.shown.iter().skip(1).map(of(AuthorityRole::ApiCa));
        let roots = roots.map(of(AuthorityRole::CommunityRoot)).chain(users.map(of(AuthorityRole::UserRoot)));
        roots.chain(authorities).collect()
    }

    /// What signs the metadata of UDAP (`api.udap.identity`).
    #[must_use]
    pub fn udap_signer(&self) -> Option<UdapSigner> {
        self.settings.load().as_ref().and_then(|settings| settings.udap.clone())
    }

    /// The installed certificates that are no roots of a community, or not yet.
    #[must_use]
    pub fn unfit_anchors(&self) -> Vec<UnfitAnchor> {
        let settings = self.settings.load();
        let communities = settings.iter().flat_map(|settings| &settings.communities);
        communities.flat_map(|member| &member.verifier.trust.unfit).cloned().collect()
    }

    /// The same of the people who let applications read.
    #[must_use]
    pub fn unfit_user_anchors(&self) -> Vec<UnfitAnchor> {
        let settings = self.settings.load();
        let users = settings.iter().flat_map(|settings| &settings.users);
        users.flat_map(|member| &member.verifier.trust.unfit).cloned().collect()
    }

    /// Performs the handshake; the caller limits its time. A client need not have a certificate.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(
        &self,
        tcp: TcpStream,
    ) -> Result<(SecuredStream, Option<ApiCertificate>), HandshakeError> {
        let Some(settings) = self.settings.load_full() else {
            return Err(HandshakeError::new(Refusal::ProtocolViolation));
        };
        let handshake = async {
            let config = Arc::clone(&settings.config);
            let accepted = ServerStream::accept(config, RewritingStream::plain(tcp)).await;
            (accepted, SHOWN.with(RefCell::take))
        };
        let (accepted, shown) = SHOWN.scope(RefCell::default(), handshake).await;
        let stream = accepted.map_err(|(error, _)| HandshakeError::from_io(&error))?;
        let certificate = shown.and_then(|chain| self.examine(chain, settings));
        Ok((stream.into(), certificate))
    }

    /// `None` for a certificate that cannot be read: its client is one without a certificate.
    fn examine(
        &self,
        chain: Vec<CertificateDer<'static>>,
        settings: Arc<ApiSettings>,
    ) -> Option<ApiCertificate> {
        let facts = Arc::new(CertificateFacts::read(chain.first()?).ok()?);
        let result = Member::find(&settings.communities, &chain, &self.clock);
        let device =
            if result.is_ok() { None } else { path_to(settings.devices.as_ref(), &chain, &self.clock).ok() };
        let user = match (&result, &device) {
            (Err(_), None) => path_to(settings.users.as_ref(), &chain, &self.clock),
            _ => Err(Refusal::UntrustedIssuer),
        };
        // What leads nowhere is not looked at again, and needs no memory.
        let kept = if result.is_ok() || device.is_some() || user.is_ok() { chain } else { Vec::new() };
        let examined = Examined { settings, result, device, user };
        Some(ApiCertificate { chain: kept.into(), facts, examined })
    }

    /// A chain that came by another way than the handshake. That its owner has the key is not proved by this.
    pub(super) fn examine_chain(&self, chain: &[Vec<u8>]) -> Option<ApiCertificate> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        self.examine(chain, self.settings.load_full()?)
    }

    /// The first certificate of a chain that came by another way than the handshake, if it leads to a
    /// community and is not known to be revoked. No responder is asked: that its owner has the key is not
    /// proved by this. When that is proved, [`membership`](Self::membership) says whether it counts.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn claimed(&self, chain: &[Vec<u8>]) -> Result<ApiCertificate, Refusal> {
        let settings = self.settings.load_full().ok_or(Refusal::UntrustedIssuer)?;
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let certificate = self.examine(chain, Arc::clone(&settings)).ok_or(Refusal::UntrustedIssuer)?;
        let (member, path) = self.path_of(&settings, &certificate)?;
        if member.verifier.is_known_revoked(&path) { Err(Refusal::Revoked) } else { Ok(certificate) }
    }

    /// The community of the certificate, if it counts now: under the present configuration, at this time, and
    /// by what is known of its revocation (A9). Asks a responder where that is not known.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn membership(&self, certificate: &ApiCertificate) -> Result<Membership, Refusal> {
        let settings = self.settings.load_full().ok_or(Refusal::UntrustedIssuer)?;
        let (member, path) = self.path_of(&settings, certificate)?;
        match member.verifier.revocation_refusal(&path).await {
            Some(refusal) => Err(refusal),
            None => {
                Ok(Membership { community: Arc::clone(&member.name), facts: Arc::clone(&certificate.facts) })
            }
        }
    }

    /// The community to which the certificate leads under these settings at this time, and the path.
    fn path_of<'s>(
        &self,
        settings: &'s Arc<ApiSettings>,
        certificate: &ApiCertificate,
    ) -> Result<(&'s Member, Arc<[IssuedCertificate]>), Refusal> {
        let is_same = Arc::ptr_eq(settings, &certificate.examined.settings);
        let (community, path) = match &certificate.examined.result {
            Ok(_) if !is_same => Member::find(&settings.communities, &certificate.chain, &self.clock)?,
            result => result.clone()?,
        };
        let member = settings.communities.iter().find(|member| member.name == community);
        let member = member.ok_or(Refusal::UntrustedIssuer)?;
        match member.verifier.lost_admission(&path, self.clock.now()) {
            Some(refusal) => Err(refusal),
            None => Ok((member, path)),
        }
    }
}

impl ApiAcceptor {
    /// Whether a certificate may be renewed: it counts now as one of a community, or as one of a device.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn check_renewable(&self, certificate: &ApiCertificate) -> Result<Fingerprint, Refusal> {
        let settings = self.settings.load_full().ok_or(Refusal::UntrustedIssuer)?;
        let is_same = Arc::ptr_eq(&settings, &certificate.examined.settings);
        let path = match &certificate.examined.device {
            _ if !is_same && !certificate.chain.is_empty() => {
                path_to(settings.devices.as_ref(), &certificate.chain, &self.clock).ok()
            }
            path => path.clone(),
        };
        let (Some(path), Some(devices)) = (path, &settings.devices) else {
            return self.membership(certificate).await.map(|member| member.fingerprint());
        };
        devices.check_now(&path, &self.clock).await?;
        Ok(certificate.facts.fingerprint)
    }
}

impl ApiSettings {
    fn load(config: &Config, revocation: &Engine, clock: &Clock) -> Result<Self, AcceptorError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let time = time_provider(clock);
        let now = time.current_time().ok_or(Error::FailedToGetCurrentTime)?;
        let identity = config.api.identity.as_ref();
        let ListenerIdentity { identity, own: shown } =
            ListenerIdentity::load(identity, &config.tls, &provider, now)?;
        let identity = identity.ignoring_must_staple();
        let algorithms = provider.signature_verification_algorithms;
        let communities = Member::load_all(config, revocation, clock)?;
        let own = authorities(&identity, config)?;
        let pem = own.iter().map(|der| in_pem(der)).collect();
        let enrolment = enrolment_authorities(own, config)?;
        let udap = config.api.udap.identity.as_ref();
        let udap = udap.map(|own| UdapSigner::load(own, &provider)).transpose()?;
        let devices = Member::load_devices(config, revocation, clock)?;
        let users = Member::load_users(config, revocation, clock)?;
        users.as_ref().map_or(Ok(()), |own| own.check_apart(communities.iter().chain(&devices)))?;
        let renewing = devices.as_ref().filter(|_| config.enrol.enabled);
        let subjects = hints(communities.iter().chain(renewing).chain(&users));
        let verifier = ShownVerifier { subjects, algorithms };
        let certificates = PlatformCertificates::new(&provider, identity);
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(certificates));
        server.ignore_client_order = true;
        // A resumed session would not be examined again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(server), communities, devices, users, pem, enrolment, shown, udap })
    }
}

/// The path to a root of devices, or of people, where there are any; revocation is not asked for.
///
/// # Errors
/// When there is none.
fn path_to(
    roots: Option<&Member>,
    chain: &[CertificateDer<'static>],
    clock: &Clock,
) -> Result<Arc<[IssuedCertificate]>, Refusal> {
    let roots = roots.ok_or(Refusal::UntrustedIssuer)?;
    Member::find(std::slice::from_ref(roots), chain, clock).map(|(_, path)| path)
}

/// Takes any certificate whose key signs the handshake. What it may do is decided afterwards.
#[derive(Debug)]
struct ShownVerifier {
    subjects: Vec<Subject>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for ShownVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[Subject] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        let chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
        // Without the place for it, the connection has no certificate.
        drop(SHOWN.try_with(|slot| slot.replace(Some(chain))));
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
