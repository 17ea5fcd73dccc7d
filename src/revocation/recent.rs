//! The certificates that were checked recently. Their status is refreshed before it expires.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bounded_map::{BoundedMap, Identity};
use super::crl::sources::CrlSources;
use super::{IssuedCertificate, Issuer};
use crate::x509::ComparableName;

/// Certificates of validated paths, and their issuers.
#[derive(Debug)]
pub(super) struct RecentCertificates {
    inner: Mutex<Inner>,
    sources: CrlSources,
}

#[derive(Debug)]
struct Inner {
    certificates: BoundedMap<Instant, IssuedCertificate>,
    issuers: BoundedMap<Instant, Arc<Issuer>>,
    /// Of `certificates`, those of CAs.
    cas: BoundedMap<Instant, IssuedCertificate>,
}

impl RecentCertificates {
    pub(super) fn new() -> Self {
        let (certificates, issuers) = (BoundedMap::new(MAX_CERTIFICATES), BoundedMap::new(MAX_ISSUERS));
        let inner = Inner { certificates, issuers, cas: BoundedMap::new(MAX_ISSUERS) };
        Self { inner: Mutex::new(inner), sources: CrlSources::new() }
    }

    pub(super) fn record(&self, identity: Identity, issued: &IssuedCertificate, now: Instant) {
        let mut inner = self.lock();
        let known = inner.certificates.get(&identity).map(|(last, _)| *last);
        if known.is_some_and(|last| now.saturating_duration_since(last) < RECORD_INTERVAL) {
            return;
        }
        inner.certificates.insert(identity, now, issued.clone());
        if issued.certificate.is_ca {
            inner.cas.insert(identity, now, issued.clone());
        }
        drop(inner);
        self.record_issuer(issued, now);
    }

    /// Remembers the issuer of a certificate whose status is checked, and where its CRLs are: also of one
    /// that is no link of a path, a delegated responder's.
    pub(super) fn record_issuer(&self, issued: &IssuedCertificate, now: Instant) {
        self.lock().issuers.insert(issued.issuer.identity(), now, Arc::clone(&issued.issuer));
        self.sources.record(issued, now);
    }

    /// The URLs of CRLs, or of delta CRLs, that certificates name for this issuer.
    pub(super) fn crl_urls(&self, issuer: &ComparableName, is_delta: bool) -> Vec<String> {
        self.sources.of(issuer, is_delta)
    }

    /// The certificates recorded since `then`; older ones are evicted.
    pub(super) fn seen_since(&self, then: Option<Instant>) -> Vec<(Identity, IssuedCertificate)> {
        let mut inner = self.lock();
        if let Some(then) = then {
            inner.certificates.evict_below(then);
        }
        inner.certificates.iter().map(|(identity, issued)| (*identity, issued.clone())).collect()
    }

    /// The issuers with this name. They may have different keys.
    pub(super) fn issuers_named(&self, name: &ComparableName) -> Vec<Arc<Issuer>> {
        let inner = self.lock();
        let named = inner.issuers.iter().filter(|(_, issuer)| issuer.name() == name);
        named.map(|(_, issuer)| Arc::clone(issuer)).collect()
    }

    /// The CAs that an issuer of this path issued under the name of another one: with a new key, say (RFC
    /// 5280 6.3.3 f). Their paths end at the same trust anchor.
    pub(super) fn namesakes(&self, path: &[IssuedCertificate]) -> Vec<IssuedCertificate> {
        let inner = self.lock();
        let is_namesake = |ca: &&IssuedCertificate| {
            let own = |link: &IssuedCertificate| link.issuer.key() == &ca.certificate.public_key;
            let name = ca.certificate.subject.as_der();
            path.iter().any(|link| link.issuer.name().matches(name))
                && path.iter().any(|link| link.issuer.identity() == ca.issuer.identity())
                && !path.iter().any(own)
        };
        inner.cas.iter().map(|(_, ca)| ca).filter(is_namesake).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of certificates whose status is refreshed in the background.
const MAX_CERTIFICATES: usize = 50_000;
/// The number of recorded issuers. A CRL that arrives in the background must be signed by one of them.
const MAX_ISSUERS: usize = 4096;
/// A certificate is recorded again after this time.
const RECORD_INTERVAL: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Ca, Extras, distribution_points, point_name};
    use super::*;
    use crate::model::Clock;

    #[test]
    fn old_certificates_are_evicted_and_their_issuer_stays() {
        let clock = Clock::manual(super::super::fixtures::hours(0));
        let ca = Ca::new("CA");
        let points = distribution_points(&[point_name("http://a/1.crl")]);
        let issued = ca.device(&Extras { extensions: vec![points], ..Extras::default() });
        let recent = RecentCertificates::new();
        recent.record(issued.identity(), &issued, clock.instant());
        assert_eq!(recent.crl_urls(issued.issuer.name(), false), ["http://a/1.crl"]);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(recent.seen_since(None).len(), 1);
        assert_eq!(recent.seen_since(Some(clock.instant())).len(), 0);
        assert_eq!(recent.issuers_named(issued.issuer.name()).len(), 1);
        assert_eq!(recent.issuers_named(&ComparableName::new(*b"other")).len(), 0);
    }
}
