//! The values that callers pass to the store and get back, and the filters that select them.

pub(in crate::store) mod alert;
pub(in crate::store) mod audit;
pub(in crate::store) mod clock;
pub(in crate::store) mod contact;
pub(in crate::store) mod directory;
pub(in crate::store) mod forward;
pub(in crate::store) mod grant;
pub(in crate::store) mod message;
pub(in crate::store) mod milestone;
pub(in crate::store) mod notification;
pub(in crate::store) mod outbox;
pub(in crate::store) mod partner;
pub(in crate::store) mod projection;
pub(in crate::store) mod removals;
pub(in crate::store) mod scan;
pub(in crate::store) mod size;
pub(in crate::store) mod unfit_certificate;
pub(in crate::store) mod volume;
