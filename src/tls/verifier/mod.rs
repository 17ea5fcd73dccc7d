//! The admission decision about a client's certificates, taken inside the handshake.

mod admission_policy;
mod chain_limits;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::anchor_fitness::UnfitReason;
use super::ca_cache::{CaCache, CaCertificate};
use super::key_policy::accepts_key;
use super::refusal::{
    HandshakeError, certificate_error, for_each_undetermined, path_refusal, presented_certificate,
};
use super::signature_cache::{FailedSignatures, SignatureCache};
use super::status_request_v2;
use super::trust::Trust;
use crate::authz::{Device, DirectoryHandle};
use crate::config::{ExpiredSessions, Undetermined};
use crate::model::Refusal;
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict, issuer_keys};
use crate::x509::der::Element;
use crate::x509::{CertificateFacts, CertificateOutline, Signed};
pub(super) use admission_policy::AdmissionPolicy;

tokio::task_local! {
    /// The decision in the handshake of this task. rustls calls the verifier on the polling thread.
    pub(super) static DECISION: RefCell<Option<Decision>>;
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
}

/// Work of earlier handshakes that later ones reuse. Clones share it. It holds no decisions.
#[derive(Debug, Clone, Default)]
pub(super) struct Caches {
    pub(super) signatures: Arc<SignatureCache>,
    pub(super) ca_certificates: Arc<CaCache>,
}

/// A path and the revocation status of its certificates.
#[derive(Debug)]
struct CheckedPath {
    path: Arc<[IssuedCertificate]>,
    statuses: Arc<Vec<Status>>,
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
        let (leaf, intermediates) = chain.split_first().ok_or(HandshakeError::new(Refusal::NoCertificate))?;
        let outlines = self.policy.limits.check(chain).map_err(HandshakeError::new)?;
        let facts =
            CertificateFacts::read(leaf).map_err(|_| HandshakeError::new(Refusal::MalformedCertificate))?;
        let facts = Arc::new(facts);
        let refused = |refusal| HandshakeError {
            certificate: Some(presented_certificate(&facts)),
            ..HandshakeError::new(refusal)
        };
        if self.forbids_signatures(&facts) {
            return Err(refused(Refusal::WrongPurpose));
        }
        let now = self.time_of_path(&outlines, now);
        let last_path = RefCell::new(None);
        let verified = self.verify_path((leaf, intermediates), now, &facts, sources, &last_path);
        let last_path = last_path.into_inner();
        if let Err(error) = verified {
            let revocation = last_path.map(|checked| checked.statuses).unwrap_or_default();
            let refusal = self.true_reason(path_refusal(&error), &outlines);
            return Err(HandshakeError { revocation, ..refused(refusal) });
        }
        let Some(CheckedPath { path, statuses }) = last_path else {
            return Err(refused(Refusal::UntrustedIssuer));
        };
        let refused = |refusal| HandshakeError { revocation: Arc::clone(&statuses), ..refused(refusal) };
        let id = facts.device_id().map_err(|_| refused(Refusal::NoCommonName))?;
        let device = self.directory.load().admit(&id, issuer_keys(&path)).map_err(refused)?;
        Ok(Admission { device, facts, path, statuses })
    }

    /// Whether the key usage excludes the signature of CertificateVerify (RFC 5280 4.2.1.3, RFC 5246 7.4.6).
    fn forbids_signatures(&self, facts: &CertificateFacts) -> bool {
        let excepted = || facts.device_id().is_ok_and(|id| self.policy.key_usage_exceptions.contains(&id));
        facts.key_usage.is_some_and(|usage| !usage.digital_signature) && !excepted()
    }

    /// The reason behind a refusal of webpki, where the chain shows a better one.
    fn true_reason(&self, refusal: Refusal, outlines: &[CertificateOutline<'_>]) -> Refusal {
        let Some((leaf, others)) = outlines.split_first() else { return refusal };
        let is_weak = |other: &CertificateOutline<'_>| {
            other.key().is_none_or(|key| !accepts_key(key, self.policy.rsa_bits))
        };
        let is_installed = || self.trust.facts.iter().any(|root| root.subject.as_der() == leaf.issuer);
        match refusal {
            // The algorithms of the TLS library exclude weak keys, and it reports a failed signature.
            Refusal::BadSignature if others.iter().any(is_weak) => Refusal::UnacceptableKey,
            // Some clients send their certificate twice.
            Refusal::UntrustedIssuer
                if others.iter().all(|other| other == leaf)
                    && leaf.issuer != leaf.subject
                    && !is_installed() =>
            {
                Refusal::IncompleteChain
            }
            refusal => refusal,
        }
    }

    /// The time at which the validity of the chain is evaluated: `now`, or a time within the clock skew at
    /// which each certificate has begun and none has ended.
    fn time_of_path(&self, outlines: &[CertificateOutline<'_>], now: UnixTime) -> UnixTime {
        let (now_seconds, skew) = (now.as_secs(), self.policy.clock_skew.as_secs());
        let seconds =
            |time: Element<'_>| time.time().ok().and_then(|time| u64::try_from(time.as_second()).ok());
        let tolerated = |time: &u64| time.abs_diff(now_seconds) <= skew;
        let latest_start = outlines
            .iter()
            .filter_map(|outline| seconds(outline.validity.not_before))
            .filter(|start| *start > now_seconds && tolerated(start))
            .max();
        let earliest_end = outlines
            .iter()
            .filter_map(|outline| seconds(outline.validity.not_after))
            .filter(|end| *end < now_seconds && tolerated(end))
            .min();
        latest_start
            .or(earliest_end)
            .map_or(now, |time| UnixTime::since_unix_epoch(Duration::from_secs(time)))
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
            Ok(()) | Err(webpki::Error::CertNotValidYet { .. }) => {
                (ends_expired && path.iter().any(has_expired)).then_some(Refusal::Expired)
            }
            Err(webpki::Error::CertExpired { .. }) => ends_expired.then_some(Refusal::Expired),
            Err(error) => Some(path_refusal(&error)),
        }
    }

    /// Validates the path with webpki (RFC 5280 section 6.1), and checks what webpki leaves out: keyCertSign
    /// and revocation (A9). The first of several possible paths that passes counts. `last_path` holds the
    /// last path that was checked.
    fn verify_path(
        &self,
        (leaf, intermediates): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        now: UnixTime,
        facts: &Arc<CertificateFacts>,
        sources: Sources,
        last_path: &RefCell<Option<CheckedPath>>,
    ) -> Result<(), webpki::Error> {
        let end_entity = Signed::read(leaf).map_err(|_| webpki::Error::BadDer)?.message;
        let failures = FailedSignatures::default();
        let algorithms = self.caches.signatures.algorithms(self.algorithms.all, &failures, end_entity);
        let algorithms: Vec<_> = algorithms.iter().map(|algorithm| algorithm as _).collect();
        let check = |verified: &VerifiedPath<'_>| {
            let path = self.links(verified, facts, now)?;
            let statuses = Arc::new(self.revocation_status(&path, sources)?);
            let result = self.evaluate(&statuses);
            // A path with a revoked certificate stays the reported one when the next path fails too.
            let has_revoked = || last_path.borrow().as_ref().is_some_and(|known| is_revoked(&known.statuses));
            if result.is_ok() || !has_revoked() {
                last_path.replace(Some(CheckedPath { path, statuses }));
            }
            result
        };
        let verified = EndEntityCert::try_from(leaf)?
            .verify_for_usage(
                &algorithms,
                &self.trust.anchors,
                intermediates,
                now,
                KeyUsage::client_auth(),
                None,
                Some(&check),
            )
            .map(|_| ());
        match verified {
            // webpki returns one of several errors. The revocation is the one to report (A9.4).
            Err(_) if last_path.borrow().as_ref().is_some_and(|known| is_revoked(&known.statuses)) => {
                Err(webpki::Error::CertRevoked)
            }
            verified => verified,
        }
    }

    /// Every certificate of the path but the root, each with its issuer.
    fn links(
        &self,
        path: &VerifiedPath<'_>,
        leaf: &Arc<CertificateFacts>,
        now: UnixTime,
    ) -> Result<Arc<[IssuedCertificate]>, webpki::Error> {
        let mut certificates = vec![Arc::clone(leaf)];
        let mut issuers = Vec::new();
        for intermediate in path.intermediate_certificates() {
            let read = self.caches.ca_certificates.read(&intermediate.der());
            let CaCertificate { facts, issuer } = read.map_err(|_| webpki::Error::BadDer)?;
            // RFC 5280 6.1.4 (n)
            if facts.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
                return Err(webpki::Error::EndEntityUsedAsCa);
            }
            certificates.push(facts);
            issuers.push(issuer);
        }
        // A0 holds for each certificate below the root; the operator has chosen the roots. webpki has no
        // algorithms but RSA and ECDSA with SHA-2, so the signatures comply. This check comes before any
        // revocation query.
        if !certificates.iter().all(|certificate| accepts_key(certificate.key, self.policy.rsa_bits)) {
            return Err(webpki::Error::CertDistrusted);
        }
        let root = self.trust.issuer(path.anchor()).ok_or(webpki::Error::UnknownIssuer)?;
        let now = i64::try_from(now.as_secs()).ok().and_then(|now| Timestamp::from_second(now).ok());
        let now = now.ok_or(webpki::Error::InvalidCertValidity)?;
        let intermediates = count_intermediates(certificates.iter().map(Arc::as_ref));
        self.trust.check_anchor(root, intermediates, now, self.policy.clock_skew)?;
        issuers.push(Arc::clone(root));
        Ok(certificates
            .into_iter()
            .zip(issuers)
            .map(|(certificate, issuer)| IssuedCertificate { certificate, issuer })
            .collect())
    }

    /// The revocation status of each certificate, from the caches or by queries (A9). rustls calls the
    /// verifier synchronously, so this blocks the thread; `block_in_place` lets the runtime move its other
    /// tasks elsewhere.
    fn revocation_status(
        &self,
        path: &Arc<[IssuedCertificate]>,
        sources: Sources,
    ) -> Result<Vec<Status>, webpki::Error> {
        if let Some(statuses) = self.revocation.try_check(path) {
            return Ok(statuses);
        }
        match (sources, Handle::try_current()) {
            (Sources::Memory, _) => Err(webpki::Error::UnknownRevocationStatus),
            (Sources::All, Ok(handle)) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                Ok(tokio::task::block_in_place(|| handle.block_on(self.revocation.check(path))))
            }
            (Sources::All, _) => Ok(self.revocation.peek(path)),
        }
    }

    fn evaluate(&self, statuses: &[Status]) -> Result<(), webpki::Error> {
        if is_revoked(statuses) {
            return Err(webpki::Error::CertRevoked);
        }
        let undetermined = statuses.iter().any(is_undetermined);
        match self.policy.when_undetermined {
            Undetermined::Refuse if undetermined => Err(webpki::Error::UnknownRevocationStatus),
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
    path.skip(1).filter(|certificate| certificate.subject != certificate.issuer).count()
}

fn is_revoked(statuses: &[Status]) -> bool {
    statuses.iter().any(|status| matches!(status.verdict, Verdict::Revoked { .. }))
}

fn is_undetermined(status: &Status) -> bool {
    matches!(status.verdict, Verdict::Undetermined(_))
}

/// [`PeerVerifier`] as a rustls client certificate verifier.
#[derive(Debug)]
pub(super) struct RustlsVerifier(pub(super) Arc<PeerVerifier>);

impl ClientCertVerifier for RustlsVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0.trust.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|c| CertificateDer::from(c.as_ref()))
            .collect();
        let decision = self.0.verify(&chain, now);
        let result = match &decision {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refused) => Err(certificate_error(refused.refusal)),
        };
        // Outside of an `Acceptor` there is no slot. The result to rustls carries the decision in either
        // case.
        let _ = DECISION.try_with(|slot| slot.replace(Some(decision)));
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // RFC 5246 7.4.8: the client signs the messages as it has seen them.
        let seen = status_request_v2::as_seen_by_client(message);
        verify_tls12_signature(&seen, cert, dss, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
