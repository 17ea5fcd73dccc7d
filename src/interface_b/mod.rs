//! Interface B: the specification's client (6.2), for `send`, for the demonstration and for tests.

mod client;
mod observation;

pub use client::{Answer, Client, ClientError};
pub use observation::Observation;
