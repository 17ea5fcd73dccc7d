//! What simulated devices send. Pure: a message depends on the equipment, the seed, the turn and the time.
//!
//! Each value of a message is marked `TEST` in OBX-8 (IHE PCD TF vol. 2, B.8), and its patient is none.

mod alarm;
mod condition;
mod document;
mod equipment;
mod heartbeat;
mod infusion;
mod message;
mod noise;
mod report;
mod schedule;
mod sending;
mod values;
mod vendor;
mod vital_signs;
mod waveform;

pub use alarm::AlarmReport;
pub(super) use equipment::BEHIND_GATEWAY;
pub use equipment::{Equipment, Kind};
pub use infusion::InfusionReport;
pub use report::Report;
pub use schedule::{Schedule, Topic};
pub use sending::Sending;
pub use vendor::Vendor;
pub use vital_signs::Strain;

#[cfg(test)]
mod tests;
