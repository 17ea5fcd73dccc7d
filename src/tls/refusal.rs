//! From what went wrong in a handshake to the one [`Refusal`], and from the refusal to the alert.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError, PeerIncompatible};

use crate::audit::{Certificate, CertificateStatus};
use crate::model::Refusal;
use crate::revocation::Status;
use crate::x509::CertificateFacts;

/// A handshake that did not lead to a [`super::Secured`] connection.
#[derive(Debug, Clone, thiserror::Error)]
#[error("refused: {refusal}")]
pub struct HandshakeError {
    /// Why.
    pub refusal: Refusal,
    /// The certificate that the peer showed, when one could be read; nothing of it has been proved.
    pub certificate: Option<Certificate>,
    /// The alert that the peer sent us, when it was the one that gave up.
    pub peer_alert: Option<u8>,
    /// What was found out about the revocation of its certificates.
    pub revocation: Arc<Vec<Status>>,
}

/// What the audit trail says of a certificate that a peer showed; nothing of it has been proved.
pub(super) fn presented(facts: &CertificateFacts) -> Certificate {
    Certificate {
        common_name: facts.device_id().ok().map(|id| id.as_str().to_owned()),
        serial: facts.serial.to_string(),
        issuer: facts.issuer.to_string(),
        fingerprint: facts.fingerprint,
    }
}

/// What the audit trail says of the revocation of a path.
#[must_use]
pub fn evidence(statuses: &[Status]) -> Vec<CertificateStatus> {
    let of = |status: &Status| {
        let evidence = status.evidence.as_ref();
        CertificateStatus {
            serial: status.serial.to_string(),
            verdict: status.verdict.code(),
            source: evidence.map(|evidence| evidence.source.code()),
            this_update: evidence.map(|evidence| evidence.this_update.to_string()),
            next_update: evidence.and_then(|evidence| evidence.next_update).map(|time| time.to_string()),
            url: evidence.and_then(|evidence| evidence.url.clone()),
            responder: evidence.map(|evidence| evidence.responder.clone()),
        }
    };
    statuses.iter().map(of).collect()
}

impl HandshakeError {
    pub(super) fn new(refusal: Refusal) -> Self {
        Self { refusal, certificate: None, peer_alert: None, revocation: Arc::default() }
    }

    /// What rustls' own error amounts to, when our verifier did not speak first.
    pub(super) fn by_rustls(error: &Error) -> Self {
        let refusal = match error {
            Error::NoCertificatesPresented => Refusal::NoCertificate,
            Error::InvalidCertificate(CertificateError::BadSignature) => Refusal::BadSignature,
            Error::InvalidCertificate(_) => Refusal::MalformedCertificate,
            Error::PeerIncompatible(
                PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Refusal::ProtocolVersion,
            Error::PeerIncompatible(_) => Refusal::NothingInCommon,
            // rustls says this when the resolver found no certificate that the client could use.
            Error::General(_) => Refusal::NothingInCommon,
            Error::AlertReceived(alert) => {
                return Self { peer_alert: Some(u8::from(*alert)), ..Self::new(Refusal::PeerAlert) };
            }
            _ => Refusal::ProtocolViolation,
        };
        Self::new(refusal)
    }

    /// What an I/O error in the handshake amounts to: rustls' error inside it, or a connection that broke.
    pub(super) fn by_io(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Self::by_rustls(inner),
            None => Self::new(Refusal::Disconnected),
        }
    }
}

/// A path that webpki did not accept.
pub(super) fn refusal_of_path(error: &webpki::Error) -> Refusal {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer | E::MaximumPathDepthExceeded => Refusal::UntrustedIssuer,
        E::CertExpired { .. } => Refusal::Expired,
        E::CertNotValidYet { .. } => Refusal::NotYetValid,
        E::CertRevoked => Refusal::Revoked,
        // No list of distrusted keys is given to webpki; this is what our own judgement of keys returns through it.
        E::CertDistrusted => Refusal::UnacceptableKey,
        E::UnknownRevocationStatus => Refusal::RevocationUndetermined,
        E::InvalidSignatureForPublicKey => Refusal::BadSignature,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Refusal::UnacceptableSignature,
        E::RequiredEkuNotFoundContext(_) => Refusal::WrongPurpose,
        _ => Refusal::MalformedCertificate,
    }
}

/// The error that makes rustls send the alert of this refusal.
///
/// RFC 5246 7.2.2 has the alerts: a certificate that is in order but whose holder may not connect is
/// `access_denied`, and what fits no other alert is `certificate_unknown`.
pub(super) fn certificate_error(refusal: Refusal) -> Error {
    let error = match refusal {
        Refusal::MalformedCertificate => CertificateError::BadEncoding,
        Refusal::UntrustedIssuer => CertificateError::UnknownIssuer,
        Refusal::BadSignature => CertificateError::BadSignature,
        Refusal::Expired => CertificateError::Expired,
        Refusal::NotYetValid => CertificateError::NotValidYet,
        Refusal::WrongPurpose => CertificateError::InvalidPurpose,
        Refusal::UnknownDevice | Refusal::SuspendedDevice => CertificateError::ApplicationVerificationFailure,
        Refusal::Revoked => CertificateError::Revoked,
        other => CertificateError::Other(OtherError(Arc::new(HandshakeError::new(other)))),
    };
    Error::InvalidCertificate(error)
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn each_refusal_of_a_certificate_has_its_alert() {
        // A8, A9.4; the numbers are those of RFC 5246 7.2.
        let expected = [
            (Refusal::MalformedCertificate, 42),
            (Refusal::WrongPurpose, 43),
            (Refusal::Revoked, 44),
            (Refusal::Expired, 45),
            (Refusal::NotYetValid, 45),
            (Refusal::NoCommonName, 46),
            (Refusal::UnacceptableKey, 46),
            (Refusal::UnacceptableSignature, 46),
            (Refusal::RevocationUndetermined, 46),
            (Refusal::UntrustedIssuer, 48),
            (Refusal::UnknownDevice, 49),
            (Refusal::SuspendedDevice, 49),
            (Refusal::BadSignature, 51),
        ];
        for (refusal, alert) in expected {
            let Error::InvalidCertificate(error) = certificate_error(refusal) else { panic!("{refusal}") };
            assert_eq!(u8::from(AlertDescription::from(error)), alert, "{refusal}");
        }
    }
}
