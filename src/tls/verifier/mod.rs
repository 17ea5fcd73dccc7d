//! The admission decision about a client's certificates, taken inside the handshake.

mod admission_policy;
mod chain_facts;
mod chain_limits;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake_signature;
mod path;

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::anchor_fitness::UnfitReason;
use super::ca_cache::CaCache;
use super::refusal::{
    HandshakeError, certificate_error, for_each_undetermined, presented_certificate, shown_certificate,
    unfit_uses,
};
use super::signature_cache::{FailedSignatures, SignatureCache};
use super::status_request_v2;
use super::trust::Trust;
use crate::audit::UnfitUses;
use crate::authz::{Device, DirectoryHandle};
use crate::config::{ExpiredSessions, Undetermined};
use crate::model::{Refusal, RefusalFacts, Wait, while_waiting};
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict, issuer_keys};
use crate::x509::{CertificateFacts, CertificateOutline, ComparableName, DistinguishedName};
pub(super) use admission_policy::AdmissionPolicy;
pub(super) use handshake_signature::{
    verify_tls12 as verify_tls12_signature, verify_tls13 as verify_tls13_signature,
};
use path::{Candidate, PathError, Rules, ValidPath};

tokio::task_local! {
    /// The decision in the handshake of this task. rustls calls the verifier on the polling thread.
    pub(super) static DECISION: RefCell<Option<Decision>>;
    /// The chain in the handshake of this task, until its peer has proved that it has the key.
    pub(super) static PRESENTED: RefCell<Option<Presented>>;
}

/// The result of [`PeerVerifier::verify`].
pub(super) type Decision = Result<Admission, HandshakeError>;

/// The positive decision: the client may connect.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) device: Arc<Device>,
    pub(super) facts: Arc<CertificateFacts>,
    /// The certificates of the path with their issuers, for later revocation checks.
    pub(super) path: Arc<[IssuedCertificate]>,
    /// The revocation status of each of them.
    pub(super) statuses: Arc<Vec<Status>>,
}

/// Where the revocation status of a certificate may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sources {
    /// The caches, or queries.
    All,
    /// The caches. A status that is not there fails the path.
    Memory,
    /// The caches. A status that is not there is determined later.
    MemoryFirst,
}

/// A valid path, and the revocation status of its certificates.
#[derive(Debug)]
struct CheckedPath {
    facts: Arc<CertificateFacts>,
    path: Arc<[IssuedCertificate]>,
    statuses: Arc<Vec<Status>>,
    /// Whether no status is left for later.
    is_complete: bool,
}

/// A chain that leads to an installed root. Its peer has not proved that it has the key.
#[derive(Debug)]
pub(super) struct Presented {
    chain: Vec<CertificateDer<'static>>,
    now: UnixTime,
    checked: CheckedPath,
}

impl Presented {
    /// The certificate of the peer, and those of its path with their issuers.
    pub(super) fn into_parts(self) -> (Arc<CertificateFacts>, Arc<[IssuedCertificate]>) {
        (self.checked.facts, self.checked.path)
    }
}

/// Work of earlier handshakes that later ones reuse. Clones share it. It holds no decisions.
#[derive(Debug, Clone, Default)]
pub(super) struct Caches {
    pub(super) signatures: Arc<SignatureCache>,
    pub(super) ca_certificates: Arc<CaCache>,
}

/// Verifies certificate chains of clients, in the same way for full and for resumed handshakes.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    pub(super) trust: Trust,
    pub(super) revocation: Engine,
    pub(super) caches: Caches,
    pub(super) policy: AdmissionPolicy,
    pub(super) directory: DirectoryHandle,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    /// Verifies the path to an installed root, the revocation status of each certificate, the keys, the
    /// Common Name and the directory entry (A8, A9).
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Decision {
        self.decide(chain, now, Sources::All)
    }

    /// As [`verify`](Self::verify), but without a query to a responder: for a peer that has proved nothing.
    pub(super) fn verify_without_queries(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Decision {
        self.decide(chain, now, Sources::Memory)
    }

    fn decide(&self, chain: &[CertificateDer<'_>], now: UnixTime, sources: Sources) -> Decision {
        self.find_path(chain, now, |valid, facts, statuses| {
            self.authorize(self.check(valid, facts, sources, statuses)?)
        })
    }

    /// The first step of a decision: verifies a chain without a query and without the directory. A
    /// certificate is public, so anyone can send a copy; only CertificateVerify proves that the peer has the
    /// key.
    pub(super) fn check_presented(
        &self,
        chain: Vec<CertificateDer<'static>>,
        now: UnixTime,
    ) -> Result<Presented, HandshakeError> {
        let checked = self.find_path(&chain, now, |valid, facts, statuses| {
            self.check(valid, facts, Sources::MemoryFirst, statuses)
        })?;
        Ok(Presented { chain, now, checked })
    }

    /// The second step of a decision, for a peer that has proved that it has the key (A8, A9).
    fn decide_presented(&self, presented: Presented) -> Decision {
        let Presented { chain, now, checked } = presented;
        let admission = checked.is_complete.then(|| self.authorize(checked).ok()).flatten();
        // Another path may be admitted; otherwise the refusal has all that is known.
        admission.map_or_else(|| self.verify(&chain, now), Ok)
    }

    /// The second step for a person who has proved to have the key: revocation alone decides (A9), and says
    /// why the certificate is refused. What the name may do is not decided here.
    pub(super) async fn conclude_person(
        &self,
        presented: Presented,
    ) -> (Arc<CertificateFacts>, Arc<[IssuedCertificate]>, Option<Refusal>) {
        let CheckedPath { facts, path, is_complete, .. } = presented.checked;
        let refusal =
            if is_complete { None } else { self.evaluate(&self.revocation.check(&path).await).err() };
        (facts, path, refusal)
    }

    /// Why revocation (A9) refuses a path now, if it does: from the caches, or by queries. Nothing is logged:
    /// a client decides how often it asks.
    pub(super) async fn revocation_refusal(&self, path: &Arc<[IssuedCertificate]>) -> Option<Refusal> {
        let statuses = match self.revocation.try_check(path) {
            Some(statuses) => statuses,
            None => self.revocation.check(path).await,
        };
        let refuses = self.policy.when_undetermined == Undetermined::Refuse;
        if is_revoked(&statuses) {
            return Some(Refusal::Revoked);
        }
        (refuses && statuses.iter().any(is_undetermined)).then_some(Refusal::RevocationUndetermined)
    }

    /// Whether a certificate of the path is revoked by what is in memory.
    pub(super) fn is_known_revoked(&self, path: &Arc<[IssuedCertificate]>) -> bool {
        self.revocation.try_check(path).is_some_and(|statuses| is_revoked(&statuses))
    }

    /// The first valid path that `admit` admits. `admit` gets the revocation status of the last path.
    fn find_path<T>(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        admit: impl Fn(&ValidPath<'_>, &Arc<CertificateFacts>, &mut Arc<Vec<Status>>) -> Result<T, Refusal>,
    ) -> Result<T, HandshakeError> {
        let leaf = chain.first().ok_or(HandshakeError::new(Refusal::NoCertificate))?;
        let outlines = self.policy.limits.check(chain).map_err(HandshakeError::new)?;
        let facts =
            CertificateFacts::read(leaf).map_err(|_| HandshakeError::new(Refusal::MalformedCertificate))?;
        let facts = Arc::new(facts);
        let refused = |refusal| HandshakeError {
            certificate: Some(Box::new(presented_certificate(&facts))),
            facts: Box::new(RefusalFacts {
                certificate: Some(shown_certificate(&facts)),
                ..RefusalFacts::default()
            }),
            ..HandshakeError::new(refusal)
        };
        let candidates = Candidate::read_all(chain, &outlines).map_err(&refused)?;
        let now = i64::try_from(now.as_secs()).ok().and_then(|now| Timestamp::from_second(now).ok());
        let now = now.ok_or_else(|| refused(Refusal::ProtocolViolation))?;
        let failures = FailedSignatures::default();
        let own = candidates.first().map_or(&[][..], Candidate::signed_bytes);
        let algorithms = self.caches.signatures.algorithms(self.algorithms.all, &failures, own);
        let rules = Rules {
            trust: &self.trust,
            algorithms: &algorithms,
            ca_certificates: &self.caches.ca_certificates,
            rsa_bits: self.policy.rsa_bits,
            now,
            clock_skew: self.policy.clock_skew,
            required_policies: &self.policy.required_policies,
            required_purposes: &self.policy.required_purposes,
        };
        let mut last_statuses = Arc::default();
        let found = path::find(&rules, &candidates, &facts, |valid| {
            if self.forbids_signatures(&facts) {
                return Err(PathError::rule(Refusal::WrongPurpose).of_leaf());
            }
            admit(&valid, &facts, &mut last_statuses).map_err(PathError::admission)
        });
        found.map_err(|error| {
            let (refusal, is_issued) = (self.true_reason(error.refusal, &outlines), error.is_about_issued());
            let extension = error.extension;
            let mut refused = refused(refusal);
            refused.facts.missing_ca = chain_facts::missing_ca(refusal, &outlines);
            refused.facts.ended = chain_facts::ended_ca(refusal, chain, now);
            if let Some(certificate) = refused.certificate.as_mut().filter(|_| is_issued) {
                certificate.unfit = self.unfit_uses(refusal, &facts);
            }
            HandshakeError { revocation: last_statuses, extension, is_issued, ..refused }
        })
    }

    /// The uses in the certificate of a known device, if it is refused for them.
    fn unfit_uses(&self, refusal: Refusal, facts: &CertificateFacts) -> Option<UnfitUses> {
        let id = facts.device_id().ok().filter(|_| refusal == Refusal::WrongPurpose)?;
        unfit_uses(facts, &self.directory.load().find(&id)?.id)
    }

    /// Revocation (A9) for a valid path. `statuses` holds the revocation status of the last path, and stays
    /// with a revoked one when a later path fails too.
    fn check(
        &self,
        valid: &ValidPath<'_>,
        facts: &Arc<CertificateFacts>,
        sources: Sources,
        statuses: &mut Arc<Vec<Status>>,
    ) -> Result<CheckedPath, Refusal> {
        let path = self.links(valid, facts);
        let (own, is_complete) = self.revocation_status(&path, sources)?;
        let own = Arc::new(own);
        let revocation = if is_complete { self.evaluate(&own) } else { Ok(()) };
        if revocation.is_ok() || !is_revoked(statuses) {
            *statuses = Arc::clone(&own);
        }
        revocation?;
        Ok(CheckedPath { facts: Arc::clone(facts), path, statuses: own, is_complete })
    }

    /// The Common Name and the directory entry (A8) for a checked path.
    fn authorize(&self, checked: CheckedPath) -> Result<Admission, Refusal> {
        let CheckedPath { facts, path, statuses, .. } = checked;
        let id = facts.device_id().map_err(|_| Refusal::NoCommonName)?;
        let device = self.directory.load().admit(&id, issuer_keys(&path))?;
        Ok(Admission { device, facts, path, statuses })
    }

    /// Whether the key usage excludes the signature of CertificateVerify (RFC 5280 4.2.1.3, RFC 5246 7.4.6).
    fn forbids_signatures(&self, facts: &CertificateFacts) -> bool {
        let excepted = || facts.device_id().is_ok_and(|id| self.policy.key_usage_exceptions.contains(&id));
        facts.key_usage.is_some_and(|usage| !usage.digital_signature) && !excepted()
    }

    /// The reason behind a refusal, where the chain shows a better one.
    fn true_reason(&self, refusal: Refusal, outlines: &[CertificateOutline<'_>]) -> Refusal {
        let Some((leaf, others)) = outlines.split_first() else { return refusal };
        let is_installed = || self.trust.facts.iter().any(|root| root.subject.as_der() == leaf.issuer);
        // Some clients send their certificate twice.
        let is_alone = others.iter().all(|other| other == leaf) && leaf.issuer != leaf.subject;
        match refusal {
            Refusal::UntrustedIssuer if is_alone && !is_installed() => Refusal::IncompleteChain,
            refusal => refusal,
        }
    }

    /// The definite reason, if any, why a new connection with the path of an open session would be refused:
    /// its root was removed, or a certificate has expired. `// A6, A8`
    pub(super) fn lost_admission(&self, path: &[IssuedCertificate], now: Timestamp) -> Option<Refusal> {
        let root = &path.last()?.issuer;
        let intermediates = count_intermediates(path.iter().map(|issued| issued.certificate.as_ref()));
        let has_expired = |issued: &IssuedCertificate| {
            let reason = UnfitReason::find_in_dates(&issued.certificate, now, self.policy.clock_skew);
            matches!(reason, Some(UnfitReason::Expired(_)))
        };
        let ends_expired = self.policy.expired_sessions == ExpiredSessions::End;
        match self.trust.check_anchor(root, intermediates, now, self.policy.clock_skew) {
            // A clock that was set back does not end sessions.
            Ok(()) | Err(Refusal::NotYetValid) => {
                (ends_expired && path.iter().any(has_expired)).then_some(Refusal::Expired)
            }
            Err(Refusal::Expired) => ends_expired.then_some(Refusal::Expired),
            Err(refusal) => Some(refusal),
        }
    }

    /// Every certificate of the path but the root, each with its issuer.
    fn links(&self, valid: &ValidPath<'_>, leaf: &Arc<CertificateFacts>) -> Arc<[IssuedCertificate]> {
        let mut links = Vec::with_capacity(valid.authorities.len().saturating_add(1));
        let mut certificate = Arc::clone(leaf);
        for (der, authority) in &valid.authorities {
            self.caches.ca_certificates.insert(der, authority);
            let next = Arc::clone(&authority.facts);
            let certificate = std::mem::replace(&mut certificate, next);
            links.push(IssuedCertificate { certificate, issuer: Arc::clone(&authority.issuer) });
        }
        links.push(IssuedCertificate { certificate, issuer: Arc::clone(valid.anchor.issuer) });
        links.into()
    }

    /// The revocation status of each certificate, from the caches or by queries (A9), and whether none is
    /// left for later. rustls calls the verifier synchronously, so this blocks the thread; `block_in_place`
    /// lets the runtime move its other tasks elsewhere, and the turn of a new handshake goes to another one.
    fn revocation_status(
        &self,
        path: &Arc<[IssuedCertificate]>,
        sources: Sources,
    ) -> Result<(Vec<Status>, bool), Refusal> {
        if let Some(statuses) = self.revocation.try_check(path) {
            return Ok((statuses, true));
        }
        let statuses = match (sources, Handle::try_current()) {
            (Sources::Memory, _) => return Err(Refusal::RevocationUndetermined),
            (Sources::MemoryFirst, _) => return Ok((self.revocation.peek(path), false)),
            (Sources::All, Ok(handle)) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                let check = || handle.block_on(self.revocation.check(path));
                while_waiting(Wait::RevocationData, || tokio::task::block_in_place(check))
            }
            (Sources::All, _) => self.revocation.peek(path),
        };
        Ok((statuses, true))
    }

    fn evaluate(&self, statuses: &[Status]) -> Result<(), Refusal> {
        if is_revoked(statuses) {
            return Err(Refusal::Revoked);
        }
        let undetermined = statuses.iter().any(is_undetermined);
        match self.policy.when_undetermined {
            Undetermined::Refuse if undetermined => Err(Refusal::RevocationUndetermined),
            Undetermined::Accept if undetermined => {
                for_each_undetermined(statuses, |serial, issuer, reason, attempts| {
                    tracing::warn!(
                        serial,
                        issuer,
                        reason,
                        attempts,
                        "revocation status of a certificate is undetermined; accepted, as \
                         revocation.when-undetermined says"
                    );
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The certificates of a path that count for a path length: all but the end entity and self-issued ones
/// (RFC 5280 4.2.1.9).
fn count_intermediates<'a>(path: impl Iterator<Item = &'a CertificateFacts>) -> usize {
    path.skip(1).filter(|certificate| !is_self_issued(certificate)).count()
}

fn is_self_issued(certificate: &CertificateFacts) -> bool {
    let name = |name: &DistinguishedName| ComparableName::new(name.as_der());
    certificate.subject == certificate.issuer || name(&certificate.subject) == name(&certificate.issuer)
}

fn is_revoked(statuses: &[Status]) -> bool {
    statuses.iter().any(|status| matches!(status.verdict, Verdict::Revoked { .. }))
}

fn is_undetermined(status: &Status) -> bool {
    matches!(status.verdict, Verdict::Undetermined(_))
}

/// [`PeerVerifier`] as a rustls client certificate verifier, in two steps: when the certificates arrive, and
/// after the signature of CertificateVerify. Both can send the alert of a refusal.
#[derive(Debug)]
pub(super) struct RustlsVerifier(pub(super) Arc<PeerVerifier>);

impl RustlsVerifier {
    /// The second step.
    fn decide(&self) -> Result<(), Error> {
        match PRESENTED.try_with(RefCell::take) {
            Ok(Some(presented)) => conclude(self.0.decide_presented(presented)),
            // Outside of an `Acceptor` the first step has decided.
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

/// The result for rustls. The decision itself is for the acceptor.
fn conclude(decision: Decision) -> Result<(), Error> {
    let result = decision.as_ref().map(drop).map_err(|refused| certificate_error(refused.refusal));
    let _ = DECISION.try_with(|slot| slot.replace(Some(decision)));
    result
}

/// The result of the first step for rustls. The chain waits for the signature of its peer; a refusal is for
/// the acceptor.
pub(super) fn remember_presented(
    checked: Result<Presented, HandshakeError>,
) -> Result<ClientCertVerified, Error> {
    match checked {
        Ok(presented) => drop(PRESENTED.try_with(|slot| slot.replace(Some(presented)))),
        Err(refused) => conclude(Err(refused))?,
    }
    Ok(ClientCertVerified::assertion())
}

impl ClientCertVerifier for RustlsVerifier {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &self.0.trust.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<CertificateDer<'static>> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        // A decision about a session that is not resumed after all does not count.
        let _ = DECISION.try_with(RefCell::take);
        if PRESENTED.try_with(|_| ()).is_err() {
            // Outside of an `Acceptor` nothing connects the two steps: this one decides.
            conclude(self.0.verify(&chain, now))?;
            return Ok(ClientCertVerified::assertion());
        }
        remember_presented(self.0.check_presented(chain, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // RFC 5246 7.4.8: the client signs the messages as it has seen them.
        let seen = status_request_v2::as_seen_by_client(message);
        let valid = handshake_signature::verify_tls12(&seen, cert, dss, &self.0.algorithms)?;
        self.decide()?;
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = handshake_signature::verify_tls13(message, cert, dss, &self.0.algorithms)?;
        self.decide()?;
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
