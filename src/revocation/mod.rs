//! Whether a certificate has been revoked: OCSP first, CRLs as backup (A9, A9.1 to A9.4).
//!
//! [`policy`], [`ocsp`] and [`crl`] are pure: bytes and a time in, a verdict out. What is outside of the process,
//! responders, distribution points and the disk, is asked by the rest.

mod answers;
mod asking;
mod bounded;
pub mod crl;
mod disk;
mod engine;
mod failing;
pub(crate) mod fetch;
mod fetching;
#[cfg(test)]
pub(crate) mod fixtures;
mod flight;
mod inventory;
mod link;
mod lists;
mod no_answer;
pub mod ocsp;
pub mod policy;
mod refresh;
mod seen;
pub(crate) mod settings;
mod staple;
#[cfg(test)]
mod tests;
mod verdict;

pub use engine::{Engine, Prepared};
pub use fetch::FetchError;
pub use inventory::{Inventory, KnownAnswer, KnownCrl};
pub use link::{CertIdHash, Issuer, Link};
pub use no_answer::{NoAnswer, Tried};
pub use settings::RevocationError;
pub use staple::{KnownStaple, Staple};
pub use verdict::{Evidence, Report, Said, Source, Status, Verdict, Why};

/// The name of an issuer, for people.
fn issuer_text(name: &[u8]) -> String {
    crate::x509::DistinguishedName::read(name).map_or_else(|| "?".to_owned(), |name| name.to_string())
}
