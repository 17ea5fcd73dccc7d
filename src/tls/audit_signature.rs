//! Signatures over the audit trail: signing with the platform's key, and verification.

use std::time::Duration;

use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use super::acceptor::{Acceptor, AcceptorError};
use super::credential::PlatformCredentials;
use super::file;
use super::identity::PlatformIdentity;
use super::provider::{Settings, provider};
use super::trust::Trust;
use crate::audit::{Distrust, SignError, Signature, SignatureVerifier, Signer};
use crate::config::Tls;

impl Signer for Acceptor {
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        sign(&*self.signing_key().ok_or(SignError)?, message)
    }
}

/// The platform's key, for a process that serves nothing: what an operator decides is signed with it.
#[derive(Debug)]
pub struct AuditSigner(PlatformIdentity);

impl AuditSigner {
    /// Loads the certificates and keys of the platform.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(tls: &Tls, now: Timestamp) -> Result<Self, AcceptorError> {
        let trust = Trust::load(tls.roots_of_platform())?;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let loaded = PlatformCredentials::load(tls, &trust, &provider(Settings::default()), now)?;
        Ok(Self(loaded.identity))
    }
}

impl Signer for AuditSigner {
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let served = self.0.ecc().or(self.0.rsa()).ok_or(SignError)?;
        sign(served.key(), message)
    }
}

fn sign(key: &CertifiedKey, message: &[u8]) -> Result<Signature, SignError> {
    let signer = key.key.choose_scheme(&SCHEMES).ok_or(SignError)?;
    let scheme = signer.scheme().as_str().ok_or(SignError)?;
    let certificate = key.cert.first().ok_or(SignError)?;
    let value = signer.sign(message).map_err(|_| SignError)?;
    Ok(Signature { scheme: scheme.to_owned(), certificate: certificate.to_vec(), value })
}

/// Verifies the platform's signatures over the audit trail.
///
/// A signer is this platform if its certificate has the subject of one of the platform's certificates, is for
/// servers, and chained to an installed root at the time of the signature. Old signatures thus stay valid
/// when the platform's certificates are renewed.
#[derive(Debug)]
pub struct AuditSignatureVerifier {
    trust: Trust,
    chains: Vec<Vec<CertificateDer<'static>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AuditSignatureVerifier {
    /// Loads the roots and the platform's chains. No key is needed.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn load(tls: &Tls) -> Result<Self, AcceptorError> {
        let chain = |credential: &crate::config::Credential| file::certificates(&credential.chain);
        let chains = [&tls.ecc, &tls.rsa].into_iter().flatten().map(chain).collect::<Result<_, _>>();
        Ok(Self {
            trust: Trust::load(tls.roots_of_platform())?,
            chains: chains.map_err(super::CredentialError::from)?,
            algorithms: provider(Settings::default()).signature_verification_algorithms,
        })
    }

    /// Whether the certificate was one of the platform's at that time.
    fn is_platform_certificate(&self, certificate: &EndEntityCert<'_>, at: UnixTime) -> bool {
        self.chains.iter().any(|chain| {
            let Some((leaf, intermediates)) = chain.split_first() else { return false };
            let same_name =
                EndEntityCert::try_from(leaf).is_ok_and(|leaf| leaf.subject() == certificate.subject());
            let is_valid = || {
                let usage = KeyUsage::server_auth();
                self.trust.verify_path(certificate, intermediates, at, usage, &self.algorithms).is_ok()
            };
            same_name && is_valid()
        })
    }
}

impl SignatureVerifier for AuditSignatureVerifier {
    fn verify(&self, message: &[u8], signature: &Signature, at: Timestamp) -> Result<(), Distrust> {
        let certificate = CertificateDer::from(signature.certificate.as_slice());
        let certificate = EndEntityCert::try_from(&certificate).map_err(|_| Distrust::Unreadable)?;
        let seconds = u64::try_from(at.as_second()).map_err(|_| Distrust::OtherSigner)?;
        if !self
            .is_platform_certificate(&certificate, UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        {
            return Err(Distrust::OtherSigner);
        }
        let (_, algorithms) = self
            .algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| {
                SCHEMES.contains(scheme) && scheme.as_str() == Some(signature.scheme.as_str())
            })
            .ok_or(Distrust::Unreadable)?;
        let verified = algorithms
            .iter()
            .any(|algorithm| certificate.verify_signature(*algorithm, message, &signature.value).is_ok());
        if verified { Ok(()) } else { Err(Distrust::Forged) }
    }
}

/// The signature schemes for the audit trail. The platform uses the one that fits its key.
const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::authz::DirectoryHandle;
    use crate::config::{Config, Credential, Overrides};
    use crate::metrics::Metrics;
    use crate::model::Clock;
    use crate::pki::{CertificateOrder, Issued, KeyType, Role, TestPki};
    use crate::revocation::Engine;
    use crate::tls::credential;

    fn config(folder: &Path, issued: &Issued) -> Config {
        let (chain, key) = (issued.chain.display(), issued.key.display());
        let text = format!(
            "[tls]\nclient-trust-anchors = [\"root-ecc.pem\"]\necc = {{ chain = \"{chain}\", key = \"{key}\" }}\n"
        );
        Config::parse(&text, &folder.join("platform.toml"), &Overrides::default()).unwrap()
    }

    fn signer(config: &Config, clock: &Clock) -> Acceptor {
        let revocation = Engine::open(&config.revocation, Metrics::new().unwrap(), clock.clone()).unwrap();
        Acceptor::build(config, DirectoryHandle::default(), revocation, clock.clone()).unwrap()
    }

    #[test]
    fn only_the_platforms_signatures_verify() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, clock) = (folder.path().join("pki"), Clock::system());
        let pki = TestPki::init(&folder, "http://127.0.0.1:9", &clock).unwrap();
        let issue = |name: &str, role| pki.issue(&CertificateOrder::new(name, role, KeyType::Ecc)).unwrap();
        let issued = issue("platform", Role::Platform);
        let platform = config(&folder, &issued);
        let verifier = AuditSignatureVerifier::load(&platform.tls).unwrap();
        let signature = signer(&platform, &clock).sign(b"message").unwrap();
        assert!(signature.scheme.starts_with("ECDSA_"), "{}", signature.scheme);
        assert_eq!(verifier.verify(b"message", &signature, clock.now()), Ok(()));

        assert_eq!(verifier.verify(b"massage", &signature, clock.now()), Err(Distrust::Forged));
        let unknown = Signature { scheme: "ECDSA_SHA1_Legacy".to_owned(), ..signature.clone() };
        assert_eq!(verifier.verify(b"message", &unknown, clock.now()), Err(Distrust::Unreadable));
        let garbled = Signature { certificate: vec![0], ..signature.clone() };
        assert_eq!(verifier.verify(b"message", &garbled, clock.now()), Err(Distrust::Unreadable));
        // Before the certificate was issued.
        assert_eq!(
            verifier.verify(b"message", &signature, Timestamp::UNIX_EPOCH),
            Err(Distrust::OtherSigner)
        );
        let other =
            signer(&config(&folder, &issue("other", Role::Platform)), &clock).sign(b"message").unwrap();
        assert_eq!(verifier.verify(b"message", &other, clock.now()), Err(Distrust::OtherSigner));

        // After a renewal, signatures of the old certificate still verify.
        let (signed_then, old) = (signature, std::fs::read(&issued.chain).unwrap());
        let renewed = issue("platform", Role::Platform);
        assert_ne!(std::fs::read(&renewed.chain).unwrap(), old);
        let verifier = AuditSignatureVerifier::load(&config(&folder, &renewed).tls).unwrap();
        assert_eq!(verifier.verify(b"message", &signed_then, clock.now()), Ok(()));
        // The certificate of a device with the same name is not for servers.
        let device = issue("platform", Role::Device);
        let device = Credential { chain: device.chain, key: device.key.into(), passphrase: None };
        let device = credential::read_pair(&device, &provider(Settings::default())).unwrap();
        let device = sign(&device.key, b"message").unwrap();
        assert_eq!(verifier.verify(b"message", &device, clock.now()), Err(Distrust::OtherSigner));
    }
}
