//! The read path: queries through a pool of connections that cannot write.

pub(in crate::store) mod alert;
pub(in crate::store) mod audit;
pub(in crate::store) mod changes;
pub(in crate::store) mod clock;
pub(in crate::store) mod comparison;
pub(in crate::store) mod contents;
pub(in crate::store) mod directory;
pub(in crate::store) mod message;
pub(in crate::store) mod outbox;
pub(in crate::store) mod passes;
pub(in crate::store) mod reader;
pub(in crate::store) mod unfit_certificate;
