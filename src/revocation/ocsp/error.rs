//! Why an OCSP response is rejected.

use super::response::ResponseStatus;
use crate::x509::SignatureError;
use crate::x509::der::Malformed;

/// Why a response is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// Not a basic response in DER.
    #[error("not a basic OCSP response in DER")]
    Malformed,
    /// An error response.
    #[error("responder returned the error {}", .0.name())]
    Status(ResponseStatus),
    /// It has no status for the certificate in question.
    #[error("response is not about the certificate in question")]
    OtherCertificate,
    /// It has more certificates than `revocation.max-response-certificates`.
    #[error("response has {0} certificates, more than revocation.max-response-certificates")]
    TooManyCertificates(usize),
    /// Too large, without what the signature does not cover.
    #[error("response is larger than {0} bytes")]
    TooLarge(usize),
    /// No possible signer matches the ResponderID.
    #[error("ResponderID matches neither the issuer, nor a configured signer, nor a delegate")]
    Responder,
    /// The signer is not authorised.
    #[error("signer is not authorised: {0}")]
    Signer(DelegateFault),
    /// The signature does not verify.
    #[error("signature of the response is invalid")]
    Signature,
    /// The algorithm of the signature is not accepted: SHA-1, say, or a short key.
    #[error("signature of the response: {0}")]
    SignatureAlgorithm(SignatureError),
    /// An unknown critical extension.
    #[error("response has an unknown critical extension")]
    CriticalExtension,
    /// The nonce of another request.
    #[error("nonce differs from that of the request")]
    Nonce,
    /// The required nonce is missing.
    #[error("response has no nonce")]
    NonceMissing,
}

/// Why a delegate is not authorised (RFC 6960 4.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegateFault {
    /// Its certificate is too large to be parsed.
    #[error("its certificate has more than 16 KiB")]
    TooLarge,
    /// Its certificate is malformed, so it is not known whether it is the signer.
    #[error("its certificate is malformed")]
    Malformed,
    /// Another key issued it.
    #[error("another key issued its certificate")]
    Issuer,
    /// The algorithm of the signature on its certificate is not accepted.
    #[error("signature on its certificate: {0}")]
    SignatureAlgorithm(SignatureError),
    /// id-kp-OCSPSigning is missing.
    #[error("its extended key usage lacks OCSPSigning")]
    Purpose,
    /// keyUsage lacks digitalSignature.
    #[error("its key usage lacks digitalSignature")]
    KeyUsage,
    /// It has expired, or is not valid yet.
    #[error("its certificate has expired or is not valid yet")]
    Validity,
    /// An unknown critical extension.
    #[error("its certificate has an unknown critical extension")]
    CriticalExtension,
}

impl From<Malformed> for OcspError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<SignatureError> for OcspError {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Wrong => Self::Signature,
            SignatureError::Algorithm(..) | SignatureError::Identifier => Self::SignatureAlgorithm(error),
        }
    }
}

impl OcspError {
    /// The reason of two that says more about the response, when several signers come into question: of the
    /// one that came nearer to being accepted.
    pub(super) const fn or_nearer(self, other: Self) -> Self {
        if other.nearness() > self.nearness() { other } else { self }
    }

    const fn nearness(self) -> u8 {
        match self {
            Self::Signer(DelegateFault::Malformed | DelegateFault::TooLarge) => 1,
            Self::Signer(DelegateFault::Issuer) => 2,
            Self::Signature => 3,
            Self::Signer(_) => 4,
            Self::SignatureAlgorithm(_) => 5,
            _ => 0,
        }
    }
}
