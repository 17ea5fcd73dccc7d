//! The write path: entries wait in a queue, are grouped into batches, and each batch is committed in one
//! transaction.

pub(in crate::store) mod alert;
pub(in crate::store) mod batch;
pub(in crate::store) mod capacity;
pub(in crate::store) mod chain;
pub(in crate::store) mod clients;
pub(in crate::store) mod clock;
pub(in crate::store) mod connection;
pub(in crate::store) mod contact;
pub(in crate::store) mod directory;
pub(in crate::store) mod entry;
pub(in crate::store) mod envelope;
pub(in crate::store) mod forward;
pub(in crate::store) mod grant;
pub(in crate::store) mod identity;
pub(in crate::store) mod incoming;
mod inserted;
pub(in crate::store) mod lanes;
pub(in crate::store) mod milestone;
pub(in crate::store) mod notification;
mod observer;
pub(in crate::store) mod one_row;
pub(in crate::store) mod outbox;
pub(in crate::store) mod partner;
pub(in crate::store) mod projection;
pub(in crate::store) mod queue;
mod read_back;
pub(in crate::store) mod reconsidered;
pub(in crate::store) mod registration;
mod replace;
pub(in crate::store) mod reread;
pub(in crate::store) mod resend;
pub(in crate::store) mod retention;
pub(in crate::store) mod search_key;
pub(in crate::store) mod unfit_certificate;
pub(in crate::store) mod unread;
pub(in crate::store) mod volume;
