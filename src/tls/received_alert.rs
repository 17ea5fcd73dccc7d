//! The TLS alerts of a platform, in words.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::AlertDescription;

/// A fatal alert that the other side has sent (RFC 5246 section 7.2, RFC 8446 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedAlert(AlertDescription);

impl ReceivedAlert {
    /// The alert behind an error of a connection, if there is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        match error.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::AlertReceived(description) => Some(Self(*description)),
            _ => None,
        }
    }

    /// The number of the alert.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0.into()
    }

    /// What the alert means to a device.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self.0 {
            AlertDescription::HandshakeFailure => {
                "the platform has no cipher suite, group or certificate in common with the device, or requires \
                 a certificate that the device did not send"
            }
            AlertDescription::BadCertificate => "the certificate of the device is malformed",
            AlertDescription::UnsupportedCertificate => {
                "the certificate of the device may not be used for this, or has an extension that the platform \
                 does not support"
            }
            AlertDescription::CertificateRevoked => {
                "the certificate of the device, or of its issuing CA, is revoked"
            }
            AlertDescription::CertificateExpired => {
                "the certificate of the device, or of its issuing CA, has expired or is not valid yet"
            }
            AlertDescription::CertificateUnknown => {
                "the certificate of the device breaks a rule of the platform, or its status is not known"
            }
            AlertDescription::UnknownCA => {
                "the certificate of the device leads to no root of the platform, or the issuing CA is missing \
                 in the chain"
            }
            AlertDescription::AccessDenied => {
                "the certificate of the device is good, and the directory of the platform does not let this \
                 name in"
            }
            AlertDescription::DecryptError => {
                "a signature is wrong: the key does not belong to the certificate, or the issuing CA is \
                 another one"
            }
            AlertDescription::ProtocolVersion => "the platform has no TLS version in common with the device",
            AlertDescription::CertificateRequired => "the device sent no certificate",
            AlertDescription::InternalError => "the platform has a fault of its own",
            _ => "the platform found the handshake of the device wrong",
        }
    }

    /// The codes of the platform that lead to this alert. Each has a help page.
    #[must_use]
    pub const fn codes(self) -> &'static [&'static str] {
        match self.0 {
            AlertDescription::HandshakeFailure => &["nothing-in-common", "no-certificate"],
            AlertDescription::BadCertificate => &["malformed-certificate"],
            AlertDescription::UnsupportedCertificate => &["wrong-purpose", "unsupported-extension"],
            AlertDescription::CertificateRevoked => &["revoked"],
            AlertDescription::CertificateExpired => &["expired", "not-yet-valid"],
            AlertDescription::CertificateUnknown => &[
                "revocation-undetermined",
                "no-common-name",
                "unacceptable-key",
                "unacceptable-signature",
                "name-constraints",
                "certificate-policy",
                "oversized-chain",
            ],
            AlertDescription::UnknownCA => &["untrusted-issuer", "incomplete-chain"],
            AlertDescription::AccessDenied => {
                &["unknown-device", "suspended-device", "damaged-entry", "other-issuer"]
            }
            AlertDescription::DecryptError => &["bad-signature"],
            AlertDescription::ProtocolVersion => &["protocol-version"],
            AlertDescription::CertificateRequired => &["no-certificate"],
            AlertDescription::InternalError => &["fault"],
            _ => &["protocol-violation"],
        }
    }
}

impl fmt::Display for ReceivedAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = self.codes().join(" or ");
        write!(f, "{} (alert {}, {:?}; pcd-platform help {codes})", self.meaning(), self.number(), self.0)
    }
}

impl Error for ReceivedAlert {}
