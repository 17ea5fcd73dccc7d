//! Which digest algorithm of a CertID each responder understands. RFC 9919 requires SHA-256; responders that
//! follow RFC 5019 know SHA-1 only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::revocation::CertIdHash;

/// The algorithm that worked, by the URL of the responder.
#[derive(Debug, Default)]
pub(crate) struct HashChoices(Mutex<HashMap<String, CertIdHash>>);

impl HashChoices {
    /// The algorithms to try, in order.
    pub(crate) fn for_responder(&self, url: &str) -> &'static [CertIdHash] {
        match self.lock().get(url) {
            Some(CertIdHash::Sha256) => &[CertIdHash::Sha256],
            Some(CertIdHash::Sha1) => &[CertIdHash::Sha1, CertIdHash::Sha256],
            None => &[CertIdHash::Sha256, CertIdHash::Sha1],
        }
    }

    /// The responder gave the status of a certificate that was identified by this algorithm.
    pub(crate) fn record_success(&self, url: &str, hash: CertIdHash) {
        let mut known = self.lock();
        if known.get(url) == Some(&hash) {
            return;
        }
        if known.len() >= MAX_RESPONDERS && !known.contains_key(url) {
            known.clear();
        }
        known.insert(url.to_owned(), hash);
    }

    /// The responder refused a certificate that was identified by the algorithm that used to work.
    pub(crate) fn forget(&self, url: &str) {
        self.lock().remove(url);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, CertIdHash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beyond this number, what is known is learned again.
const MAX_RESPONDERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_that_worked_comes_first() {
        let choices = HashChoices::default();
        let first = |url| choices.for_responder(url)[0];
        assert_eq!(first("http://r"), CertIdHash::Sha256);
        choices.record_success("http://r", CertIdHash::Sha1);
        assert_eq!((first("http://r"), first("http://other")), (CertIdHash::Sha1, CertIdHash::Sha256));
        choices.forget("http://r");
        assert_eq!(first("http://r"), CertIdHash::Sha256);
        for number in 0..=MAX_RESPONDERS {
            choices.record_success(&number.to_string(), CertIdHash::Sha1);
        }
        assert_eq!(choices.lock().len(), 1);
    }
}
