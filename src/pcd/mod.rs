//! IHE Patient Care Device: the transactions, the identities in messages, the profiles
//! (IHE PCD Technical Framework Rev. 10, vol. 2).

mod alert;
mod code;
mod containment;
#[cfg(test)]
pub(crate) mod growing;
mod identity;
mod known_patient;
mod known_texts;
mod looks;
pub mod nomenclature;
mod notes;
mod observation;
mod patient;
mod patients;
mod placement;
mod policy;
pub mod profile;
mod search_terms;
mod standing;
mod text_search;
mod transaction;

pub use alert::{Alert, AlertKey, AlertReport, Facet, Filler, Stated, is_heartbeat};
pub use containment::{Containment, Node};
pub use identity::{
    Claim, Claims, DeviceIdentity, IdentityPattern, IdentityPatternError, NameBytes, PatternList, Place,
    Skeleton, Vendors, skeletons, text_skeletons,
};
pub use known_patient::{KnownPatient, names_patient};
pub use notes::Notes;
pub use observation::{Level, Observation, ObservationPath, ObservationPathError};
pub use patient::{is_about_patient, patient_term};
pub use patients::Patients;
pub use placement::{Placed, Placement, is_listed};
pub use policy::MessagePolicy;
pub use search_terms::SearchTerms;
pub use standing::{Standing, find_word};
pub use text_search::TextSearch;
pub use transaction::Transaction;

#[cfg(test)]
mod tests;
