//! Whose a certificate is.

use super::client::{Client, KnownCertificate};
use super::refused::RefusedReader;
use super::registry::Registry;
use crate::model::Fingerprint;

/// The client of a certificate, and by what the certificate is known.
pub(super) type Owner<'a> = (&'a Client, KnownCertificate);

/// A certificate that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// Its community.
    pub community: String,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its subject, as the platform writes it.
    pub subject: String,
    /// The environment that its Common Name states, as in `_EMAIL.demo@hospital.example`.
    pub environment: Option<String>,
    /// The URIs of its subjectAltName.
    pub uris: Vec<String>,
}

impl PresentedCertificate {
    /// The environment in a Common Name: `_EMAIL.ENVIRONMENT@DOMAIN`. Others state none.
    #[must_use]
    pub fn stated_environment(common_name: &str) -> Option<String> {
        let (prefix, rest) = common_name.split_at_checked(ENVIRONMENT_PREFIX.len())?;
        let (environment, domain) = rest.split_once('@')?;
        let is_stated = prefix.eq_ignore_ascii_case(ENVIRONMENT_PREFIX) && !domain.is_empty();
        is_stated.then(|| environment.to_owned())
    }

    /// Whether it may be used in this environment: it states it, or none.
    #[must_use]
    pub fn is_for(&self, environment: &str) -> bool {
        self.environment.as_deref().is_none_or(|stated| stated.eq_ignore_ascii_case(environment))
    }
}

impl PresentedCertificate {
    /// Its subject, as that of a member of its community.
    pub(super) fn by_subject(&self) -> KnownCertificate {
        KnownCertificate::Subject { community: self.community.clone(), subject: self.subject.clone() }
    }

    fn by_uri(&self, uri: &str) -> KnownCertificate {
        KnownCertificate::Uri { community: self.community.clone(), uri: uri.to_owned() }
    }

    /// By what it may be known: first itself, then its names.
    #[must_use]
    pub fn names(&self) -> Vec<KnownCertificate> {
        let itself = [KnownCertificate::Fingerprint(self.fingerprint), self.by_subject()];
        itself.into_iter().chain(self.uris.iter().map(|uri| self.by_uri(uri))).collect()
    }
}

/// The client for which the certificate is registered; `None`: it is registered for none.
///
/// What says more about the certificate decides: itself, then its subject, then its URIs. So a certificate
/// that an operator has taken from a client is not admitted by its subject.
///
/// # Errors
/// When an operator has taken it from a client, or its URIs are those of several.
pub(super) fn owner<'a>(
    registry: &'a Registry,
    certificate: &PresentedCertificate,
) -> Result<Option<Owner<'a>>, RefusedReader> {
    for known in [KnownCertificate::Fingerprint(certificate.fingerprint), certificate.by_subject()] {
        if registry.is_removed(&known) {
            return Err(RefusedReader::Removed);
        }
        if let Some(client) = registry.client_of(&known) {
            return Ok(Some((client, known)));
        }
    }
    let mut found: Option<Owner<'_>> = None;
    for known in certificate.uris.iter().map(|uri| certificate.by_uri(uri)) {
        if registry.is_removed(&known) {
            return Err(RefusedReader::Removed);
        }
        let Some(client) = registry.client_of(&known) else { continue };
        if found.as_ref().is_some_and(|(before, _)| before.id != client.id) {
            return Err(RefusedReader::NotRegistered);
        }
        found.get_or_insert((client, known));
    }
    Ok(found)
}

/// Whether an operator has taken the certificate from a client.
pub(super) fn is_removed(registry: &Registry, certificate: Fingerprint) -> bool {
    registry.is_removed(&KnownCertificate::Fingerprint(certificate))
}

/// How Common Names begin that state an environment.
const ENVIRONMENT_PREFIX: &str = "_EMAIL.";
