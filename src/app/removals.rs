//! What retention removes, as configured.

use crate::config::{Retain, Store};
use crate::store::Removals;

/// What retention removes with this configuration.
#[must_use]
pub fn removals(store: &Store) -> Removals {
    let removes = |retain| retain != Retain::Forever;
    let by_size = store.message_sizes().into_iter().any(|size| size.is_some());
    Removals {
        messages: [store.retain_messages, store.retain_rejected(), store.retain_large()]
            .into_iter()
            .any(removes)
            || by_size,
        audit: removes(store.retain_audit),
        by_size,
    }
}
