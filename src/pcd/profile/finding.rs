//! One violation of a profile.

use crate::hl7::{ContentError, Location, Rejection};

/// One place in which a message does not keep to its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The stable word of the rule.
    pub rule: &'static str,
    /// What kind of error it is.
    pub error: ContentError,
    /// Where.
    pub location: Location,
}

impl From<Finding> for Rejection {
    fn from(Finding { rule, error, location }: Finding) -> Self {
        Self::Content { error, rule, location }
    }
}
