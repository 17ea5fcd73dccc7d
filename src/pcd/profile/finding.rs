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
}

impl From<Finding> for Rejection {
    fn from(Finding { rule, error, location }: Finding) -> Self {
        Self::Content { error, rule, location }
    }
}
