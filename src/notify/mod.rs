//! Reports findings to the receivers of `[[notify]]`: what begins, and what ends.
//!
//! Each receiver has a loop of its own. It compares the present findings with those that the receiver was
//! reported of, and posts the difference: one notification at a time, and at most one in `digest`. What
//! cannot be delivered is sent again, ever more slowly, and given up after `retry-for`; it stays in the store
//! then, for `notify list` and `notify retry`. A notification has codes, names of devices and our own
//! sentences, never content of a message.

mod client;
mod difference;
mod payload;
mod pending;
mod receiver;
mod signature;
mod status;
mod watch;

pub use payload::test_body;
pub use receiver::{Receiver, ReceiverError};
pub use status::{Failing, Status};
pub use watch::{Watch, start_at_zero};
