//! What a client offers against what a server can do.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, KeyExchangeAlgorithm, SupportedKxGroup};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite,
};

use crate::tls::identity::{PlatformIdentity, ServedChain};

/// What in a ClientHello bears on the certificate.
pub(super) struct ClientOffer<'a> {
    suites: &'a [CipherSuite],
    schemes: &'a [SignatureScheme],
    groups: &'a [NamedGroup],
}

impl<'a> From<&'a ClientHello<'a>> for ClientOffer<'a> {
    fn from(hello: &'a ClientHello<'a>) -> Self {
        Self {
            suites: hello.cipher_suites(),
            schemes: hello.signature_schemes(),
            groups: hello.named_groups().unwrap_or_default(),
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
        let in_tls12 = |group: &&&dyn SupportedKxGroup| group.usable_for_version(ProtocolVersion::TLSv1_2);
        Self {
            tls12: provider.cipher_suites.iter().filter_map(tls12).collect(),
            tls13: provider
                .cipher_suites
                .iter()
                .filter_map(|suite| Some(suite.tls13()?.common.suite))
                .collect(),
            groups: provider.kx_groups.iter().filter(in_tls12).map(|group| group.name()).collect(),
        }
    }

    /// The key for this offer, if there is one with which a handshake can succeed.
    ///
    /// rustls does not say which version it is going to speak; only a client that lists suites of TLS 1.3 can mean
    /// it. The key of the TLS 1.2 table is taken whenever it would do for TLS 1.3 as well: then the order of the
    /// specification holds in either case. Otherwise a client that lists suites of both versions is taken to mean the
    /// newer one.
    pub(super) fn key<'i>(
        &self,
        offer: &ClientOffer<'_>,
        identity: &'i PlatformIdentity,
    ) -> Option<&'i Arc<ServedChain>> {
        let first = self.tls12_key(offer, identity);
        if !self.tls13.iter().any(|suite| offer.suites.contains(suite)) {
            return first;
        }
        first
            .filter(|served| signs_tls13(served.key(), offer))
            .or_else(|| identity.keys().find(|served| signs_tls13(served.key(), offer)))
            .or(first)
    }

    /// The key of the first row of the table that the client offers, that one of the keys can sign so that the client
    /// can verify it, and whose key exchange is possible. `// A3`
    ///
    /// In TLS 1.2 the groups that a client names are all the curves that it knows, those of certificates included
    /// (RFC 8422 section 5.1): rustls does not look at this, OpenSSL's clients do and refuse other certificates. Not
    /// every client means it like that, so a certificate on another curve is better than none.
    fn tls12_key<'i>(
        &self,
        offer: &ClientOffer<'_>,
        identity: &'i PlatformIdentity,
    ) -> Option<&'i Arc<ServedChain>> {
        let first = |usable: &dyn Fn(&CertifiedKey) -> bool| {
            self.tls12
                .iter()
                .filter(|suite| {
                    offer.suites.contains(&suite.common.suite) && self.can_exchange(suite.kx, offer.groups)
                })
                .find_map(|suite| {
                    let schemes = suite.resolve_sig_schemes(offer.schemes);
                    identity.keys().find(|served| signs(served.key(), &schemes) && usable(served.key()))
                })
        };
        first(&|key| curve_is_named(key, offer.groups)).or_else(|| first(&|_| true))
    }

    /// Whether the groups that a client names leave room for this key exchange. A client that names finite fields
    /// means those and no others; one that names none leaves the field to the server (RFC 7919 section 4).
    fn can_exchange(&self, kx: KeyExchangeAlgorithm, named: &[NamedGroup]) -> bool {
        let mut of_this_kind = named.iter().filter(|group| group.key_exchange_algorithm() == kx).peekable();
        match of_this_kind.peek() {
            None if kx == KeyExchangeAlgorithm::DHE => {
                self.groups.iter().any(|group| group.key_exchange_algorithm() == kx)
            }
            _ => of_this_kind.any(|group| self.groups.contains(group)),
        }
    }
}

fn signs(key: &CertifiedKey, schemes: &[SignatureScheme]) -> bool {
    key.key.choose_scheme(schemes).is_some()
}

/// Whether a key is on a curve that a client knows, or on none.
fn curve_is_named(key: &CertifiedKey, named: &[NamedGroup]) -> bool {
    // A key on a curve signs with the one scheme that rustls ties to the curve.
    let curve = CURVES.iter().find(|(scheme, _)| signs(key, &[*scheme]));
    curve.is_none_or(|(_, curve)| named.contains(curve))
}

const CURVES: [(SignatureScheme, NamedGroup); 3] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, NamedGroup::secp256r1),
    (SignatureScheme::ECDSA_NISTP384_SHA384, NamedGroup::secp384r1),
    (SignatureScheme::ECDSA_NISTP521_SHA512, NamedGroup::secp521r1),
];

/// In TLS 1.3 the signature algorithms alone decide, and PKCS #1 v1.5 is none of them (RFC 8446 section 4.2.3).
fn signs_tls13(key: &CertifiedKey, offer: &ClientOffer<'_>) -> bool {
    let schemes: Vec<_> = offer.schemes.iter().copied().filter(|scheme| !PKCS1.contains(scheme)).collect();
    signs(key, &schemes)
}

const PKCS1: [SignatureScheme; 4] = [
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];
