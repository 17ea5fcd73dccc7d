//! The platform's identity: up to two certificate chains with their keys and staples. `// A5`

mod staples;

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, SignatureAlgorithm};

use crate::x509::CertificateFacts;
pub use staples::ChainStaples;

/// The platform's certificate chains with their keys and staples: an ECC chain, an RSA chain, or both. Clones
/// share the staples.
#[derive(Clone)]
pub struct PlatformIdentity {
    ecc: Option<Arc<ServedChain>>,
    rsa: Option<Arc<ServedChain>>,
    enforces_must_staple: bool,
}

/// One chain with its key and its current staples.
pub struct ServedChain {
    key: Arc<CertifiedKey>,
    staples: ArcSwap<ChainStaples>,
    is_must_staple: bool,
    /// The issuers of its certificates, each as DER of a name.
    issuers: Vec<Vec<u8>>,
    /// The chain that is served in place of this one while this one has no staples yet, after a renewal.
    predecessor: ArcSwapOption<ServedChain>,
}

/// The certificates do not form an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is no certificate.
    #[error("the platform has neither an ECC nor an RSA certificate: configure at least one")]
    NoCertificate,
    /// The key of the ECC certificate is of another kind.
    #[error("the key of the platform's ECC certificate is of kind {0:?}: configure an ECDSA key")]
    NotEcc(SignatureAlgorithm),
    /// The key of the RSA certificate is of another kind.
    #[error("the key of the platform's RSA certificate is of kind {0:?}: configure an RSA key")]
    NotRsa(SignatureAlgorithm),
}

impl PlatformIdentity {
    /// An identity of the installed certificates.
    ///
    /// # Errors
    /// When there is none, or a key is of the wrong kind.
    pub fn new(
        ecc: Option<Arc<CertifiedKey>>,
        rsa: Option<Arc<CertifiedKey>>,
    ) -> Result<Self, IdentityError> {
        let kind = |key: &Option<Arc<CertifiedKey>>| key.as_ref().map(|key| key.key.algorithm());
        match (kind(&ecc), kind(&rsa)) {
            (None, None) => Err(IdentityError::NoCertificate),
            (Some(other), _) if other != SignatureAlgorithm::ECDSA => Err(IdentityError::NotEcc(other)),
            (_, Some(other)) if other != SignatureAlgorithm::RSA => Err(IdentityError::NotRsa(other)),
            _ => Ok(Self {
                ecc: ecc.map(ServedChain::new),
                rsa: rsa.map(ServedChain::new),
                enforces_must_staple: true,
            }),
        }
    }

    /// The certificate with a key on one of the NIST curves.
    #[must_use]
    pub fn ecc(&self) -> Option<&Arc<ServedChain>> {
        self.ecc.as_ref()
    }

    /// The certificate with an RSA key.
    #[must_use]
    pub fn rsa(&self) -> Option<&Arc<ServedChain>> {
        self.rsa.as_ref()
    }

    /// This identity, but it serves a must-staple certificate without a staple as well.
    #[must_use]
    pub fn ignoring_must_staple(self) -> Self {
        Self { enforces_must_staple: false, ..self }
    }

    /// Whether a must-staple certificate is withheld while it has no staple.
    pub(in crate::tls) const fn enforces_must_staple(&self) -> bool {
        self.enforces_must_staple
    }

    /// The chains that can be served now, ECC first.
    pub(in crate::tls) fn servable_chains(&self) -> impl Iterator<Item = Arc<ServedChain>> {
        let is_servable =
            |chain: &Arc<ServedChain>| !self.enforces_must_staple || chain.satisfies_must_staple();
        self.ecc.iter().chain(&self.rsa).map(ServedChain::current).filter(is_servable)
    }
}

impl ServedChain {
    fn new(key: Arc<CertifiedKey>) -> Arc<Self> {
        let staples = ArcSwap::from_pointee(ChainStaples::none(key.cert.len()));
        let facts = key.cert.first().and_then(|own| CertificateFacts::read(own).ok());
        let is_must_staple = facts.is_some_and(|facts| facts.must_staple);
        let read = key.cert.iter().filter_map(|der| CertificateFacts::read(der).ok());
        let issuers = read.map(|facts| facts.issuer.as_der().to_vec()).collect();
        Arc::new(Self { key, staples, is_must_staple, issuers, predecessor: ArcSwapOption::empty() })
    }

    /// Whether one of these names issued a certificate of the chain.
    pub(in crate::tls) fn leads_to(&self, roots: &[DistinguishedName]) -> bool {
        roots.iter().any(|root| self.issuers.iter().any(|issuer| issuer == root.as_ref()))
    }

    /// The chain that clients get in place of this one now: its predecessor, or itself.
    pub(in crate::tls) fn current(self: &Arc<Self>) -> Arc<Self> {
        self.predecessor.load_full().unwrap_or_else(|| Arc::clone(self))
    }

    /// Serves this predecessor in place of this chain, for all later handshakes; `None` ends that.
    pub(in crate::tls) fn set_predecessor(&self, predecessor: Option<Arc<Self>>) {
        self.predecessor.store(predecessor);
    }

    /// Whether a predecessor is served in place of this chain.
    pub(in crate::tls) fn has_predecessor(&self) -> bool {
        self.predecessor.load().is_some()
    }

    /// Whether the certificate is not must-staple (RFC 7633), or has a staple. Only the platform's own
    /// certificate counts: in a CA certificate the extension limits what the CA may issue (section 4.2.2).
    #[must_use]
    pub fn satisfies_must_staple(&self) -> bool {
        !self.is_must_staple || self.staples.load().leaf().is_some()
    }

    /// The chain and its key.
    #[must_use]
    pub const fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// The current staples.
    #[must_use]
    pub fn staples(&self) -> Arc<ChainStaples> {
        self.staples.load_full()
    }

    /// Replaces the staples, for all later handshakes.
    pub fn set_staples(&self, staples: ChainStaples) {
        self.staples.store(Arc::new(staples));
    }
}

impl fmt::Debug for ServedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedChain")
            .field("chain_length", &self.key.cert.len())
            .field("staples", &self.staples.load())
            .finish()
    }
}

impl fmt::Debug for PlatformIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |served: &Option<Arc<ServedChain>>| served.as_ref().map(|served| served.key.cert.len());
        f.debug_struct("PlatformIdentity")
            .field("ecc_chain_length", &length(&self.ecc))
            .field("rsa_chain_length", &length(&self.rsa))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: &'static rcgen::SignatureAlgorithm) -> Arc<CertifiedKey> {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new([]).unwrap().self_signed(&pair).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let private = rustls::pki_types::PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
        Arc::new(CertifiedKey::from_der(vec![certificate.der().clone()], private, &provider).unwrap())
    }

    #[test]
    fn a5_an_identity_has_a_certificate_and_each_key_is_of_its_kind() {
        let [ecc, rsa, ed25519] =
            [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ED25519].map(key);
        let new = |ecc: Option<&Arc<CertifiedKey>>, rsa: Option<&Arc<CertifiedKey>>| {
            PlatformIdentity::new(ecc.cloned(), rsa.cloned()).map(|_| ())
        };
        assert_eq!(new(Some(&ecc), Some(&rsa)), Ok(()));
        assert_eq!(new(Some(&ecc), None), Ok(()));
        assert_eq!(new(None, Some(&rsa)), Ok(()));
        assert_eq!(new(None, None), Err(IdentityError::NoCertificate));
        assert_eq!(new(Some(&rsa), None), Err(IdentityError::NotEcc(SignatureAlgorithm::RSA)));
        assert_eq!(new(Some(&ed25519), None), Err(IdentityError::NotEcc(SignatureAlgorithm::ED25519)));
        assert_eq!(new(Some(&ecc), Some(&ecc)), Err(IdentityError::NotRsa(SignatureAlgorithm::ECDSA)));
    }

    #[test]
    fn a11_the_debug_output_of_an_identity_shows_only_the_lengths_of_its_chains() {
        let identity = PlatformIdentity::new(Some(key(&rcgen::PKCS_ECDSA_P256_SHA256)), None).unwrap();
        let shown = format!("{identity:?}");
        assert_eq!(shown, "PlatformIdentity { ecc_chain_length: Some(1), rsa_chain_length: None }");
    }
}
