//! Limits on a client's certificate chain. They apply before any path building.
//!
//! webpki tries every order of intermediates that share a name, and decodes the extensions of a certificate
//! at each visit. Its own budgets count calls, not work. A stranger could therefore occupy a processor for
//! minutes with one chain of 64 KB. Within these limits the worst chain costs less than three genuine
//! handshakes (`docs/explanation/threat-model.md`, and the test `worst_accepted_chain_costs_little`).

use rustls::pki_types::CertificateDer;

use crate::model::Refusal;
use crate::x509::CertificateOutline;

/// The configured limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tls) struct ChainLimits {
    /// Certificates in one chain, that of the device included.
    pub(in crate::tls) certificates: usize,
    /// Bytes of one certificate in DER.
    pub(in crate::tls) certificate_bytes: usize,
}

impl ChainLimits {
    /// The outlines of the certificates, in their order. The work is linear in the length of the chain.
    ///
    /// # Errors
    /// [`Refusal::OversizedChain`] when the chain exceeds a limit, [`Refusal::MalformedCertificate`] when a
    /// certificate cannot be parsed.
    pub(super) fn check<'a>(
        &self,
        chain: &'a [CertificateDer<'_>],
    ) -> Result<Vec<CertificateOutline<'a>>, Refusal> {
        if chain.len() > self.certificates || chain.iter().any(|der| der.len() > self.certificate_bytes) {
            return Err(Refusal::OversizedChain);
        }
        let outlines = chain
            .iter()
            .map(|der| CertificateOutline::read(der).map_err(|_| Refusal::MalformedCertificate))
            .collect::<Result<Vec<_>, _>>()?;
        let has_too_many = |outline: &CertificateOutline<'_>| {
            outline.purposes > MAX_PURPOSES
                || outline.extensions > MAX_EXTENSIONS
                || outline.elements > MAX_ELEMENTS
        };
        let shares_name = |one: &CertificateOutline<'_>| {
            outlines.iter().filter(|other| other.subject == one.subject).count() > MAX_SAME_SUBJECT
        };
        if outlines.iter().any(|outline| has_too_many(outline) || shares_name(outline)) {
            return Err(Refusal::OversizedChain);
        }
        Ok(outlines)
    }
}

/// Certificates of one chain with the same subject: a CA before and after its renewal.
const MAX_SAME_SUBJECT: usize = 2;
/// Extensions of one certificate. RFC 5280 defines 17.
const MAX_EXTENSIONS: usize = 32;
/// DER elements in the names and extensions of one certificate. Ordinary ones have fewer than 150.
const MAX_ELEMENTS: usize = 400;
/// Extended key usages of one certificate.
const MAX_PURPOSES: usize = 16;
