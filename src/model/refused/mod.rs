//! Refused peers: the reason, the facts that it rests on, and both in words.

mod cause;
mod facts;
mod next_step;
mod refusal;

pub use facts::{FirstBytes, HelloFacts, RefusalFacts, ShownCertificate};
pub use refusal::Refusal;
