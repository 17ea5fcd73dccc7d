//! Whether the person of a request goes on to be one while it is being answered.

use std::fmt;
use std::sync::Arc;

use super::person::Person;
use crate::model::Right;

/// The standing of the person of a request: an extension of it. A response that goes on for long asks it
/// again and again, because a certificate may be revoked, a role taken away, or a session ended meanwhile.
#[derive(Clone)]
pub struct Standing(Arc<dyn Fn() -> Option<Person> + Send + Sync>);

impl Standing {
    /// `person` finds out who the person is now.
    pub(super) fn new(person: impl Fn() -> Option<Person> + Send + Sync + 'static) -> Self {
        Self(Arc::new(person))
    }

    /// Whether the person has the right now.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        (self.0)().is_some_and(|person| person.may(right))
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").finish_non_exhaustive()
    }
}
