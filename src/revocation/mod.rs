//! Whether a certificate has been revoked: OCSP first, CRLs as backup (A9, A9.1 to A9.4).
//!
//! [`policy`], [`ocsp`] and [`crl`] are pure: bytes and a time in, a verdict out. What is outside of the process,
//! responders, distribution points and the disk, is asked by the rest.

mod answers;
pub mod crl;
mod disk;
mod engine;
mod fetch;
#[cfg(test)]
pub(crate) mod fixtures;
mod inventory;
mod link;
mod lists;
pub mod ocsp;
pub mod policy;
mod refresh;
mod settings;
mod verdict;

pub use engine::{Engine, Prepared};
pub use fetch::FetchError;
pub use inventory::{Inventory, KnownAnswer, KnownCrl};
pub use link::{CertIdHash, Issuer, Link};
pub use settings::RevocationError;
pub use verdict::{Evidence, Report, Said, Source, Status, Tried, Verdict, Why};

/// The name of an issuer, for people.
fn issuer_text(name: &[u8]) -> String {
    crate::x509::DistinguishedName::read(name).map_or_else(|| "?".to_owned(), |name| name.to_string())
}
