//! Simulated devices: thousands of clients of Interface B in one process, with traffic that looks real.
//!
//! [`traffic`] decides what is sent, [`Fleet`] which devices there are, [`Simulation`] connects them and
//! sends. They use the library for devices ([`interface_b`](crate::interface_b)); only a [`Fault`] writes
//! bytes of its own to a connection.

mod certificates;
mod counters;
mod device;
mod error;
mod fault;
mod faulty;
mod fleet;
mod latency;
mod orders;
mod outage;
mod reconnect;
mod simulation;
mod summary;
pub mod traffic;

pub use counters::{Counters, Live};
pub use error::SimulationError;
pub use fault::Fault;
pub use fleet::{Fleet, SimulatedDevice};
pub use latency::Latencies;
pub use orders::OrderPolicy;
pub use reconnect::Reconnect;
pub use simulation::{Settings, Simulation};
pub use summary::{FaultSummary, LatencySummary, Outage, Summary, TransactionSummary};
