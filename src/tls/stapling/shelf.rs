//! What is at hand for each certificate, and what takes its place.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::course::Course;
use crate::revocation::{Link, Staple, Tried};

/// By [`Link::identity`]: the two chains may share an issuing CA, and a reload brings most certificates back.
pub(super) type Shelf = HashMap<[u8; 32], Kept>;

/// One certificate, and its staple.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) link: Link,
    /// The newest that was ever seen, be it fresh or not: an older one does not take its place.
    pub(super) staple: Option<Staple>,
    pub(super) course: Course,
    /// Why the last question led nowhere.
    pub(super) problem: Option<String>,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
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

impl Kept {
    /// The response that a client gets now.
    pub(super) fn fresh(&self, now: Timestamp) -> Option<&Staple> {
        self.staple.as_ref().filter(|staple| staple.is_fresh_at(now))
    }

    pub(super) fn der(&self, now: Timestamp) -> Option<Bytes> {
        self.fresh(now).map(|staple| staple.der.clone())
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.staple.as_ref().is_some_and(Staple::is_revoked)
    }

    /// Takes the answer to a question. An older response is no answer: whoever replays one must not make the platform
    /// say "good" of what has been revoked since.
    pub(super) fn take(
        &mut self,
        answer: Result<Staple, Vec<Tried>>,
        due: impl Fn(&Staple) -> Timestamp,
        now: Timestamp,
    ) -> Outcome {
        let known = self.staple.as_ref().map(|known| known.this_update);
        let why = match answer {
            Ok(staple) if known.is_none_or(|known| known <= staple.this_update) => {
                self.course.succeeded(due(&staple));
                self.problem = None;
                self.staple = Some(staple.clone());
                return Outcome::Renewed(staple);
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
        Outcome::Vain { why, told }
    }
}
