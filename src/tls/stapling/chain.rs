//! The certificates of a chain of ours, with those who answer for them.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::revocation::{IssuedCertificate, Issuer};
use crate::tls::trust::Trust;
use crate::x509::{CertificateFacts, Signed};

/// Each certificate of a chain with its issuer: the next one of the chain, or for the last one the anchor, which is
/// not sent. `None` for a root that comes along: nobody answers for it.
pub(super) fn links(chain: &[CertificateDer<'_>], trust: &Trust) -> Vec<Option<IssuedCertificate>> {
    let facts: Vec<_> = chain.iter().map(|der| CertificateFacts::read(der).ok().map(Arc::new)).collect();
    let link = |(at, der): (usize, &CertificateDer<'_>)| {
        let certificate = facts.get(at)?.clone()?;
        let signed = Signed::read(der).ok()?;
        let issued_by = |issuer: &Issuer| {
            issuer.name() == certificate.issuer.as_der() && signed.verify(issuer.key()).is_ok()
        };
        if issued_by(&Issuer::from_certificate(&certificate)) {
            return None;
        }
        let next =
            facts.get(at + 1).and_then(Option::as_ref).map(|next| Arc::new(Issuer::from_certificate(next)));
        let issuer = next
            .filter(|next| issued_by(next))
            .or_else(|| trust.issuers().find(|anchor| issued_by(anchor)).cloned())?;
        Some(IssuedCertificate { certificate, issuer })
    };
    chain.iter().enumerate().map(link).collect()
}

/// How a certificate is called in metrics and by operators: few names, and the same after a renewal.
pub(super) fn name(kind: &str, position: usize) -> String {
    match position {
        0 => kind.to_owned(),
        1 => format!("{kind}-ca"),
        further => format!("{kind}-ca-{further}"),
    }
}
