//! What a refused chain shows about the CAs in it.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use crate::model::Refusal;
use crate::x509::{CertificateFacts, CertificateOutline, DistinguishedName};

/// The name of the CA at which the chain ends, if it leads to no installed root: neither the peer nor the
/// platform has its certificate, or it is a root that is not installed.
pub(super) fn missing_ca(refusal: Refusal, outlines: &[CertificateOutline<'_>]) -> Option<String> {
    if !matches!(refusal, Refusal::UntrustedIssuer | Refusal::IncompleteChain) {
        return None;
    }
    let mut last = outlines.first()?;
    // No step goes back: as many as there are certificates.
    for _ in outlines {
        let issuer = outlines.iter().find(|other| other.subject == last.issuer);
        match issuer {
            Some(issuer) if issuer.subject != last.subject => last = issuer,
            _ => break,
        }
    }
    DistinguishedName::read(last.issuer).map(|name| name.to_string())
}

/// The first CA of the chain that has ended, where the certificate of the peer has not.
pub(super) fn ended_ca(
    refusal: Refusal,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Option<(String, Timestamp)> {
    if refusal != Refusal::Expired {
        return None;
    }
    let read = |der: &CertificateDer<'_>| CertificateFacts::read(der).ok();
    let has_ended = |facts: &CertificateFacts| facts.not_after < now;
    if chain.first().and_then(read).is_some_and(|leaf| has_ended(&leaf)) {
        return None;
    }
    let ended = chain.iter().skip(1).filter_map(read).find(has_ended)?;
    Some((ended.subject.to_string(), ended.not_after))
}
