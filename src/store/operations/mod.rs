//! The methods of [`Store`](crate::store::Store), by subject.

mod alert;
pub(in crate::store) mod audit;
mod clients;
mod clock;
mod contact;
mod directory;
pub(in crate::store) mod enrolment;
mod forward;
mod glance;
mod grant;
pub(in crate::store) mod inspect;
mod message;
mod notification;
mod other_chains;
mod outbox;
mod partner;
mod projection;
mod readiness;
mod retention;
mod server;
mod upkeep;
pub(in crate::store) mod verify;
pub(in crate::store) mod volume;
