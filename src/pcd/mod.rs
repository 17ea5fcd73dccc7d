//! IHE Patient Care Device: the transactions, the identities in messages, the profiles
//! (IHE PCD Technical Framework Rev. 10, vol. 2).

mod alert;
mod code;
mod containment;
mod identity;
pub mod nomenclature;
mod observation;
mod patient;
mod policy;
pub mod profile;
mod transaction;

pub use alert::{Alert, AlertKey, AlertReport, Filler, is_heartbeat};
pub use containment::{Containment, Node};
pub use identity::{Claim, Claims, DeviceIdentity, IdentityPattern, IdentityPatternError, Place};
pub use observation::{Level, Observation, ObservationPath, ObservationPathError};
pub use patient::{is_about_patient, patient_term};
pub use policy::MessagePolicy;
pub use transaction::Transaction;

#[cfg(test)]
mod tests;
