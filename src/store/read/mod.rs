//! The read side: a few connections that cannot write, and what is asked through them.

pub(in crate::store) mod alert;
pub(in crate::store) mod audit;
pub(in crate::store) mod changes;
pub(in crate::store) mod directory;
pub(in crate::store) mod message;
pub(in crate::store) mod outbox;
pub(in crate::store) mod reader;
