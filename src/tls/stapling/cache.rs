//! The staple of each certificate, and the rules by which a newer one replaces it.

use std::collections::HashMap;

use jiff::Timestamp;

use super::schedule::Schedule;
use crate::revocation::{AttemptError, FailedAttempt, IssuedCertificate, Staple};

/// Staples by [`IssuedCertificate::identity`]. The two chains may share an issuing CA, and most certificates
/// stay the same at a reload.
pub(super) type StapleCache = HashMap<[u8; 32], CacheEntry>;

/// One certificate with its staple.
#[derive(Debug)]
pub(super) struct CacheEntry {
    pub(super) issued: IssuedCertificate,
    /// The newest staple that was received, fresh or expired. An older one does not replace it.
    pub(super) staple: Option<Staple>,
    pub(super) schedule: Schedule,
    /// The reason of the last failure.
    pub(super) problem: Option<String>,
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RefreshOutcome {
    /// This staple has replaced the cached one.
    Renewed(Staple),
    /// The cached staple stays.
    Failed {
        /// The failed attempts, with their reasons.
        reason: String,
        /// Whether to log the failure as a warning.
        warns: bool,
    },
}

impl CacheEntry {
    /// The staple for clients.
    pub(super) fn fresh(&self, now: Timestamp) -> Option<&Staple> {
        self.staple.as_ref().filter(|staple| staple.is_fresh_at(now))
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.staple.as_ref().is_some_and(Staple::is_revoked)
    }

    /// The result of a query, in which a response that is older than the cached one is a failure: a replayed
    /// response must not report "good" for a certificate that has been revoked since.
    pub(super) fn without_older(
        &self,
        response: Result<Staple, Vec<FailedAttempt>>,
    ) -> Result<Staple, Vec<FailedAttempt>> {
        let staple = response?;
        if self.staple.as_ref().is_none_or(|cached| is_superseded(cached, &staple)) {
            return Ok(staple);
        }
        Err(vec![FailedAttempt { target: staple.url.unwrap_or_default(), error: AttemptError::Superseded }])
    }

    /// Applies the result of a query.
    pub(super) fn apply(
        &mut self,
        response: Result<Staple, Vec<FailedAttempt>>,
        refresh_at: impl Fn(&Staple) -> Timestamp,
        now: Timestamp,
    ) -> RefreshOutcome {
        let reason = match response {
            Ok(staple) => {
                self.schedule.succeeded(refresh_at(&staple));
                self.problem = None;
                self.staple = Some(staple.clone());
                return RefreshOutcome::Renewed(staple);
            }
            Err(attempts) => attempts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        let jitter = self.issued.identity().first().copied().unwrap_or(0);
        let warns = self.schedule.failed(now, jitter);
        self.problem = Some(reason.clone());
        RefreshOutcome::Failed { reason, warns }
    }
}

/// Whether `new` replaces `cached`. Of two responses of the same second, the one that says "revoked" wins.
fn is_superseded(cached: &Staple, new: &Staple) -> bool {
    cached.this_update < new.this_update
        || (cached.this_update == new.this_update && (new.is_revoked() || !cached.is_revoked()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::revocation::CertStatus;

    fn staple(second: i64, status: CertStatus) -> Staple {
        let at = Timestamp::from_second(second).unwrap();
        let (der, responder) = (Bytes::new(), String::new());
        Staple { der, status, this_update: at, expires: at, responder, url: None, fetched_at: at }
    }

    #[test]
    fn a10_an_older_response_and_a_good_one_of_the_same_second_do_not_lift_a_revocation() {
        let revoked = CertStatus::Revoked { when: Timestamp::UNIX_EPOCH, reason: None };
        for (cached, new, expected) in [
            ((5, CertStatus::Good), (6, CertStatus::Good), true),
            ((5, CertStatus::Good), (5, CertStatus::Good), true),
            ((5, CertStatus::Good), (4, CertStatus::Good), false),
            ((5, CertStatus::Good), (5, revoked), true),
            ((5, revoked), (5, CertStatus::Good), false),
            ((5, revoked), (4, CertStatus::Good), false),
            // certificateHold can end (RFC 5280 5.3.1).
            ((5, revoked), (6, CertStatus::Good), true),
        ] {
            assert_eq!(
                is_superseded(&staple(cached.0, cached.1), &staple(new.0, new.1)),
                expected,
                "{cached:?} {new:?}"
            );
        }
    }
}
