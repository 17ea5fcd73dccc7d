//! What retention removes, as configured.

use crate::config::{Retain, Store};
use crate::store::Removals;

/// What retention removes with this configuration.
#[must_use]
pub fn removals(store: &Store) -> Removals {
    let removes = |retain| retain != Retain::Forever;
    Removals { messages: removes(store.retain_messages), audit: removes(store.retain_audit) }
}
