//! The supported TLS versions.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// The TLS versions that a server accepts or a client offers. Versions below 1.2 cannot be expressed. `// A2,
/// B13`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Versions {
    /// TLS 1.2 alone (RFC 5246).
    Tls12,
    /// TLS 1.3 alone (RFC 8446).
    Tls13,
    /// Both; the newest version of the peer is used.
    Tls12AndTls13,
}

impl Versions {
    /// The versions for `ConfigBuilder::with_protocol_versions`.
    #[must_use]
    pub fn protocol_versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => ONLY_TLS12,
            Self::Tls13 => ONLY_TLS13,
            Self::Tls12AndTls13 => BOTH,
        }
    }
}

static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];
static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
