//! The cache of accepted OCSP responses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::revocation::bounded_map::{BoundedMap, Identity};
use crate::revocation::ocsp::VerifiedResponse;
use crate::revocation::verdict::{CertStatus, Evidence, Report, Source};

/// Verified responses by the identity of the certificate. "Revoked" is evicted last; of the others the
/// response that expires first is evicted first.
#[derive(Debug)]
pub(crate) struct ResponseCache(Mutex<BoundedMap<(bool, Timestamp), Arc<CachedResponse>>>);

/// The result of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertOutcome {
    /// The cached response takes precedence.
    Rejected,
    /// The response is cached.
    Stored,
    /// The response is cached, and it is the first that revokes the certificate.
    NewlyRevoked,
}

/// A cached response.
#[derive(Debug)]
pub(crate) struct CachedResponse {
    pub(crate) response: VerifiedResponse,
    pub(crate) url: Option<String>,
    /// The certificate's serial number, for display.
    pub(crate) serial: String,
    /// The certificate's issuer, for display.
    pub(crate) issuer: String,
    pub(crate) fetched_at: Timestamp,
}

impl CachedResponse {
    /// The status at this time.
    pub(crate) fn report(&self, source: Source, now: Timestamp, skew: SignedDuration) -> Report {
        let response = &self.response;
        let begun = now.checked_add(skew).is_ok_and(|latest| response.this_update <= latest);
        let lasts = now.checked_sub(skew).is_ok_and(|earliest| earliest <= response.expires);
        let known =
            response.status != CertStatus::Unknown || now.duration_since(self.fetched_at) < UNKNOWN_LIFETIME;
        Report {
            status: response.status,
            fresh: begun && lasts && known,
            evidence: Evidence {
                source,
                this_update: response.this_update,
                next_update: response.next_update,
                url: self.url.clone(),
                responder: response.responder.clone(),
            },
        }
    }
}

impl ResponseCache {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BoundedMap::new(MAX_RESPONSES)))
    }

    pub(crate) fn get(&self, identity: &Identity) -> Option<Arc<CachedResponse>> {
        self.lock().get(identity).map(|(_, entry)| Arc::clone(entry))
    }

    pub(crate) fn all(&self) -> Vec<(Identity, Arc<CachedResponse>)> {
        self.lock().iter().map(|(identity, entry)| (*identity, Arc::clone(entry))).collect()
    }

    /// Caches a response, unless the cached one is newer and still valid, or revokes. A revocation is
    /// replaced only by a newer response with a status, never by "unknown".
    pub(crate) fn insert(&self, identity: Identity, entry: Arc<CachedResponse>) -> InsertOutcome {
        let mut responses = self.lock();
        let known = responses.get(&identity).map(|(_, known)| known);
        let was_revoked = known.is_some_and(|known| is_revoked(known));
        let is_outranked = known.is_some_and(|known| {
            let (new, old) = (entry.response.this_update, known.response.this_update);
            let known_expired = !was_revoked && known.response.expires < entry.fetched_at;
            match entry.response.status {
                CertStatus::Revoked { .. } => new < old && !known_expired,
                CertStatus::Good => (new < old && !known_expired) || (was_revoked && new == old),
                CertStatus::Unknown => (new < old && !known_expired) || was_revoked,
            }
        });
        if is_outranked {
            return InsertOutcome::Rejected;
        }
        let revoked = is_revoked(&entry);
        responses.insert(identity, (revoked, entry.response.expires), entry);
        if revoked && !was_revoked { InsertOutcome::NewlyRevoked } else { InsertOutcome::Stored }
    }

    fn lock(&self) -> MutexGuard<'_, BoundedMap<(bool, Timestamp), Arc<CachedResponse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_revoked(entry: &CachedResponse) -> bool {
    matches!(entry.response.status, CertStatus::Revoked { .. })
}

/// More than the devices of a hospital. Evicted responses stay on disk.
const MAX_RESPONSES: usize = 50_000;
/// The lifetime of "unknown", whatever its nextUpdate is. A responder returns it for a certificate issued
/// moments ago, and that device must not wait for a day.
const UNKNOWN_LIFETIME: SignedDuration = SignedDuration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::fixtures::hours;

    fn entry(status: CertStatus, this: i64) -> Arc<CachedResponse> {
        let response = VerifiedResponse {
            status,
            fresh: true,
            this_update: hours(this),
            next_update: None,
            expires: hours(this + 1),
            responder: String::new(),
            signer_expires: None,
            unchecked_delegate: None,
        };
        let (serial, issuer) = Default::default();
        Arc::new(CachedResponse { response, url: None, serial, issuer, fetched_at: hours(this) })
    }

    const REVOKED: CertStatus = CertStatus::Revoked { when: Timestamp::UNIX_EPOCH, reason: None };

    #[test]
    fn an_older_response_does_not_replace_a_newer_one() {
        let responses = ResponseCache::new();
        let status = || responses.get(&[0; 32]).unwrap().response.status;
        assert_eq!(responses.insert([0; 32], entry(REVOKED, -2)), InsertOutcome::NewlyRevoked);
        assert_eq!(
            responses.insert([0; 32], entry(CertStatus::Good, -3)),
            InsertOutcome::Rejected,
            "a replayed good response"
        );
        assert_eq!(responses.insert([0; 32], entry(REVOKED, -1)), InsertOutcome::Stored);
        assert_eq!(status(), REVOKED);
        // A newer response of the CA counts, as it does for a client that asks for the first time.
        assert_eq!(responses.insert([0; 32], entry(CertStatus::Good, 0)), InsertOutcome::Stored);
        assert_eq!(
            responses.insert([0; 32], entry(REVOKED, 0)),
            InsertOutcome::NewlyRevoked,
            "of the same second"
        );
    }

    #[test]
    fn an_expired_response_is_replaced_by_an_older_valid_one() {
        let responses = ResponseCache::new();
        responses.insert([0; 32], entry(CertStatus::Good, 0));
        let until = |expires: i64, fetched: i64| {
            let mut entry = Arc::into_inner(entry(CertStatus::Good, -1)).unwrap();
            (entry.response.expires, entry.fetched_at) = (hours(expires), hours(fetched));
            Arc::new(entry)
        };
        assert_eq!(
            responses.insert([0; 32], until(9, 1)),
            InsertOutcome::Rejected,
            "older, and the newer one is valid"
        );
        assert_eq!(
            responses.insert([0; 32], until(9, 2)),
            InsertOutcome::Stored,
            "the newer one has expired"
        );
    }

    // "revoked … final": a responder that lost its list, or gives two statuses in one second, lifts no
    // revocation.
    #[test]
    fn a_revocation_is_replaced_only_by_a_newer_status() {
        let responses = ResponseCache::new();
        responses.insert([0; 32], entry(REVOKED, -2));
        assert_eq!(
            responses.insert([0; 32], entry(CertStatus::Good, -2)),
            InsertOutcome::Rejected,
            "of the same second"
        );
        assert_eq!(responses.insert([0; 32], entry(CertStatus::Unknown, -1)), InsertOutcome::Rejected);
        assert_eq!(responses.get(&[0; 32]).unwrap().response.status, REVOKED);
    }

    // Bugs of other implementations: cached response without nextUpdate never expires.
    #[test]
    fn a_cached_response_expires() {
        let skew = SignedDuration::from_mins(5);
        let fresh = |at: Timestamp| entry(CertStatus::Good, 0).report(Source::OcspCache, at, skew).fresh;
        assert!(fresh(hours(0)) && fresh(hours(1)) && !fresh(hours(2)));
    }

    #[test]
    fn an_unknown_status_expires_within_a_minute() {
        let skew = SignedDuration::from_mins(5);
        let fresh = |seconds| {
            let at = hours(0) + SignedDuration::from_secs(seconds);
            entry(CertStatus::Unknown, 0).report(Source::OcspCache, at, skew).fresh
        };
        assert!(fresh(0) && fresh(59) && !fresh(60));
    }
}
