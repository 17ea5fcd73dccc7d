//! The methods of [`Store`](crate::store::Store), by subject.

mod alert;
pub(in crate::store) mod audit;
mod clock;
mod directory;
pub(in crate::store) mod inspect;
mod message;
mod outbox;
mod readiness;
mod retention;
mod server;
pub(in crate::store) mod verify;
