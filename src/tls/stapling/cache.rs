//! What is at hand for each certificate, and what takes its place.

use std::collections::HashMap;

use jiff::Timestamp;

use super::schedule::Schedule;
use crate::revocation::{FailedAttempt, IssuedCertificate, Staple};

/// By [`IssuedCertificate::identity`]: the two chains may share an issuing CA, and a reload brings most certificates back.
pub(super) type StapleCache = HashMap<[u8; 32], CacheEntry>;

/// One certificate, and its staple.
#[derive(Debug)]
pub(super) struct CacheEntry {
    pub(super) link: IssuedCertificate,
    /// The newest that was ever seen, be it fresh or not: an older one does not take its place.
    pub(super) staple: Option<Staple>,
    pub(super) course: Schedule,
    /// Why the last question led nowhere.
    pub(super) problem: Option<String>,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RefreshOutcome {
    /// Another response is at hand.
    Renewed(Staple),
    /// What was at hand stays.
    Vain {
        /// Why.
        why: String,
        /// Whether it is worth a line in the log.
        told: bool,
    },
}

impl CacheEntry {
    /// The response that a client gets now.
    pub(super) fn fresh(&self, now: Timestamp) -> Option<&Staple> {
        self.staple.as_ref().filter(|staple| staple.is_fresh_at(now))
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.staple.as_ref().is_some_and(Staple::is_revoked)
    }

    /// Takes the answer to a question. An older response is no answer: whoever replays one must not make the platform
    /// say "good" of what has been revoked since.
    pub(super) fn take(
        &mut self,
        answer: Result<Staple, Vec<FailedAttempt>>,
        due: impl Fn(&Staple) -> Timestamp,
        now: Timestamp,
    ) -> RefreshOutcome {
        let why = match answer {
            Ok(staple) if self.staple.as_ref().is_none_or(|known| gives_way(known, &staple)) => {
                self.course.succeeded(due(&staple));
                self.problem = None;
                self.staple = Some(staple.clone());
                return RefreshOutcome::Renewed(staple);
            }
            Ok(staple) => {
                let from = staple.url.unwrap_or_default();
                format!("{from}: the response is older than the one that is at hand")
            }
            Err(tried) => tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        let spread = self.link.identity().first().copied().unwrap_or(0);
        let told = self.course.failed(now, spread);
        self.problem = Some(why.clone());
        RefreshOutcome::Vain { why, told }
    }
}

/// Of two responses of the same second, the one that says "revoked" stays.
fn gives_way(known: &Staple, to: &Staple) -> bool {
    known.this_update < to.this_update
        || (known.this_update == to.this_update && (to.is_revoked() || !known.is_revoked()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::revocation::CertStatus;

    fn staple(second: i64, said: CertStatus) -> Staple {
        let at = Timestamp::from_second(second).unwrap();
        let (der, responder) = (Bytes::new(), String::new());
        Staple { der, status: said, this_update: at, expires: at, responder, url: None, fetched_at: at }
    }

    #[test]
    fn a10_an_older_response_and_a_good_one_of_the_same_second_do_not_lift_a_revocation() {
        let revoked = CertStatus::Revoked { when: Timestamp::UNIX_EPOCH, reason: None };
        for (known, to, gives) in [
            ((5, CertStatus::Good), (6, CertStatus::Good), true),
            ((5, CertStatus::Good), (5, CertStatus::Good), true),
            ((5, CertStatus::Good), (4, CertStatus::Good), false),
            ((5, CertStatus::Good), (5, revoked), true),
            ((5, revoked), (5, CertStatus::Good), false),
            ((5, revoked), (4, CertStatus::Good), false),
            // certificateHold can end (RFC 5280 5.3.1).
            ((5, revoked), (6, CertStatus::Good), true),
        ] {
            assert_eq!(gives_way(&staple(known.0, known.1), &staple(to.0, to.1)), gives, "{known:?} {to:?}");
        }
    }
}
