//! What callers hand to the store and get from it, and the filters that select it.

pub(in crate::store) mod alert;
pub(in crate::store) mod audit;
pub(in crate::store) mod directory;
pub(in crate::store) mod message;
pub(in crate::store) mod outbox;
