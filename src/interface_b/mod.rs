//! Interface B: the client of the specification (6.2), for `client send`, the demonstration and tests.

mod alarm;
mod client;
mod observation;

pub use alarm::{Alarm, Phase};
pub use client::{Answer, Client, ClientError};
pub use observation::Observation;
