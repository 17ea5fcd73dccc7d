//! Who is let in: the decision about a client's certificates, taken inside the handshake.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::ca_cache::CaCertificate;
use super::key_policy;
use super::refusal::{HandshakeError, certificate_error, presented, refusal_of_path};
use super::signature_cache::SignatureCache;
use super::status_request_v2;
use super::trust::Trust;
use crate::authz::{Device, DirectoryHandle};
use crate::config::Undetermined;
use crate::model::Refusal;
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict};
use crate::x509::{CertificateFacts, Signed};

tokio::task_local! {
    /// What the verifier found in the handshake of this task: rustls calls it on the polling thread.
    pub(super) static DECISION: RefCell<Option<Decision>>;
}

/// The outcome of [`PeerVerifier::judge`].
pub(super) type Decision = Result<Admission, HandshakeError>;

/// A client that may connect.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) device: Arc<Device>,
    pub(super) facts: Arc<CertificateFacts>,
    /// The certificates of the path with their issuers, for whoever looks at them again.
    pub(super) path: Arc<[IssuedCertificate]>,
    /// What was found out about their revocation.
    pub(super) statuses: Arc<Vec<Status>>,
}

/// A path, and what is known about the revocation of its certificates.
#[derive(Debug)]
struct CheckedPath {
    path: Arc<[IssuedCertificate]>,
    statuses: Arc<Vec<Status>>,
}

/// Decides about certificate chains of clients: the same way for a full handshake and for a resumed one.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    pub(super) trust: Trust,
    pub(super) revocation: Engine,
    pub(super) remembered: Arc<SignatureCache>,
    pub(super) when_undetermined: Undetermined,
    pub(super) rsa_bits: (usize, usize),
    pub(super) directory: DirectoryHandle,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    /// A8, A9: the path to an installed root, the revocation of all of it, the key, the Common Name, the directory.
    pub(super) fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Decision {
        let (leaf, intermediates) = chain.split_first().ok_or(HandshakeError::new(Refusal::NoCertificate))?;
        let facts =
            CertificateFacts::read(leaf).map_err(|_| HandshakeError::new(Refusal::MalformedCertificate))?;
        let facts = Arc::new(facts);
        let refused =
            |refusal| HandshakeError { certificate: Some(presented(&facts)), ..HandshakeError::new(refusal) };
        let judged = RefCell::new(None);
        let checked = self.check_path(leaf, intermediates, now, &facts, &judged);
        let judged = judged.into_inner();
        if let Err(error) = checked {
            let revocation = judged.map(|judged| judged.statuses).unwrap_or_default();
            self.tell(&error, &revocation);
            return Err(HandshakeError { revocation, ..refused(refusal_of_path(&error)) });
        }
        let Some(CheckedPath { path, statuses }) = judged else {
            return Err(refused(Refusal::UntrustedIssuer));
        };
        let refused = |refusal| HandshakeError { revocation: Arc::clone(&statuses), ..refused(refusal) };
        let id = facts.device_id().map_err(|_| refused(Refusal::NoCommonName))?;
        let device = self.directory.load().admit(&id).map_err(refused)?;
        Ok(Admission { device, facts, path, statuses })
    }

    /// RFC 5280 section 6.1 by webpki, and what it leaves out: keyCertSign, and revocation (A9). Of several paths the
    /// first that passes counts; `judged` holds the last one that was looked at.
    fn check_path(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        facts: &Arc<CertificateFacts>,
        judged: &RefCell<Option<CheckedPath>>,
    ) -> Result<(), webpki::Error> {
        let end_entity = Signed::read(leaf).map_err(|_| webpki::Error::BadDer)?.message;
        let algorithms = self.remembered.algorithms(self.algorithms.all, end_entity);
        let algorithms: Vec<_> = algorithms.iter().map(|algorithm| algorithm as _).collect();
        let check = |verified: &VerifiedPath<'_>| {
            let path = self.links(verified, facts)?;
            let statuses = Arc::new(self.find_out(&path));
            let outcome = self.outcome(&statuses);
            // A certificate that was found revoked on one path stays so in what is told, whatever the next path is.
            let keeps =
                outcome.is_err() && judged.borrow().as_ref().is_some_and(|known| is_revoked(&known.statuses));
            if !keeps {
                judged.replace(Some(CheckedPath { path, statuses }));
            }
            outcome
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
            // Of several errors webpki returns one; A9.4 is the one to tell.
            Err(_) if judged.borrow().as_ref().is_some_and(|judged| is_revoked(&judged.statuses)) => {
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
    ) -> Result<Arc<[IssuedCertificate]>, webpki::Error> {
        let mut certificates = vec![Arc::clone(leaf)];
        let mut issuers = Vec::new();
        for intermediate in path.intermediate_certificates() {
            let read = self.remembered.authorities().read(&intermediate.der());
            let CaCertificate { facts, issuer } = read.map_err(|_| webpki::Error::BadDer)?;
            // RFC 5280 6.1.4 (n)
            if facts.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
                return Err(webpki::Error::EndEntityUsedAsCa);
            }
            certificates.push(facts);
            issuers.push(issuer);
        }
        // A0, for each certificate of the path; the roots are what the operator has installed. That their signatures
        // are RSA or ECDSA with SHA-2 holds already: webpki was given no other algorithms. Before anybody is asked.
        if !certificates.iter().all(|certificate| key_policy::key(certificate.key, self.rsa_bits)) {
            return Err(webpki::Error::CertDistrusted);
        }
        issuers.push(Arc::clone(self.trust.issuer(path.anchor()).ok_or(webpki::Error::UnknownIssuer)?));
        Ok(certificates
            .into_iter()
            .zip(issuers)
            .map(|(certificate, issuer)| IssuedCertificate { certificate, issuer })
            .collect())
    }

    /// A9: from what is kept, or else by asking. rustls has no way to wait without holding the thread, so the runtime
    /// is told: it moves its other work to another thread.
    fn find_out(&self, path: &Arc<[IssuedCertificate]>) -> Vec<Status> {
        if let Some(statuses) = self.revocation.try_check(path) {
            return statuses;
        }
        match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(|| handle.block_on(self.revocation.check(path)))
            }
            _ => self.revocation.peek(path),
        }
    }

    fn outcome(&self, statuses: &[Status]) -> Result<(), webpki::Error> {
        if is_revoked(statuses) {
            return Err(webpki::Error::CertRevoked);
        }
        let undetermined = statuses.iter().any(is_undetermined);
        match self.when_undetermined {
            Undetermined::Refuse if undetermined => Err(webpki::Error::UnknownRevocationStatus),
            Undetermined::Accept if undetermined => {
                told(statuses, |serial, issuer, why, tried| {
                    tracing::warn!(
                        serial,
                        issuer,
                        why,
                        tried,
                        "a certificate is accepted whose revocation is unknown"
                    );
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Not a fault of the peer's: somebody of ours does not answer.
    fn tell(&self, error: &webpki::Error, statuses: &[Status]) {
        if matches!(error, webpki::Error::UnknownRevocationStatus) {
            told(statuses, |serial, issuer, why, tried| {
                tracing::error!(
                    serial,
                    issuer,
                    why,
                    tried,
                    "a certificate is refused because its revocation is unknown"
                );
            });
        }
    }
}

fn is_revoked(statuses: &[Status]) -> bool {
    statuses.iter().any(|status| matches!(status.verdict, Verdict::Revoked { .. }))
}

fn is_undetermined(status: &Status) -> bool {
    matches!(status.verdict, Verdict::Undetermined(_))
}

/// Serial number, issuer, why, and what was tried, of each certificate of which nothing is known.
fn told(statuses: &[Status], tell: impl Fn(String, &str, String, String)) {
    for status in statuses {
        if let Verdict::Undetermined(why) = status.verdict {
            let tried: Vec<String> = status.tried.iter().map(ToString::to_string).collect();
            tell(status.serial.to_string(), &status.issuer, why.to_string(), tried.join("; "));
        }
    }
}

/// [`PeerVerifier`] as rustls asks for it.
#[derive(Debug)]
pub(super) struct DeviceVerifier(pub(super) Arc<PeerVerifier>);

impl ClientCertVerifier for DeviceVerifier {
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
        let finding = self.0.judge(&chain, now);
        let answer = match &finding {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refused) => Err(certificate_error(refused.refusal)),
        };
        // Outside of an `Acceptor` nobody listens; the answer to rustls is the decision.
        let _ = DECISION.try_with(|slot| slot.replace(Some(finding)));
        answer
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // RFC 5246 7.4.8: what the client signs is what it has seen.
        let seen = status_request_v2::as_seen(message);
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
