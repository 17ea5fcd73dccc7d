//! From the error of a handshake to its [`Refusal`], and from the refusal to the TLS alert.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError, PeerIncompatible};

use crate::audit::{Certificate, CertificateStatus, UnfitUses, UsageField};
use crate::model::{DeviceId, Refusal, RefusalFacts, ShownCertificate, shown_url};
use crate::revocation::{Status, Verdict};
use crate::x509::{CertificateFacts, KeyPurpose, expiry_text};

/// The handshake failed: there is no [`super::Secured`] connection.
#[derive(Debug, Clone, thiserror::Error)]
#[error("handshake refused: {refusal}")]
pub struct HandshakeError {
    /// The reason.
    pub refusal: Refusal,
    /// The certificate that the peer presented, if it could be read. Its contents are unproved claims.
    pub certificate: Option<Box<Certificate>>,
    /// Whether a CA below an installed root has issued the certificate. Only it is at fault then, or its
    /// device.
    pub is_issued: bool,
    /// The number of the alert that the peer sent, if the peer ended the handshake (RFC 5246 section 7.2).
    pub peer_alert: Option<u8>,
    /// The object identifier of the extension that is not supported, if that is the reason.
    pub extension: Option<String>,
    /// The revocation status of its certificates, as far as it was determined.
    pub revocation: Arc<Vec<Status>>,
    /// What the peer showed, for the people who find out why it was refused.
    pub facts: Box<RefusalFacts>,
}

/// A certificate that a peer presented, for people.
pub(super) fn shown_certificate(facts: &CertificateFacts) -> ShownCertificate {
    let shown = ShownCertificate {
        fingerprint: facts.fingerprint.to_string(),
        serial: facts.serial.to_string(),
        issuer: facts.issuer.to_string(),
        not_before: facts.not_before,
        not_after: facts.not_after,
        key: facts.key.to_string(),
    };
    shown.bounded()
}

/// A certificate that a peer presented, as the audit trail records it. Its contents are unproved claims.
pub(super) fn presented_certificate(facts: &CertificateFacts) -> Certificate {
    Certificate {
        common_name: facts.device_id().ok().map(|id| id.as_str().to_owned()),
        serial: facts.serial.to_string(),
        issuer: facts.issuer.to_string(),
        fingerprint: facts.fingerprint,
        unfit: None,
    }
}

/// The uses in the certificate of a device that are not those of a device's; `None` when they are.
pub(super) fn unfit_uses(facts: &CertificateFacts, device: &DeviceId) -> Option<UnfitUses> {
    let unfit = |field, uses: &str| Some(UnfitUses::new(device.clone(), field, uses));
    if let Some(usage) = facts.key_usage.filter(|usage| !usage.digital_signature) {
        return unfit(UsageField::KeyUsage, &usage.to_string());
    }
    let purposes = &facts.purposes;
    if purposes.is_empty() || purposes.contains(&KeyPurpose::ClientAuth) {
        return None;
    }
    let names: Vec<String> = purposes.iter().map(ToString::to_string).collect();
    unfit(UsageField::ExtendedKeyUsage, &names.join(", "))
}

/// The revocation status of a path, as the audit trail records it.
#[must_use]
pub fn evidence(statuses: &[Status]) -> Vec<CertificateStatus> {
    let describe = |status: &Status| {
        let evidence = status.evidence.as_ref();
        CertificateStatus {
            serial: status.serial.to_string(),
            verdict: status.verdict.code(),
            source: evidence.map(|evidence| evidence.source.code()),
            this_update: evidence.map(|evidence| evidence.this_update.to_string()),
            next_update: evidence.and_then(|evidence| evidence.next_update).map(expiry_text),
            url: evidence.and_then(|evidence| evidence.url.as_deref()).map(shown_url),
            responder: evidence.map(|evidence| evidence.responder.clone()),
        }
    };
    statuses.iter().map(describe).collect()
}

/// Calls `log` with serial number, issuer, reason and failed attempts of each certificate without a known
/// status.
pub(super) fn for_each_undetermined(statuses: &[Status], log: impl Fn(String, &str, String, String)) {
    for status in statuses {
        if let Verdict::Undetermined(reason) = status.verdict {
            let attempts: Vec<String> = status.failed_attempts.iter().map(ToString::to_string).collect();
            log(status.serial.to_string(), &status.issuer, reason.to_string(), attempts.join("; "));
        }
    }
}

impl HandshakeError {
    /// A refusal without a certificate.
    #[must_use]
    pub fn new(refusal: Refusal) -> Self {
        Self {
            refusal,
            certificate: None,
            is_issued: false,
            peer_alert: None,
            extension: None,
            revocation: Arc::default(),
            facts: Box::default(),
        }
    }

    /// What the peer showed, with what is known of it otherwise.
    #[must_use]
    pub fn facts(&self) -> RefusalFacts {
        let name = self.certificate.as_ref().and_then(|certificate| certificate.common_name.clone());
        RefusalFacts {
            name,
            alert: self.peer_alert,
            extension: self.extension.clone(),
            revocation: revocation_words(&self.revocation),
            ..(*self.facts).clone()
        }
        .bounded()
    }

    /// Whether the peer presented a certificate that chains to an installed root. Unless the handshake was
    /// complete, the peer has not proved that it has the key.
    #[must_use]
    pub const fn is_certificate_trusted(&self) -> bool {
        self.certificate.is_some() && self.is_issued
    }

    /// Logs which statuses are undetermined, if that is the reason. At error level: the fault is not the
    /// peer's, but that of a responder or of this platform's network.
    pub fn log_undetermined(&self) {
        if self.refusal != Refusal::RevocationUndetermined {
            return;
        }
        for_each_undetermined(&self.revocation, |serial, issuer, reason, attempts| {
            tracing::error!(
                serial,
                issuer,
                reason,
                attempts,
                "revocation status of a certificate is undetermined; connection refused"
            );
        });
    }

    /// Classifies an error of rustls, for a handshake that failed outside our verifier.
    pub(super) fn from_rustls(error: &Error) -> Self {
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
            // rustls returns this when the resolver found no certificate that the client can use.
            Error::General(_) => Refusal::NothingInCommon,
            Error::Other(OtherError(own)) if own.is::<Self>() => {
                return own.downcast_ref::<Self>().cloned().unwrap_or(Self::new(Refusal::ProtocolViolation));
            }
            Error::AlertReceived(alert) => {
                return Self { peer_alert: Some(u8::from(*alert)), ..Self::new(Refusal::PeerAlert) };
            }
            _ => Refusal::ProtocolViolation,
        };
        Self::new(refusal)
    }

    /// Classifies an I/O error: by the rustls error inside it, or else as a broken connection.
    pub(super) fn from_io(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Self::from_rustls(inner),
            None => Self::new(Refusal::Disconnected),
        }
    }
}

/// Which certificate is revoked, since when and by whom, or why that is not known.
fn revocation_words(statuses: &[Status]) -> Option<String> {
    let revoked = |status: &Status| {
        let Verdict::Revoked { when, reason } = status.verdict else { return None };
        let reason = reason.map(|reason| format!(" ({})", reason_words(reason))).unwrap_or_default();
        let evidence = status.evidence.as_ref();
        let source = evidence.map(|evidence| format!(", as {} says", evidence.responder)).unwrap_or_default();
        Some(format!("certificate {} is revoked since {when}{reason}{source}", status.serial))
    };
    let undetermined = |status: &Status| {
        let Verdict::Undetermined(reason) = status.verdict else { return None };
        let attempts: Vec<String> = status.failed_attempts.iter().map(ToString::to_string).collect();
        let attempts =
            if attempts.is_empty() { String::new() } else { format!(" ({})", attempts.join("; ")) };
        let Status { serial, issuer, .. } = status;
        Some(format!(
            "no source says whether certificate {serial} of {issuer} is revoked: {reason}{attempts}"
        ))
    };
    statuses.iter().find_map(revoked).or_else(|| statuses.iter().find_map(undetermined))
}

/// CRLReason (RFC 5280 5.3.1).
const fn reason_words(reason: u8) -> &'static str {
    match reason {
        1 => "its key was compromised",
        2 => "its CA was compromised",
        3 => "its holder changed",
        4 => "it was superseded",
        5 => "it is not used any more",
        6 => "it is on hold",
        9 => "its privilege was withdrawn",
        _ => "no reason is given",
    }
}

/// The refusal for a path of a server that webpki rejects.
pub(super) fn path_refusal(error: &webpki::Error) -> Refusal {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer | E::MaximumPathDepthExceeded => Refusal::UntrustedIssuer,
        E::CertExpired { .. } => Refusal::Expired,
        E::CertNotValidYet { .. } => Refusal::NotYetValid,
        E::CertRevoked => Refusal::Revoked,
        E::UnknownRevocationStatus => Refusal::RevocationUndetermined,
        E::InvalidSignatureForPublicKey => Refusal::BadSignature,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Refusal::UnacceptableSignature,
        E::RequiredEkuNotFoundContext(_) => Refusal::WrongPurpose,
        _ => Refusal::MalformedCertificate,
    }
}

/// The error that makes rustls send the alert of this refusal (RFC 5246 7.2.2).
///
/// A valid certificate whose holder may not connect gets `access_denied`. Anything that fits no other alert
/// gets `certificate_unknown`.
pub(super) fn certificate_error(refusal: Refusal) -> Error {
    let error = match refusal {
        Refusal::MalformedCertificate => CertificateError::BadEncoding,
        Refusal::UntrustedIssuer | Refusal::IncompleteChain => CertificateError::UnknownIssuer,
        Refusal::BadSignature => CertificateError::BadSignature,
        Refusal::Expired => CertificateError::Expired,
        Refusal::NotYetValid => CertificateError::NotValidYet,
        Refusal::WrongPurpose | Refusal::UnsupportedExtension => CertificateError::InvalidPurpose,
        Refusal::UnknownDevice | Refusal::SuspendedDevice | Refusal::DamagedEntry | Refusal::OtherIssuer => {
            CertificateError::ApplicationVerificationFailure
        }
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
    fn each_refusal_of_a_certificate_sends_its_alert() {
        // A8, A9.4; alert numbers of RFC 5246 7.2.
        let expected = [
            (Refusal::MalformedCertificate, 42),
            (Refusal::WrongPurpose, 43),
            (Refusal::UnsupportedExtension, 43),
            (Refusal::NameConstraints, 46),
            (Refusal::CertificatePolicy, 46),
            (Refusal::Revoked, 44),
            (Refusal::Expired, 45),
            (Refusal::NotYetValid, 45),
            (Refusal::OversizedChain, 46),
            (Refusal::NoCommonName, 46),
            (Refusal::UnacceptableKey, 46),
            (Refusal::UnacceptableSignature, 46),
            (Refusal::RevocationUndetermined, 46),
            (Refusal::UntrustedIssuer, 48),
            (Refusal::IncompleteChain, 48),
            (Refusal::UnknownDevice, 49),
            (Refusal::SuspendedDevice, 49),
            (Refusal::DamagedEntry, 49),
            (Refusal::OtherIssuer, 49),
            (Refusal::BadSignature, 51),
        ];
        for (refusal, alert) in expected {
            let Error::InvalidCertificate(error) = certificate_error(refusal) else { panic!("{refusal}") };
            assert_eq!(u8::from(AlertDescription::from(error)), alert, "{refusal}");
        }
    }

    // Log, rows and pages have them from here, and a peer chooses their lengths.
    #[test]
    fn no_text_about_a_peer_is_longer_than_what_is_stored() {
        let long = "\u{1}".repeat(15_500);
        let shown = RefusalFacts { missing_ca: Some(long.clone()), ..RefusalFacts::default() };
        let refused = HandshakeError {
            facts: Box::new(shown),
            extension: Some(long),
            ..HandshakeError::new(Refusal::IncompleteChain)
        };
        let facts = refused.facts();
        for text in [refused.refusal.cause(&facts), facts.extension.unwrap()] {
            assert!(text.len() < 3000, "{}", text.len());
        }
    }
}
