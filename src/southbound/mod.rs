//! Orders: messages from the platform to a device. A caller queues one in the store's outbox ([`Sendable`]
//! checks it). The [`Dispatcher`] of the node that has the device's session sends it on that session and
//! records the device's answer.
//!
//! Guarantees:
//! - An order is durable before the caller learns that it is queued, and leaves the outbox only with an
//!   outcome.
//! - Orders for one device are sent in the order in which they were queued, each when the previous one is
//!   settled. Each device behind a gateway is a device in this sense.
//! - Each attempt is recorded before it starts. If the session ends before the device answers, it is unknown
//!   whether the order arrived: the same bytes are sent again under the same MSH-10, so that the device can
//!   recognise them. An order that the device has accepted (CA) is never sent again.
//! - An expired order is never sent, and expires at its time, also behind another order.
//! - An accepted order waits for its result no longer than `[orders] acknowledgement-timeout`, so a device
//!   that never reports a result does not hold up its later orders.
//! - What a device answers after the outcome changes the outcome, and the audit trail says so.

mod alert_status;
mod desk;
mod dispatcher;
mod exchange;
mod facts;
mod sendable;
mod verdict;

pub use alert_status::{AlertStatusError, check_alert_status, name_alert};
pub use desk::Desk;
pub use dispatcher::Dispatcher;
pub use facts::OrderFacts;
pub use sendable::{OwedResult, Sendable, Unsendable};
