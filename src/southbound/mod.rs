//! Messages for devices. Who has one puts it into the outbox of the store ([`Sendable`] says what can be sent); the
//! [`Dispatcher`] of the node that has the device's session takes it from there, sends it down that session, and writes down
//! what the device answers.
//!
//! What a caller can rely on:
//! - A message is in the store before anybody is told that it was queued, and leaves the outbox only with an outcome.
//! - Messages for one device leave in the order in which they were queued, each when the one before is settled.
//! - It is written down that a message is about to be sent before it is. If the session ends before the device answers,
//!   nobody knows whether it arrived: it is sent again, the same bytes under the same MSH-10, by which the device can tell.
//!   What it is known to have taken (CA) is never sent again.
//! - Nothing is sent when its time is over: an order that nobody waits for any more must not arrive.

mod dispatcher;
mod sendable;

pub use dispatcher::Dispatcher;
pub use sendable::{Sendable, Unsendable};
