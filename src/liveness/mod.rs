//! Which devices are expected to send, and which of them have gone silent.
//!
//! [`DeviceLiveness`] and [`heartbeat_interval`] are the rules and do no I/O. [`Liveness`] holds the state of
//! all devices; Interface A reports each accepted message to it. [`Watch`] records in the audit trail when a
//! device goes silent or resumes. The audit events, the metric and the JSON call the messages of one device
//! its *feed*.

mod heartbeat;
mod rules;
mod table;
mod watch;

pub use heartbeat::heartbeat_interval;
pub use rules::{Change, DeviceLiveness};
pub use table::Liveness;
pub use watch::Watch;
