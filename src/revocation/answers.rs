//! The OCSP answers that are kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::ocsp::Answer;
use super::verdict::{Evidence, Report, Said, Source};

/// Answers at hand at most: a hospital has fewer devices.
const MOST: usize = 50_000;

/// Verified answers by the identity of the certificate.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<HashMap<[u8; 32], Arc<Kept>>>);

/// One answer.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) answer: Answer,
    pub(super) url: Option<String>,
    /// The certificate's serial number, for people.
    pub(super) serial: String,
    pub(super) fetched_at: Timestamp,
}

impl Kept {
    /// What it says at this time.
    pub(super) fn report(&self, source: Source, now: Timestamp, skew: SignedDuration) -> Report {
        let answer = &self.answer;
        let begun = now.checked_add(skew).is_ok_and(|latest| answer.this_update <= latest);
        let lasts = now.checked_sub(skew).is_ok_and(|earliest| earliest <= answer.expires);
        Report {
            said: answer.said,
            fresh: begun && lasts,
            evidence: Evidence {
                source,
                this_update: answer.this_update,
                next_update: answer.next_update,
                url: self.url.clone(),
                responder: answer.responder.clone(),
            },
        }
    }
}

impl Answers {
    pub(super) fn get(&self, identity: &[u8; 32]) -> Option<Arc<Kept>> {
        self.lock().get(identity).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        self.lock().values().cloned().collect()
    }

    /// Keeps an answer; says whether it is another than before. One that is older than what is known is not kept, and
    /// none but a newer one takes the place of a revocation.
    pub(super) fn keep(&self, identity: [u8; 32], kept: Arc<Kept>) -> bool {
        let mut answers = self.lock();
        let known = answers.get(&identity);
        if known.is_some_and(|known| kept.answer.this_update < known.answer.this_update) {
            return false;
        }
        let changed = known.is_none_or(|known| known.answer.said != kept.answer.said);
        if known.is_none() && answers.len() >= MOST {
            let first = answers.iter().min_by_key(|(_, kept)| (is_revoked(kept), kept.answer.expires));
            let first = first.map(|(identity, _)| *identity);
            first.map(|identity| answers.remove(&identity));
        }
        answers.insert(identity, kept);
        changed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What says "revoked" is the last to go.
fn is_revoked(kept: &Kept) -> bool {
    matches!(kept.answer.said, Said::Revoked { .. })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::hours;
    use super::*;

    fn kept(said: Said, this: i64) -> Arc<Kept> {
        let answer = Answer {
            said,
            fresh: true,
            this_update: hours(this),
            next_update: None,
            expires: hours(this + 1),
            responder: String::new(),
            unchecked_delegate: None,
        };
        Arc::new(Kept { answer, url: None, serial: String::new(), fetched_at: hours(this) })
    }

    #[test]
    fn an_older_answer_does_not_take_the_place_of_a_newer_one() {
        let answers = Answers::default();
        let revoked = Said::Revoked { when: hours(-9), reason: None };
        assert!(answers.keep([0; 32], kept(revoked, -2)));
        assert!(!answers.keep([0; 32], kept(Said::Good, -3)), "a replayed good answer");
        assert_eq!(answers.get(&[0; 32]).unwrap().answer.said, revoked);
        assert!(!answers.keep([0; 32], kept(revoked, -1)));
    }

    // Bugs that others shipped: cached response without nextUpdate kept for ever.
    #[test]
    fn a_kept_answer_expires() {
        let skew = SignedDuration::from_mins(5);
        let fresh = |at: Timestamp| kept(Said::Good, 0).report(Source::OcspCache, at, skew).fresh;
        assert!(fresh(hours(0)) && fresh(hours(1)) && !fresh(hours(2)));
    }
}
