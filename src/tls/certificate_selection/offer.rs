//! Matches the offer of a client with the capabilities of the server.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, KeyExchangeAlgorithm, SupportedKxGroup};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, DistinguishedName, NamedGroup, ProtocolVersion, SignatureScheme, SupportedCipherSuite,
    Tls12CipherSuite,
};

use crate::tls::identity::{PlatformIdentity, ServedChain};

/// The parts of a ClientHello that bear on the selection of the certificate.
pub(super) struct ClientOffer<'a> {
    suites: &'a [CipherSuite],
    schemes: &'a [SignatureScheme],
    groups: &'a [NamedGroup],
    /// The roots that it names; TLS 1.3 only.
    roots: &'a [DistinguishedName],
}

impl<'a> From<&'a ClientHello<'a>> for ClientOffer<'a> {
    fn from(hello: &'a ClientHello<'a>) -> Self {
        Self {
            suites: hello.cipher_suites(),
            schemes: hello.signature_schemes(),
            groups: hello.named_groups().unwrap_or_default(),
            roots: hello.certificate_authorities().unwrap_or_default(),
        }
    }
}

/// The suites and groups that a server can negotiate, in its order.
pub(super) struct ServerCapabilities {
    tls12: Vec<&'static Tls12CipherSuite>,
    tls13: Vec<CipherSuite>,
    groups: Vec<NamedGroup>,
}

impl ServerCapabilities {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        let tls12 = |suite: &SupportedCipherSuite| match suite {
            SupportedCipherSuite::Tls12(suite) => Some(*suite),
            SupportedCipherSuite::Tls13(_) => None,
        };
        let is_for_tls12 =
            |group: &&&dyn SupportedKxGroup| group.usable_for_version(ProtocolVersion::TLSv1_2);
        Self {
            tls12: provider.cipher_suites.iter().filter_map(tls12).collect(),
            tls13: provider
                .cipher_suites
                .iter()
                .filter_map(|suite| Some(suite.tls13()?.common.suite))
                .collect(),
            groups: provider.kx_groups.iter().filter(is_for_tls12).map(|group| group.name()).collect(),
        }
    }

    /// The chain for this offer, if a handshake can succeed with one.
    ///
    /// rustls does not reveal which version it will negotiate; only a client that lists TLS 1.3 suites can
    /// mean TLS 1.3. The chain that the TLS 1.2 table selects is preferred whenever it suits TLS 1.3 as well:
    /// the order of the specification then holds for either version. Otherwise the selection assumes that a
    /// client with suites of both versions negotiates the newer one. A client that names roots gets a chain
    /// that leads to one of them, if there is one: it may trust the ECC root alone, or the RSA root.
    pub(super) fn select_chain(
        &self,
        offer: &ClientOffer<'_>,
        identity: &PlatformIdentity,
    ) -> Option<Arc<ServedChain>> {
        let tls12 = self.select_tls12_chain(offer, identity);
        if !self.tls13.iter().any(|suite| offer.suites.contains(suite)) {
            return tls12;
        }
        let trusted =
            |chain: &Arc<ServedChain>| can_sign_tls13(chain.key(), offer) && chain.leads_to(offer.roots);
        tls12
            .as_ref()
            .filter(|chain| can_sign_tls13(chain.key(), offer))
            .filter(|chain| offer.roots.is_empty() || trusted(chain))
            .cloned()
            .or_else(|| identity.servable_chains().find(trusted))
            .or_else(|| identity.servable_chains().find(|chain| can_sign_tls13(chain.key(), offer)))
            .or(tls12)
    }

    /// The chain for the first row of the table that the client offers, that a key can sign with a scheme of
    /// the client, and whose key exchange is possible. `// A3`
    ///
    /// In TLS 1.2 the groups of a client are all the curves that it supports, those of certificates included
    /// (RFC 8422 section 5.1). rustls ignores this; OpenSSL's clients check it and refuse other certificates.
    /// Other clients do not check it, so a certificate on another curve is better than none.
    fn select_tls12_chain(
        &self,
        offer: &ClientOffer<'_>,
        identity: &PlatformIdentity,
    ) -> Option<Arc<ServedChain>> {
        let first = |usable: &dyn Fn(&CertifiedKey) -> bool| {
            self.tls12
                .iter()
                .filter(|suite| {
                    offer.suites.contains(&suite.common.suite) && self.can_exchange(suite.kx, offer.groups)
                })
                .find_map(|suite| {
                    let schemes = suite.resolve_sig_schemes(offer.schemes);
                    identity
                        .servable_chains()
                        .find(|chain| can_sign(chain.key(), &schemes) && usable(chain.key()))
                })
        };
        first(&|key| is_on_named_curve(key, offer.groups)).or_else(|| first(&|_| true))
    }

    /// Whether this key exchange is possible with the groups that the client names. A client that names
    /// finite fields accepts no others. A client that names none leaves the choice of the field to the server
    /// (RFC 7919 section 4).
    fn can_exchange(&self, kx: KeyExchangeAlgorithm, named: &[NamedGroup]) -> bool {
        let mut candidates = named.iter().filter(|group| group.key_exchange_algorithm() == kx).peekable();
        match candidates.peek() {
            None if kx == KeyExchangeAlgorithm::DHE => {
                self.groups.iter().any(|group| group.key_exchange_algorithm() == kx)
            }
            _ => candidates.any(|group| self.groups.contains(group)),
        }
    }
}

fn can_sign(key: &CertifiedKey, schemes: &[SignatureScheme]) -> bool {
    key.key.choose_scheme(schemes).is_some()
}

/// Whether the key is on one of the named curves. True for RSA.
fn is_on_named_curve(key: &CertifiedKey, named: &[NamedGroup]) -> bool {
    // A key on a curve prefers the scheme that TLS 1.3 ties to the curve.
    let signer = key.key.choose_scheme(&CURVES.map(|(scheme, _)| scheme));
    let curve = CURVES.iter().find(|(scheme, _)| signer.as_ref().is_some_and(|own| own.scheme() == *scheme));
    curve.is_none_or(|(_, curve)| named.contains(curve))
}

/// Whether the key can sign a TLS 1.3 handshake. The signature schemes alone decide, and PKCS #1 v1.5 is
/// excluded (RFC 8446 section 4.2.3).
fn can_sign_tls13(key: &CertifiedKey, offer: &ClientOffer<'_>) -> bool {
    let schemes: Vec<_> = offer.schemes.iter().copied().filter(|scheme| !PKCS1.contains(scheme)).collect();
    can_sign(key, &schemes)
}

const CURVES: [(SignatureScheme, NamedGroup); 3] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, NamedGroup::secp256r1),
    (SignatureScheme::ECDSA_NISTP384_SHA384, NamedGroup::secp384r1),
    (SignatureScheme::ECDSA_NISTP521_SHA512, NamedGroup::secp521r1),
];

const PKCS1: [SignatureScheme; 4] = [
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];
