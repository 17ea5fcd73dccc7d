//! Who the platform is: up to two certificates. `// A5`

mod staples;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureAlgorithm;
use rustls::sign::CertifiedKey;

use crate::x509::CertificateFacts;
pub use staples::ChainStaples;

/// The platform's certificate chains with their keys and staples: an ECC one, an RSA one, at least one of them.
/// Clones share the staples.
#[derive(Clone)]
pub struct PlatformIdentity {
    ecc: Option<Arc<ServedChain>>,
    rsa: Option<Arc<ServedChain>>,
    withholds: bool,
}

/// One chain with its key, and the staples that go with it at present.
pub struct ServedChain {
    key: Arc<CertifiedKey>,
    staples: ArcSwap<ChainStaples>,
    promises: bool,
}

/// Why certificates do not make an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Neither certificate is there.
    #[error("the platform has neither an ECC nor an RSA certificate: configure at least one")]
    NoCertificate,
    /// The key in the place of the ECC key is of another kind.
    #[error("the platform's ECC certificate has a key of the kind {0:?}: configure an ECDSA key there")]
    NotEcc(SignatureAlgorithm),
    /// The key in the place of the RSA key is of another kind.
    #[error("the platform's RSA certificate has a key of the kind {0:?}: configure an RSA key there")]
    NotRsa(SignatureAlgorithm),
}

impl PlatformIdentity {
    /// An identity of the certificates that are installed.
    ///
    /// # Errors
    ///
    /// If there is none, or a key is not of the kind of its place.
    pub fn new(
        ecc: Option<Arc<CertifiedKey>>,
        rsa: Option<Arc<CertifiedKey>>,
    ) -> Result<Self, IdentityError> {
        let kind = |key: &Option<Arc<CertifiedKey>>| key.as_ref().map(|key| key.key.algorithm());
        match (kind(&ecc), kind(&rsa)) {
            (None, None) => Err(IdentityError::NoCertificate),
            (Some(other), _) if other != SignatureAlgorithm::ECDSA => Err(IdentityError::NotEcc(other)),
            (_, Some(other)) if other != SignatureAlgorithm::RSA => Err(IdentityError::NotRsa(other)),
            _ => Ok(Self { ecc: ecc.map(ServedChain::new), rsa: rsa.map(ServedChain::new), withholds: true }),
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

    /// Serves a certificate that promises a staple without one, too.
    #[must_use]
    pub fn regardless_of_promises(self) -> Self {
        Self { withholds: false, ..self }
    }

    /// Whether a certificate that promises a staple is not served while there is none.
    pub(in crate::tls) const fn withholds(&self) -> bool {
        self.withholds
    }

    /// What can be served now, ECC first.
    pub(in crate::tls) fn keys(&self) -> impl Iterator<Item = &Arc<ServedChain>> {
        let serves = |served: &&Arc<ServedChain>| !self.withholds || served.keeps_its_promise();
        self.ecc.iter().chain(&self.rsa).filter(serves)
    }
}

impl ServedChain {
    fn new(key: Arc<CertifiedKey>) -> Arc<Self> {
        let staples = ArcSwap::from_pointee(ChainStaples::none(key.cert.len()));
        let facts = key.cert.first().and_then(|own| CertificateFacts::read(own).ok());
        Arc::new(Self { key, staples, promises: facts.is_some_and(|facts| facts.must_staple) })
    }

    /// Whether the certificate does not promise a staple (RFC 7633), or there is one. It is the platform's own that
    /// promises: in a CA's the extension is about what the CA may issue (section 4.2.2).
    #[must_use]
    pub fn keeps_its_promise(&self) -> bool {
        !self.promises || self.staples.load().leaf().is_some()
    }

    /// The chain and its key.
    #[must_use]
    pub const fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// What is stapled to the chain at present.
    #[must_use]
    pub fn staples(&self) -> Arc<ChainStaples> {
        self.staples.load_full()
    }

    /// Staples this to the chain in all handshakes that begin from now on.
    pub fn publish(&self, staples: ChainStaples) {
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
    fn a5_an_identity_has_a_certificate_and_each_is_in_its_place() {
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
    fn a11_what_is_logged_about_an_identity_is_how_long_its_chains_are() {
        let identity = PlatformIdentity::new(Some(key(&rcgen::PKCS_ECDSA_P256_SHA256)), None).unwrap();
        let shown = format!("{identity:?}");
        assert_eq!(shown, "PlatformIdentity { ecc_chain_length: Some(1), rsa_chain_length: None }");
    }
}
