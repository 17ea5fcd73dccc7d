//! Which devices are expected to send, and which of them have gone silent.
//!
//! [`Heartbeat`], [`SignOfLife`] and [`DeviceLiveness`] are the rules and do no I/O. [`Liveness`] holds the
//! state of all certificates, and of the devices that they send for: behind one gateway, one monitor of many
//! can stop. Interface A reports each accepted message to it. [`Watch`] records in the audit trail when a
//! device goes silent or resumes. The audit events, the metrics and the JSON call the messages of one device
//! its *feed*.

mod behind;
mod feed;
mod heartbeat;
mod history;
mod missing;
mod rules;
mod sign_of_life;
mod table;
#[cfg(test)]
mod tests;
mod watch;

pub use behind::DevicesBehind;
pub use feed::FeedState;
pub use heartbeat::Heartbeat;
pub use rules::{Change, DeviceLiveness};
pub use sign_of_life::SignOfLife;
pub use table::{FeedLimits, Liveness, Report};
pub use watch::Watch;
