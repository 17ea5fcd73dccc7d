//! Why a peer was refused.

use std::fmt;

/// Why a connection was refused, or a session ended against the peer's will.
///
/// Closed on purpose: the TLS alert, the audit row, the metric label and the log line all derive from the
/// variant, so they always agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// The client sent no certificate (A8: mutual authentication is not optional).
    NoCertificate,
    /// The certificate, or another of its chain, is unreadable or violates RFC 5280.
    MalformedCertificate,
    /// A critical extension, or a name constraint on a form of name, that the platform does not process (RFC
    /// 5280 4.2).
    UnsupportedExtension,
    /// A name of a certificate is not one that a CA above it may certify (RFC 5280 4.2.1.10).
    NameConstraints,
    /// A CA requires a certificate policy that the path does not have (RFC 5280 4.2.1.11).
    CertificatePolicy,
    /// The chain, or a certificate of it, exceeds the limits that bound the cost of its verification.
    OversizedChain,
    /// No path leads from the certificate to an installed root (A6).
    UntrustedIssuer,
    /// The client sent its certificate alone, and its issuer is not an installed root (RFC 5246 7.4.6).
    IncompleteChain,
    /// A signature in the chain, or the one of the handshake, is wrong.
    BadSignature,
    /// Past its notAfter.
    Expired,
    /// Before its notBefore.
    NotYetValid,
    /// Its extended key usage does not allow client authentication.
    WrongPurpose,
    /// The key is of a kind or size that is not accepted (A0).
    UnacceptableKey,
    /// A certificate is signed with SHA-1 or another algorithm that is not accepted (A0).
    UnacceptableSignature,
    /// The subject has no Common Name, several, or one that is not a device identifier (A8).
    NoCommonName,
    /// The device identifier is not in the directory (A8).
    UnknownDevice,
    /// The device identifier is in the directory, but suspended (A8).
    SuspendedDevice,
    /// The entry of the device in the directory cannot be read (A8).
    DamagedEntry,
    /// The directory binds the device to CAs of which none is in the path of the certificate (A8).
    OtherIssuer,
    /// A certificate of the chain has been revoked (A9.4).
    Revoked,
    /// No fresh source states whether a certificate of the chain is revoked (A9).
    RevocationUndetermined,
    /// The peer offered no TLS version that is configured (A2).
    ProtocolVersion,
    /// The peer fell back to a lower TLS version than the platform supports (RFC 7507).
    InappropriateFallback,
    /// The peer offered no cipher suite, group or signature algorithm that the platform supports (A3).
    NothingInCommon,
    /// The peer sent bytes that are not TLS, or violated the protocol.
    ProtocolViolation,
    /// The peer ended the handshake with an alert.
    PeerAlert,
    /// The handshake timed out.
    HandshakeTimeout,
    /// The peer disconnected during the handshake.
    Disconnected,
    /// A header of the PROXY protocol came from an address that may not send one.
    ProxyNotAllowed,
    /// No header of the PROXY protocol came from an address that has to send one.
    ProxyHeaderMissing,
    /// The header of the PROXY protocol cannot be used.
    ProxyHeaderMalformed,
    /// Too many connections, of its address or of all addresses, have not completed their handshake.
    TooManyConnections,
    /// The device has as many sessions as it may have, or this session was idle and made way for a new one.
    TooManySessions,
    /// The device has opened as many sessions in the last minute as it may.
    TooManyNewSessions,
}

impl Refusal {
    /// Every variant, for metrics that start at zero.
    pub const ALL: [Self; 34] = [
        Self::NoCertificate,
        Self::MalformedCertificate,
        Self::UnsupportedExtension,
        Self::NameConstraints,
        Self::CertificatePolicy,
        Self::OversizedChain,
        Self::UntrustedIssuer,
        Self::IncompleteChain,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongPurpose,
        Self::UnacceptableKey,
        Self::UnacceptableSignature,
        Self::NoCommonName,
        Self::UnknownDevice,
        Self::SuspendedDevice,
        Self::DamagedEntry,
        Self::OtherIssuer,
        Self::Revoked,
        Self::RevocationUndetermined,
        Self::ProtocolVersion,
        Self::InappropriateFallback,
        Self::NothingInCommon,
        Self::ProtocolViolation,
        Self::PeerAlert,
        Self::HandshakeTimeout,
        Self::Disconnected,
        Self::ProxyNotAllowed,
        Self::ProxyHeaderMissing,
        Self::ProxyHeaderMalformed,
        Self::TooManyConnections,
        Self::TooManySessions,
        Self::TooManyNewSessions,
    ];

    /// The reason with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    /// The stable code of the reason, in metric labels, audit rows and logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::MalformedCertificate => "malformed-certificate",
            Self::UnsupportedExtension => "unsupported-extension",
            Self::NameConstraints => "name-constraints",
            Self::CertificatePolicy => "certificate-policy",
            Self::OversizedChain => "oversized-chain",
            Self::UntrustedIssuer => "untrusted-issuer",
            Self::IncompleteChain => "incomplete-chain",
            Self::BadSignature => "bad-signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongPurpose => "wrong-purpose",
            Self::UnacceptableKey => "unacceptable-key",
            Self::UnacceptableSignature => "unacceptable-signature",
            Self::NoCommonName => "no-common-name",
            Self::UnknownDevice => "unknown-device",
            Self::SuspendedDevice => "suspended-device",
            Self::DamagedEntry => "damaged-entry",
            Self::OtherIssuer => "other-issuer",
            Self::Revoked => "revoked",
            Self::RevocationUndetermined => "revocation-undetermined",
            Self::ProtocolVersion => "protocol-version",
            Self::InappropriateFallback => "inappropriate-fallback",
            Self::NothingInCommon => "nothing-in-common",
            Self::ProtocolViolation => "protocol-violation",
            Self::PeerAlert => "peer-alert",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::Disconnected => "disconnected",
            Self::ProxyNotAllowed => "proxy-not-allowed",
            Self::ProxyHeaderMissing => "proxy-header-missing",
            Self::ProxyHeaderMalformed => "proxy-header-malformed",
            Self::TooManyConnections => "too-many-connections",
            Self::TooManySessions => "too-many-sessions",
            Self::TooManyNewSessions => "too-many-new-sessions",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
