//! `/api`: devices, sessions, messages, orders, the audit trail and certificates as JSON; never the content
//! of a message. Read only.
//!
//! The objects are those of [`crate::view`]; lists are newest first.

mod audit;
mod certificates;
mod devices;
mod findings;
mod messages;
mod orders;
mod response;
mod store;

pub(super) use audit::audit;
pub(super) use certificates::certificates;
pub(super) use devices::{devices, sessions};
pub(super) use findings::{findings, status};
pub(super) use messages::messages;
pub(super) use orders::orders;
pub(super) use store::store;
