//! The read path: queries through a pool of connections that cannot write.

pub(in crate::store) mod acceptance;
pub(in crate::store) mod alert;
pub(in crate::store) mod audit;
pub(in crate::store) mod changes;
pub(in crate::store) mod clock;
pub(in crate::store) mod comparison;
pub(in crate::store) mod contact;
pub(in crate::store) mod contents;
pub(in crate::store) mod control_id;
pub(in crate::store) mod directory;
pub(in crate::store) mod due;
pub(in crate::store) mod forward;
pub(in crate::store) mod glance;
pub(in crate::store) mod message;
pub(in crate::store) mod milestone;
pub(in crate::store) mod notification;
pub(in crate::store) mod outbox;
pub(in crate::store) mod passes;
pub(in crate::store) mod patient_key;
pub(in crate::store) mod reader;
pub(in crate::store) mod replacements;
pub(in crate::store) mod scan;
pub(in crate::store) mod search_key;
pub(in crate::store) mod size;
pub(in crate::store) mod unfit_certificate;
pub(in crate::store) mod volume;
