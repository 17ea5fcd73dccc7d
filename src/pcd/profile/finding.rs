//! One violation of a profile.

use crate::hl7::{ContentError, Location, Rejection};

/// One violation of its profile by a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The stable code of the rule.
    pub rule: &'static str,
    /// The kind of error.
    pub error: ContentError,
    /// The location.
    pub location: Location,
    /// Whether a strict configuration warns of it and accepts the message: only one of the Technical
    /// Framework and NIST's profiles requires it.
    pub is_advice: bool,
}

impl Finding {
    /// A violation that a strict configuration refuses.
    pub(super) const fn violation(rule: &'static str, error: ContentError, location: Location) -> Self {
        Self { rule, error, location, is_advice: false }
    }

    /// A violation of which a strict configuration warns.
    pub(super) const fn advice(rule: &'static str, error: ContentError, location: Location) -> Self {
        Self { rule, error, location, is_advice: true }
    }
}

impl From<Finding> for Rejection {
    fn from(Finding { rule, error, location, .. }: Finding) -> Self {
        Self::Content { error, rule, location }
    }
}
