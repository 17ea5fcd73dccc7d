//! The cryptography of the profile: its cipher suites in its order, its key exchange groups, and nothing
//! older.
//!
//! Built on rustls' own provider over AWS-LC, which lends everything that it has: hashes, the PRF, AES-GCM,
//! signatures, randomness, X25519, P-256, P-384 and the hybrid post-quantum group. What it lacks is here:
//! finite field Diffie-Hellman, P-521 key exchange, and the suites made of them. Server and client use the
//! same provider.

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

/// What an operator may choose about the cryptography.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which protocol versions are spoken. `// A2`
    pub versions: Versions,
    /// Whether TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, which the specification leaves open, is on. `// A3`
    pub ecdhe_rsa: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { versions: Versions::Tls12AndTls13, ecdhe_rsa: true }
    }
}

impl Settings {
    /// The versions that a configuration lists; both when it lists none, which a checked one does not.
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

/// The provider for a `ServerConfig` or a `ClientConfig` that speaks [`Settings::versions`].
///
/// TLS 1.3 suites are rustls' own in its order, but for the staples that go with each certificate (A10);
/// those of TLS 1.2 follow in the order of the specification, which a server imposes with
/// `ignore_client_order`. Only suites and groups that a chosen version can use are in it, so that whoever
/// reads the lists (as [`PlatformCertificates`](super::certificate_selection::PlatformCertificates) does)
/// sees what can be negotiated.
#[must_use]
pub fn provider(settings: Settings) -> CryptoProvider {
    let base = aws_lc_rs::default_provider();
    let spoken = settings.versions.protocol_versions();
    let tls13 = suites::tls13().map(SupportedCipherSuite::Tls13);
    let tls12 = suites::tls12(settings.ecdhe_rsa).map(SupportedCipherSuite::Tls12);
    CryptoProvider {
        cipher_suites: tls13.chain(tls12).filter(|suite| spoken.contains(&suite.version())).collect(),
        kx_groups: base
            .kx_groups
            .iter()
            .copied()
            .chain(GROUPS)
            .filter(|group| spoken.iter().any(|spoken| group.usable_for_version(spoken.version)))
            .collect(),
        ..base
    }
}

/// Protocol version and name of every suite that some configuration can negotiate, as a session reports them.
pub fn negotiable_suites() -> impl Iterator<Item = (&'static str, &'static str)> {
    let suites = provider(Settings::default()).cipher_suites.into_iter();
    suites.filter_map(|suite| Some((suite.version().version.as_str()?, suite.suite().as_str()?)))
}

/// Behind rustls' own groups: slower, for those who ask. A client that names no FFDHE group is given the
/// first one (RFC 7919 section 4), so the least expensive of them leads. `// A0`
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
    fn a0_the_groups_are_the_nist_curves_and_the_named_finite_fields_beside_those_of_rustls() {
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
