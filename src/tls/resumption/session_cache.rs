//! Sessions by their key: a limited number in all, and of one certificate.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Fingerprint;

/// The newest sessions.
pub(super) struct SessionCache {
    max: usize,
    max_of_one: usize,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_key: HashMap<Vec<u8>, Session>,
    /// The keys in the order in which they were stored.
    order: BTreeMap<u64, Vec<u8>>,
    /// The places of the sessions of each certificate in this order.
    of_certificate: HashMap<Fingerprint, BTreeSet<u64>>,
    last: u64,
}

struct Session {
    place: u64,
    certificate: Fingerprint,
    /// In a box: rustls encodes into a vector that grows by doubling.
    bytes: Box<[u8]>,
}

impl SessionCache {
    pub(super) fn new(max: usize) -> Self {
        Self { max, max_of_one: (max / SHARES).clamp(1, MAX_OF_ONE), sessions: Mutex::default() }
    }

    /// Stores a session in place of the oldest one of its certificate, or of all, if there are too many.
    pub(super) fn put(&self, certificate: Fingerprint, key: Vec<u8>, bytes: Vec<u8>) {
        let mut sessions = self.lock();
        sessions.remove(&key);
        let of_one = sessions.of_certificate.get(&certificate);
        let oldest_of_one =
            of_one.filter(|own| own.len() >= self.max_of_one).and_then(BTreeSet::first).copied();
        let is_full = sessions.by_key.len() >= self.max;
        let oldest = oldest_of_one.or_else(|| sessions.order.keys().next().copied().filter(|_| is_full));
        if let Some(key) = oldest.and_then(|place| sessions.order.get(&place).cloned()) {
            sessions.remove(&key);
        }
        sessions.last += 1;
        let place = sessions.last;
        sessions.order.insert(place, key.clone());
        sessions.of_certificate.entry(certificate).or_default().insert(place);
        sessions.by_key.insert(key, Session { place, certificate, bytes: bytes.into() });
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().by_key.get(key).map(|session| session.bytes.to_vec())
    }

    pub(super) fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().remove(key)
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn remove(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let Session { place, certificate, bytes } = self.by_key.remove(key)?;
        self.order.remove(&place);
        if let Some(own) = self.of_certificate.get_mut(&certificate) {
            own.remove(&place);
            if own.is_empty() {
                self.of_certificate.remove(&certificate);
            }
        }
        Some(bytes.into())
    }
}

// The sessions hold secrets.
impl std::fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionCache").field("max", &self.max).finish_non_exhaustive()
    }
}

/// So many certificates can have their full share.
const SHARES: usize = 64;
/// Sessions of one certificate: as many as a device may have open by default.
const MAX_OF_ONE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> Fingerprint {
        Fingerprint::sha256(name.as_bytes())
    }

    #[test]
    fn a_certificate_displaces_its_own_sessions_only() {
        let cache = SessionCache::new(4 * SHARES);
        let put = |name: &str, key: usize| {
            cache.put(certificate(name), format!("{name} {key}").into_bytes(), vec![7]);
        };
        let has = |name: &str, key: usize| cache.get(format!("{name} {key}").as_bytes()).is_some();
        put("QUIET", 0);
        (0..10_000).for_each(|key| put("BUSY", key));
        assert!(has("QUIET", 0));
        assert!((9_996..10_000).all(|key| has("BUSY", key)) && !has("BUSY", 9_995));
        assert_eq!(cache.take(b"BUSY 9999"), Some(vec![7]));
        assert_eq!(cache.take(b"BUSY 9999"), None, "a ticket is used once");
        put("BUSY", 10_000);
        assert!(has("BUSY", 9_996), "there was room again");
    }

    #[test]
    fn all_certificates_together_have_at_most_the_configured_number() {
        let cache = SessionCache::new(SHARES);
        for name in 0..=SHARES {
            cache.put(certificate(&name.to_string()), vec![u8::try_from(name).unwrap()], Vec::new());
        }
        assert!(cache.get(&[0]).is_none() && cache.get(&[1]).is_some());
        let sessions = cache.lock();
        assert_eq!([sessions.by_key.len(), sessions.order.len(), sessions.of_certificate.len()], [SHARES; 3]);
    }
}
