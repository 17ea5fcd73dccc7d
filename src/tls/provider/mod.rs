//! The cryptography of the profile: its cipher suites in its order, and its key exchange groups.
//!
//! The provider builds on rustls' provider for AWS-LC, which supplies hashes, the PRF, AES-GCM, signatures,
//! randomness, X25519, P-256, P-384 and the hybrid post-quantum group. This module adds what that provider
//! lacks: finite field Diffie-Hellman, P-521 key exchange, CBC record protection, and the suites made of
//! them. Server and client use the same provider.

pub mod cbc;
mod ffdhe;
#[cfg(test)]
mod openssl;
mod p521;
mod suites;
mod versions;

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};

use crate::config::TlsVersion;
pub use versions::Versions;

/// The configurable part of the cryptography.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The supported TLS versions. `// A2`
    pub versions: Versions,
    /// Whether TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, which is optional in the specification, is on. `// A3`
    pub ecdhe_rsa: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { versions: Versions::Tls12AndTls13, ecdhe_rsa: true }
    }
}

impl Settings {
    /// Settings with these versions. An empty list, which a validated configuration cannot contain, means
    /// both.
    #[must_use]
    pub fn new(versions: &[TlsVersion], ecdhe_rsa: bool) -> Self {
        let versions = match (versions.contains(&TlsVersion::Tls12), versions.contains(&TlsVersion::Tls13)) {
            (true, false) => Versions::Tls12,
            (false, true) => Versions::Tls13,
            (true, true) | (false, false) => Versions::Tls12AndTls13,
        };
        Self { versions, ecdhe_rsa }
    }
}

/// The provider for a `ServerConfig` or a `ClientConfig` with [`Settings::versions`].
///
/// The TLS 1.3 suites are those of rustls in its order, extended by the staples of each certificate (A10).
/// The TLS 1.2 suites follow in the order of the specification, which a server enforces with
/// `ignore_client_order`. The provider holds only suites and groups that a supported version can use, so that
/// its lists show what can be negotiated. [`PlatformCertificates`](super::PlatformCertificates) relies on
/// this.
#[must_use]
pub fn provider(settings: Settings) -> CryptoProvider {
    let base = aws_lc_rs::default_provider();
    let supported = settings.versions.protocol_versions();
    let tls13 = suites::tls13().map(SupportedCipherSuite::Tls13);
    let tls12 = suites::tls12(settings.ecdhe_rsa).map(SupportedCipherSuite::Tls12);
    CryptoProvider {
        cipher_suites: tls13.chain(tls12).filter(|suite| supported.contains(&suite.version())).collect(),
        kx_groups: base
            .kx_groups
            .iter()
            .copied()
            .chain(GROUPS)
            .filter(|group| supported.iter().any(|version| group.usable_for_version(version.version)))
            .collect(),
        ..base
    }
}

/// Protocol version and name of every suite that some configuration can negotiate, as a session reports them.
pub fn negotiable_suites() -> impl Iterator<Item = (&'static str, &'static str)> {
    let suites = provider(Settings::default()).cipher_suites.into_iter();
    suites.filter_map(|suite| Some((suite.version().version.as_str()?, suite.suite().as_str()?)))
}

/// Groups after those of rustls: they are slower, and used only if a client prefers them. A client that names
/// no FFDHE group gets the first one (RFC 7919 section 4), so the cheapest of them comes first. `// A0`
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [&p521::SECP521R1, &ffdhe::FFDHE2048, &ffdhe::FFDHE3072, &ffdhe::FFDHE4096];

#[cfg(test)]
mod tests {
    use rustls::NamedGroup::{
        FFDHE2048, FFDHE3072, FFDHE4096, X25519, X25519MLKEM768, secp256r1, secp384r1, secp521r1,
    };

    use super::*;

    fn groups(versions: Versions) -> Vec<rustls::NamedGroup> {
        let provider = provider(Settings { versions, ..Settings::default() });
        provider.kx_groups.iter().map(|group| group.name()).collect()
    }

    #[test]
    fn a0_the_groups_are_those_of_rustls_with_p521_and_the_named_finite_fields() {
        let ec = [X25519, secp256r1, secp384r1, secp521r1];
        let ff = [FFDHE2048, FFDHE3072, FFDHE4096];
        assert_eq!(groups(Versions::Tls12), [&ec[..], &ff].concat());
        assert_eq!(groups(Versions::Tls13), [&[X25519MLKEM768][..], &ec].concat());
        assert_eq!(groups(Versions::Tls12AndTls13), [&[X25519MLKEM768][..], &ec, &ff].concat());
    }

    #[test]
    fn a2_a_provider_holds_no_suite_of_a_version_that_is_off() {
        for versions in [Versions::Tls12, Versions::Tls13, Versions::Tls12AndTls13] {
            let provider = provider(Settings { versions, ..Settings::default() });
            for spoken in [&rustls::version::TLS12, &rustls::version::TLS13] {
                let has = provider.cipher_suites.iter().any(|suite| suite.version() == spoken);
                assert_eq!(has, versions.protocol_versions().contains(&spoken), "{versions:?} {spoken:?}");
            }
        }
    }
}
