//! The URLs that certificates name for the CRLs of an issuer. Only these, the configuration and the CRL
//! itself decide where a CRL is renewed from. Where one has come from says nothing: the network can answer
//! every URL with the genuine CRL of another issuer.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sha2::Digest as _;

use super::kind::issuer_digest;
use crate::revocation::IssuedCertificate;
use crate::revocation::bounded_map::{BoundedMap, Identity};
use crate::revocation::settings::is_http;
use crate::x509::{ComparableName, CrlDistributionPoint};

/// The URLs of complete CRLs, and of deltas, by the name of their issuer.
#[derive(Debug)]
pub(crate) struct CrlSources(Mutex<BoundedMap<Instant, Vec<String>>>);

impl CrlSources {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BoundedMap::new(MAX_ISSUERS)))
    }

    /// Remembers what a certificate of a validated path names.
    pub(crate) fn record(&self, issued: &IssuedCertificate, now: Instant) {
        let certificate = &issued.certificate;
        for (points, is_delta) in
            [(&certificate.crl_distribution_points, false), (&certificate.freshest_crl, true)]
        {
            // The CRL of a point for some reasons is of another scope.
            for point in points.iter().filter(|point| point.reasons.is_none()) {
                if point.issuers.is_empty() {
                    self.add(issued.issuer.name(), is_delta, point, now);
                }
                for name in &point.issuers {
                    self.add(&ComparableName::new(name.as_slice()), is_delta, point, now);
                }
            }
        }
    }

    /// The URLs that certificates name for the CRLs of this issuer, the latest first.
    pub(crate) fn of(&self, issuer: &ComparableName, is_delta: bool) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key(issuer, is_delta)).map(|(_, urls)| urls.clone()).unwrap_or_default()
    }

    fn add(&self, issuer: &ComparableName, is_delta: bool, point: &CrlDistributionPoint, now: Instant) {
        let named: Vec<&str> = point.urls().filter(|url| is_http(url)).collect();
        if named.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(issuer, is_delta);
        let mut urls = known.get(&key).map(|(_, urls)| urls.clone()).unwrap_or_default();
        let new = named.into_iter().filter(|url| !urls.iter().any(|known| known == url));
        let new: Vec<String> = new.map(str::to_owned).collect();
        urls.splice(0..0, new);
        urls.truncate(MAX_URLS_PER_ISSUER);
        known.insert(key, now, urls);
    }
}

fn key(issuer: &ComparableName, is_delta: bool) -> Identity {
    let mut digest = sha2::Sha256::new_with_prefix(issuer_digest(issuer));
    digest.update([u8::from(is_delta)]);
    digest.finalize().into()
}

/// More than any hospital has. The one whose certificates were seen longest ago is forgotten.
const MAX_ISSUERS: usize = 4096;
/// Partitions have URLs of their own, in their CRLs.
const MAX_URLS_PER_ISSUER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;
    use crate::revocation::fixtures::{Ca, Extras, distribution_points, hours, point_name};
    use crate::x509::der::element;

    #[test]
    fn the_latest_urls_come_first_and_each_is_of_the_issuer_that_its_point_names() {
        let (ca, other) = (Ca::new("CA"), Ca::new("Other"));
        let now = Clock::manual(hours(0)).instant();
        let sources = CrlSources::new();
        let record = |points: &[Vec<u8>]| {
            let extensions = vec![distribution_points(points)];
            sources.record(&ca.device(&Extras { extensions, ..Extras::default() }), now);
        };
        let indirect = element(0xa2, &element(0xa4, other.facts.subject.as_der()));
        record(&[point_name("http://a/1.crl"), [point_name("http://b/1.crl"), indirect].concat()]);
        record(&[point_name("ldap://a/1"), point_name("http://a/2.crl")]);
        record(&[point_name("http://a/1.crl")]);
        assert_eq!(sources.of(ca.issuer().name(), false), ["http://a/2.crl", "http://a/1.crl"]);
        assert_eq!(sources.of(other.issuer().name(), false), ["http://b/1.crl"]);
        assert!(sources.of(ca.issuer().name(), true).is_empty());
        for number in 0..99 {
            record(&[point_name(&format!("http://a/{number}.crl"))]);
        }
        assert_eq!(sources.of(ca.issuer().name(), false).len(), MAX_URLS_PER_ISSUER);
    }
}
