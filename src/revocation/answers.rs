//! The OCSP answers that are kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::bounded::{Bounded, Identity};
use super::ocsp::Answer;
use super::verdict::{Evidence, Report, Said, Source};

/// Answers at hand at most: a hospital has fewer devices. What has to make room is on the disk still.
const MOST: usize = 50_000;
/// How long "unknown" counts, whatever its nextUpdate says: it is what a responder says of a certificate that was issued
/// a moment ago, and such a device must not wait for a day.
const UNKNOWN_LASTS: SignedDuration = SignedDuration::from_mins(1);

/// Verified answers by the identity of the certificate. What says "revoked" is the last to make room; of the others
/// that which expires first.
#[derive(Debug)]
pub(super) struct Answers(Mutex<Bounded<(bool, Timestamp), Arc<Kept>>>);

/// What came of keeping an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Something that counts for more is known.
    Passed,
    /// It is kept.
    Kept,
    /// It is kept, and it is the first to say "revoked".
    Revoked,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) answer: Answer,
    pub(super) url: Option<String>,
    /// The certificate's serial number, for people.
    pub(super) serial: String,
    /// The certificate's issuer, for people.
    pub(super) issuer: String,
    pub(super) fetched_at: Timestamp,
}

impl Kept {
    /// What it says at this time.
    pub(super) fn report(&self, source: Source, now: Timestamp, skew: SignedDuration) -> Report {
        let answer = &self.answer;
        let begun = now.checked_add(skew).is_ok_and(|latest| answer.this_update <= latest);
        let lasts = now.checked_sub(skew).is_ok_and(|earliest| earliest <= answer.expires);
        let known = answer.said != Said::Unknown || now.duration_since(self.fetched_at) < UNKNOWN_LASTS;
        Report {
            said: answer.said,
            fresh: begun && lasts && known,
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
    pub(super) fn new() -> Self {
        Self(Mutex::new(Bounded::new(MOST)))
    }

    pub(super) fn get(&self, identity: &Identity) -> Option<Arc<Kept>> {
        self.lock().get(identity).map(|(_, kept)| Arc::clone(kept))
    }

    pub(super) fn all(&self) -> Vec<(Identity, Arc<Kept>)> {
        self.lock().iter().map(|(identity, kept)| (*identity, Arc::clone(kept))).collect()
    }

    /// Keeps an answer, unless what is known is newer and counts still, or says "revoked": that gives way to what is newer
    /// and knows better, never to "unknown".
    pub(super) fn keep(&self, identity: Identity, kept: Arc<Kept>) -> Keeping {
        let mut answers = self.lock();
        let known = answers.get(&identity).map(|(_, known)| known);
        let was_revoked = known.is_some_and(|known| is_revoked(known));
        let passed = known.is_some_and(|known| {
            let (own, other) = (kept.answer.this_update, known.answer.this_update);
            let over = !was_revoked && known.answer.expires < kept.fetched_at;
            match kept.answer.said {
                Said::Revoked { .. } => own < other && !over,
                Said::Good => (own < other && !over) || (was_revoked && own == other),
                Said::Unknown => (own < other && !over) || was_revoked,
            }
        });
        if passed {
            return Keeping::Passed;
        }
        let revoked = is_revoked(&kept);
        answers.insert(identity, (revoked, kept.answer.expires), kept);
        if revoked && !was_revoked { Keeping::Revoked } else { Keeping::Kept }
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<(bool, Timestamp), Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
            signer_expires: None,
            unchecked_delegate: None,
        };
        let (serial, issuer) = Default::default();
        Arc::new(Kept { answer, url: None, serial, issuer, fetched_at: hours(this) })
    }

    const REVOKED: Said = Said::Revoked { when: Timestamp::UNIX_EPOCH, reason: None };

    #[test]
    fn an_older_answer_does_not_take_the_place_of_a_newer_one() {
        let answers = Answers::new();
        let said = || answers.get(&[0; 32]).unwrap().answer.said;
        assert_eq!(answers.keep([0; 32], kept(REVOKED, -2)), Keeping::Revoked);
        assert_eq!(answers.keep([0; 32], kept(Said::Good, -3)), Keeping::Passed, "a replayed good answer");
        assert_eq!(answers.keep([0; 32], kept(REVOKED, -1)), Keeping::Kept);
        assert_eq!(said(), REVOKED);
        // The CA's newer word counts, as for everybody who asks it for the first time.
        assert_eq!(answers.keep([0; 32], kept(Said::Good, 0)), Keeping::Kept);
        assert_eq!(answers.keep([0; 32], kept(REVOKED, 0)), Keeping::Revoked, "of the same second");
    }

    #[test]
    fn an_answer_that_is_over_gives_way_to_one_that_counts() {
        let answers = Answers::new();
        answers.keep([0; 32], kept(Said::Good, 0));
        let until = |expires: i64, fetched: i64| {
            let mut kept = Arc::into_inner(kept(Said::Good, -1)).unwrap();
            (kept.answer.expires, kept.fetched_at) = (hours(expires), hours(fetched));
            Arc::new(kept)
        };
        assert_eq!(answers.keep([0; 32], until(9, 1)), Keeping::Passed, "older, and the newer one counts");
        assert_eq!(answers.keep([0; 32], until(9, 2)), Keeping::Kept, "the newer one is over");
    }

    // "revoked … final": a responder that lost its list, or one that answers two ways in one second, lifts nothing.
    #[test]
    fn a_revocation_gives_way_only_to_what_is_newer_and_knows_better() {
        let answers = Answers::new();
        answers.keep([0; 32], kept(REVOKED, -2));
        assert_eq!(answers.keep([0; 32], kept(Said::Good, -2)), Keeping::Passed, "of the same second");
        assert_eq!(answers.keep([0; 32], kept(Said::Unknown, -1)), Keeping::Passed);
        assert_eq!(answers.get(&[0; 32]).unwrap().answer.said, REVOKED);
    }

    // Bugs that others shipped: cached response without nextUpdate kept for ever.
    #[test]
    fn a_kept_answer_expires() {
        let skew = SignedDuration::from_mins(5);
        let fresh = |at: Timestamp| kept(Said::Good, 0).report(Source::OcspCache, at, skew).fresh;
        assert!(fresh(hours(0)) && fresh(hours(1)) && !fresh(hours(2)));
    }

    #[test]
    fn unknown_is_asked_again_soon() {
        let skew = SignedDuration::from_mins(5);
        let fresh = |seconds| {
            let at = hours(0) + SignedDuration::from_secs(seconds);
            kept(Said::Unknown, 0).report(Source::OcspCache, at, skew).fresh
        };
        assert!(fresh(0) && fresh(59) && !fresh(60));
    }
}
