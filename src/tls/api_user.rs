//! The people who let applications of hospital systems read.
//!
//! Their roots are their own. A certificate that leads to a community, or to a root of devices, is none of a
//! person, and one of a person opens nothing by itself: [`ApiAcceptor::membership`] knows communities alone.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::api::{ApiAcceptor, ApiCertificate};
use super::refusal::presented_certificate;
use crate::audit::Certificate;
use crate::model::{Fingerprint, Refusal};
use crate::x509::CertificateFacts;

/// A person whose certificate counts now. Only [`ApiAcceptor::user`] and [`ApiAcceptor::user_of_chain`] make
/// one.
#[derive(Debug, Clone)]
pub struct ApiUser {
    chain: Arc<[CertificateDer<'static>]>,
    facts: Arc<CertificateFacts>,
}

impl ApiUser {
    /// The certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.facts.fingerprint
    }

    /// Its subject: the account of the person in the audit trail.
    #[must_use]
    pub fn subject(&self) -> String {
        self.facts.subject.to_string()
    }

    /// The certificate and its CAs, in DER.
    #[must_use]
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|der| der.to_vec()).collect()
    }

    /// The certificate, as the audit trail records it.
    #[must_use]
    pub fn recorded(&self) -> Certificate {
        presented_certificate(&self.facts)
    }
}

impl ApiAcceptor {
    /// The person with the certificate of a connection, if it counts now.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn user(&self, certificate: &ApiCertificate) -> Result<ApiUser, Refusal> {
        let settings = self.settings.load_full().ok_or(Refusal::UntrustedIssuer)?;
        let is_same = Arc::ptr_eq(&settings, &certificate.examined.settings);
        if !is_same && !certificate.chain.is_empty() {
            // Of another configuration: roots may have come and gone.
            let chain: Vec<_> = certificate.chain.iter().map(|der| der.to_vec()).collect();
            return Box::pin(self.user_of_chain(&chain)).await;
        }
        let path = certificate.examined.user.clone()?;
        let users = settings.users.as_ref().ok_or(Refusal::UntrustedIssuer)?;
        users.check_now(&path, &self.clock).await?;
        let (chain, facts) = (Arc::clone(&certificate.chain), Arc::clone(&certificate.facts));
        Ok(ApiUser { chain, facts })
    }

    /// The person with the first certificate of a chain, if it counts now. That the person has the key was
    /// proved before.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn user_of_chain(&self, chain: &[Vec<u8>]) -> Result<ApiUser, Refusal> {
        let certificate = self.examine_chain(chain).ok_or(Refusal::UntrustedIssuer)?;
        self.user(&certificate).await
    }
}
