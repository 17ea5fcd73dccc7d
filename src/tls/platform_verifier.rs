//! What a client verifies of a platform: its path, its name, and the status of each of its certificates
//! (B15, B17, B18).

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use super::refusal::{certificate_error, path_refusal};
use super::status_request_v2::client::staples;
use super::trust::Trust;
use crate::model::Refusal;
use crate::revocation::{Engine, IssuedCertificate, Issuer, StapleFault};
use crate::x509::CertificateFacts;

tokio::task_local! {
    /// Why the platform is refused in the handshake of this task. rustls calls the verifier on the polling
    /// thread.
    pub(super) static REFUSED: RefCell<Option<Box<PlatformRefusal>>>;
}

/// How a client evaluates the stapled status of a platform's certificates (B18).
#[derive(Debug, Clone)]
pub struct StatusCheck {
    /// Evaluates the responses. Clones share it.
    pub engine: Engine,
    /// What happens when there is no response.
    pub missing: Staples,
}

/// What a client does when a certificate of the platform's has no stapled status. One that is revoked, stale,
/// unknown, about another certificate or signed by a stranger is refused by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Staples {
    /// It refuses the platform, as B18 requires.
    #[default]
    Require,
    /// It logs a warning, and accepts.
    Accept,
}

/// Why a client refuses a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformRefusal {
    /// The path to the client's root is not valid (B17).
    Path {
        /// The certificate of the platform.
        subject: String,
        /// The reason.
        refusal: Refusal,
    },
    /// The certificate is that of another host (B17).
    Name {
        /// The certificate of the platform.
        subject: String,
        /// The host that the client wants to reach.
        host: String,
    },
    /// The status of a certificate does not let the platform in (B18).
    Status {
        /// The certificate: the platform's own, or one of its CAs.
        subject: String,
        /// The fault.
        fault: StapleFault,
    },
}

impl PlatformRefusal {
    /// The error that makes rustls send the alert.
    fn error(&self) -> Error {
        Error::InvalidCertificate(match self {
            Self::Path { refusal, .. } => return certificate_error(*refusal),
            Self::Name { .. } => CertificateError::NotValidForName,
            Self::Status { fault: StapleFault::Revoked { .. }, .. } => CertificateError::Revoked,
            Self::Status { .. } => CertificateError::InvalidOcspResponse,
        })
    }
}

impl fmt::Display for PlatformRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { subject, refusal } => {
                write!(f, "the certificate of the platform, {subject}, is refused: {refusal}")
            }
            Self::Name { subject, host } => {
                write!(f, "the certificate of the platform, {subject}, is not valid for the name {host}")
            }
            Self::Status { subject, fault: fault @ StapleFault::Missing } => {
                write!(f, "no status for {subject}: {fault}")
            }
            Self::Status { subject, fault } => {
                write!(f, "the status of {subject} does not permit the connection: {fault}")
            }
        }
    }
}

/// Verifies the certificates of platforms.
#[derive(Debug)]
pub(super) struct PlatformVerifier {
    pub(super) trust: Trust,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// None does not look at the status.
    pub(super) status: Option<StatusCheck>,
}

impl PlatformVerifier {
    /// Path, name and status (B17, B18).
    fn verify(
        &self,
        chain: &[&CertificateDer<'_>],
        name: &ServerName<'_>,
        given_staple: &[u8],
        now: UnixTime,
    ) -> Result<(), Box<PlatformRefusal>> {
        let Some((leaf, _)) = chain.split_first() else {
            return Err(path_error(String::new(), Refusal::NoCertificate));
        };
        let facts = CertificateFacts::read(leaf)
            .map_err(|_| path_error("which cannot be read".to_owned(), Refusal::MalformedCertificate))?;
        let subject = facts.subject.to_string();
        let path = self.path(chain, &facts, now).map_err(|refusal| path_error(subject.clone(), refusal))?;
        if !is_named(leaf, &facts, name) {
            let host = name.to_str().into_owned();
            return Err(Box::new(PlatformRefusal::Name { subject, host }));
        }
        self.check_status(chain, &path, given_staple)
    }

    /// A valid path to a root (RFC 5280 section 6.1): each certificate and where it stands in the chain.
    fn path(
        &self,
        chain: &[&CertificateDer<'_>],
        leaf: &CertificateFacts,
        now: UnixTime,
    ) -> Result<Vec<(usize, IssuedCertificate)>, Refusal> {
        let refused = |error| path_refusal(&error);
        let (own, others) = chain.split_first().ok_or(Refusal::NoCertificate)?;
        let others: Vec<_> = others.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
        let certificate = EndEntityCert::try_from(*own).map_err(refused)?;
        let (authorities, root) = self
            .trust
            .server_path(&certificate, &others, now, KeyUsage::server_auth(), &self.algorithms)
            .map_err(refused)?;
        let mut path = Vec::with_capacity(authorities.len() + 1);
        let mut below = (0, Arc::new(leaf.clone()));
        for der in &authorities {
            let place = chain.iter().position(|sent| *sent == der).ok_or(Refusal::MalformedCertificate)?;
            let facts = CertificateFacts::read(der).map_err(|_| Refusal::MalformedCertificate)?;
            let issuer = Arc::new(Issuer::from_certificate(&facts));
            let (at, certificate) = std::mem::replace(&mut below, (place, Arc::new(facts)));
            path.push((at, IssuedCertificate { certificate, issuer }));
        }
        let (at, certificate) = below;
        path.push((at, IssuedCertificate { certificate, issuer: root }));
        Ok(path)
    }

    /// B18: a stapled response vouches for each certificate of the path.
    fn check_status(
        &self,
        chain: &[&CertificateDer<'_>],
        path: &[(usize, IssuedCertificate)],
        given_staple: &[u8],
    ) -> Result<(), Box<PlatformRefusal>> {
        let Some(check) = &self.status else { return Ok(()) };
        let staples = staples(given_staple);
        debug_assert!(path.iter().all(|(place, _)| *place < chain.len()));
        for (place, issued) in path {
            let staple = staples.get(*place).map(Vec::as_slice);
            let Err(fault) = check.engine.evaluate_staple(issued, staple) else { continue };
            let subject = issued.certificate.subject.to_string();
            if fault == StapleFault::Missing && check.missing == Staples::Accept {
                tracing::warn!(
                    subject,
                    "the platform stapled no OCSP response for a certificate; accepted, as `staples` permits"
                );
                continue;
            }
            return Err(Box::new(PlatformRefusal::Status { subject, fault }));
        }
        Ok(())
    }
}

fn path_error(subject: String, refusal: Refusal) -> Box<PlatformRefusal> {
    Box::new(PlatformRefusal::Path { subject, refusal })
}

/// B17: the host is among the alternative names, or the Common Name.
fn is_named(certificate: &CertificateDer<'_>, facts: &CertificateFacts, name: &ServerName<'_>) -> bool {
    let is_alternative = || {
        EndEntityCert::try_from(certificate)
            .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(name).is_ok())
    };
    let is_common = || facts.device_id().is_ok_and(|id| id.as_str().eq_ignore_ascii_case(&name.to_str()));
    is_alternative() || is_common()
}

impl ServerCertVerifier for PlatformVerifier {
    /// In TLS 1.3 the roots are named (certificate_authorities, RFC 8446 4.2.4): a client with one root, ECC
    /// or RSA, gets the chain that leads to it (B15).
    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        Some(&self.trust.subjects)
    }

    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
        match self.verify(&chain, server_name, ocsp_response, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(refusal) => {
                let error = refusal.error();
                let _ = REFUSED.try_with(|slot| slot.replace(Some(refusal)));
                Err(error)
            }
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
