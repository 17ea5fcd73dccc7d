//! The platform's chains, each certificate with its issuer.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::revocation::{IssuedCertificate, Issuer};
use crate::tls::identity::{PlatformIdentity, ServedChain};
use crate::tls::trust::Trust;
use crate::x509::{CertificateFacts, Signed};

/// The chains whose staples are refreshed. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::tls) struct StapledChains(Arc<[Arc<StapledChain>]>);

/// One chain.
#[derive(Debug)]
pub(super) struct StapledChain {
    pub(super) served: Arc<ServedChain>,
    pub(super) certificates: Vec<ChainCertificate>,
    /// Whether a must-staple certificate is withheld while it has no staple (RFC 7633).
    enforces_must_staple: bool,
}

/// A certificate of a chain.
#[derive(Debug)]
pub(super) struct ChainCertificate {
    /// The name in metrics and for operators.
    pub(super) name: String,
    /// `None` for a root.
    pub(super) issued: Option<IssuedCertificate>,
}

impl StapledChains {
    /// The chains of an identity. `trust` supplies the issuer of the last certificate of each.
    pub(in crate::tls) fn new(identity: &PlatformIdentity, trust: &Trust) -> Self {
        let chain = |(kind, served): (&str, &Arc<ServedChain>)| {
            let certificates = with_issuers(&served.key().cert, trust).into_iter().enumerate();
            StapledChain {
                served: Arc::clone(served),
                certificates: certificates
                    .map(|(position, issued)| ChainCertificate { name: metric_name(kind, position), issued })
                    .collect(),
                enforces_must_staple: identity.enforces_must_staple(),
            }
        };
        let both = [("ecc", identity.ecc()), ("rsa", identity.rsa())];
        Self(both.into_iter().filter_map(|(kind, served)| Some(Arc::new(chain((kind, served?))))).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<StapledChain>> {
        self.0.iter()
    }

    pub(super) fn certificates(&self) -> impl Iterator<Item = &ChainCertificate> {
        self.0.iter().flat_map(|chain| &chain.certificates)
    }

    /// The certificates below a root.
    pub(super) fn issued(&self) -> impl Iterator<Item = &IssuedCertificate> {
        self.certificates().filter_map(|certificate| certificate.issued.as_ref())
    }
}

impl StapledChain {
    /// Whether clients can get this chain now.
    pub(super) fn is_served(&self) -> bool {
        !self.served.has_predecessor() && self.is_servable()
    }

    /// Whether a must-staple certificate, if it is one, has its staple.
    pub(super) fn is_servable(&self) -> bool {
        !self.enforces_must_staple || self.served.satisfies_must_staple()
    }

    /// The certificates below a root.
    pub(super) fn issued(&self) -> impl Iterator<Item = &IssuedCertificate> {
        self.certificates.iter().filter_map(|certificate| certificate.issued.as_ref())
    }

    pub(super) fn name(&self) -> &str {
        self.certificates.first().map_or("", |leaf| &leaf.name)
    }
}

/// Each certificate of a chain with its issuer: the next certificate of the chain, or for the last one the
/// trust anchor, which is not sent. `None` for a root in the chain, which has no OCSP responder.
fn with_issuers(chain: &[CertificateDer<'_>], trust: &Trust) -> Vec<Option<IssuedCertificate>> {
    let facts: Vec<_> = chain.iter().map(|der| CertificateFacts::read(der).ok().map(Arc::new)).collect();
    let with_issuer = |(at, der): (usize, &CertificateDer<'_>)| {
        let certificate = facts.get(at)?.clone()?;
        let signed = Signed::read(der).ok()?;
        let issued_by = |issuer: &Issuer| {
            issuer.name().matches(certificate.issuer.as_der()) && signed.verify(issuer.key()).is_ok()
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
    chain.iter().enumerate().map(with_issuer).collect()
}

/// The name of a certificate in metrics and for operators. There are few names, and a renewal does not change
/// them.
fn metric_name(kind: &str, position: usize) -> String {
    match position {
        0 => kind.to_owned(),
        1 => format!("{kind}-ca"),
        further => format!("{kind}-ca-{further}"),
    }
}
