//! Interface B: the client of the specification (6.2), as a library. `client send`, the demonstration and the
//! tests use it.
//!
//! [`Connector`](crate::tls::Connector) makes the TLS connection: suites (B14), roots (B15), own chain (B16),
//! path and name of the platform (B17), and the stapled status of its whole chain (B18). [`Client`] speaks
//! MLLP on it, in both directions. [`keep_connected`] connects again forever (B17, B18). A client needs no
//! thread and no task of its own, so one process can have thousands.

mod alarm;
mod answer;
mod client;
mod error;
mod observation;
mod receiver;
mod retry;

pub use alarm::{Alarm, Phase};
pub use answer::{Answer, Requested};
pub use client::{Client, DEAD_PEER_TIMEOUT, Incoming, MAX_OTHERS};
pub use error::ClientError;
pub use observation::Observation;
pub use receiver::{Receiver, RefuseAll, Reply, acknowledgement, answers};
pub use retry::{Backoff, Target, keep_connected};
