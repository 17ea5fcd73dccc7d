//! Who is let in: the decision about a client's certificates, taken inside the handshake.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::{EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder, UnknownStatusPolicy};

use super::acceptable;
use super::refused::{Refused, certificate_error, presented, refusal_of_path};
use super::trust::{CrlStore, Trust};
use crate::authz::{Device, Directory};
use crate::config::Undetermined;
use crate::model::Refusal;
use crate::x509::{CertificateFacts, KeyKind};

/// The device directory as it is now; replaced whole when it changes.
pub type DirectoryHandle = Arc<ArcSwap<Directory>>;

tokio::task_local! {
    /// What the verifier found in the handshake of this task: rustls calls it on the polling thread.
    pub(super) static FINDING: RefCell<Option<Finding>>;
}

/// The outcome of [`Judge::judge`].
pub(super) type Finding = Result<Admitted, Refused>;

/// A client that may connect.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    pub(super) device: Arc<Device>,
    pub(super) facts: Arc<CertificateFacts>,
}

/// Decides about certificate chains of clients: the same way for a full handshake and for a resumed one.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) trust: Trust,
    pub(super) crls: CrlStore,
    pub(super) when_undetermined: Undetermined,
    pub(super) rsa_bits: (usize, usize),
    pub(super) directory: DirectoryHandle,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Judge {
    /// A8, A9: the path to an installed root, the revocation of all of it, the key, the Common Name, the directory.
    pub(super) fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Finding {
        let (leaf, intermediates) = chain.split_first().ok_or(Refused::new(Refusal::NoCertificate))?;
        let facts = CertificateFacts::read(leaf).map_err(|_| Refused::new(Refusal::MalformedCertificate))?;
        let refused = |refusal| Refused { certificate: Some(presented(&facts)), ..Refused::new(refusal) };
        self.check_path(leaf, intermediates, now).map_err(refused)?;
        let id = facts.device_id().map_err(|_| refused(Refusal::NoCommonName))?;
        let device = self.directory.load().admit(&id).map_err(refused)?;
        Ok(Admitted { device, facts: Arc::new(facts) })
    }

    fn check_path(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let lists: Vec<_> = self.crls.lists.iter().collect();
        // Without any list, webpki takes no options: what is undetermined then is decided here.
        let revocation = match (RevocationOptionsBuilder::new(&lists), self.when_undetermined) {
            (Ok(builder), policy) => Some(
                builder
                    .with_status_policy(match policy {
                        Undetermined::Refuse => UnknownStatusPolicy::Deny,
                        Undetermined::Accept => UnknownStatusPolicy::Allow,
                    })
                    .with_expiration_policy(ExpirationPolicy::Enforce)
                    .build(),
            ),
            (Err(_), Undetermined::Accept) => None,
            (Err(_), Undetermined::Refuse) => return Err(Refusal::RevocationUndetermined),
        };
        let leaf = EndEntityCert::try_from(leaf).map_err(|error| refusal_of_path(&error))?;
        let path = leaf
            .verify_for_usage(
                self.algorithms.all,
                &self.trust.anchors,
                intermediates,
                now,
                KeyUsage::client_auth(),
                revocation,
                None,
            )
            .map_err(|error| refusal_of_path(&error))?;
        // A0, for each certificate of the path; the roots are what the operator has installed. That their signatures
        // are RSA or ECDSA with SHA-2 holds already: webpki was given no other algorithms.
        // Only the keys are read: this is done in every handshake.
        let issuers = path.intermediate_certificates().map(|issuer| issuer.subject_public_key_info());
        for key in std::iter::once(leaf.subject_public_key_info()).chain(issuers) {
            let kind = KeyKind::read(&key).ok_or(Refusal::MalformedCertificate)?;
            if !acceptable::key(kind, self.rsa_bits) {
                return Err(Refusal::UnacceptableKey);
            }
        }
        Ok(())
    }
}

/// [`Judge`] as rustls asks for it.
#[derive(Debug)]
pub(super) struct DeviceVerifier(pub(super) Arc<Judge>);

impl ClientCertVerifier for DeviceVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0.trust.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|c| CertificateDer::from(c.as_ref()))
            .collect();
        let finding = self.0.judge(&chain, now);
        let answer = match &finding {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refused) => Err(certificate_error(refused.refusal)),
        };
        // Outside of an `Acceptor` nobody listens; the answer to rustls is the decision.
        let _ = FINDING.try_with(|slot| slot.replace(Some(finding)));
        answer
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
