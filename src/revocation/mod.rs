//! Certificate revocation: OCSP first, CRLs as the fallback (A9, A9.1 to A9.4).
//!
//! Pure, bytes and a time in, a decision out: [`policy`] (the decision table), and the parsers and verifiers
//! in [`ocsp`] and [`crl`]. With I/O: [`Engine`], `http`, `disk`, `refresh`, and the clients, cache and store
//! beside the formats that they serve.

mod bounded_map;
mod byte_budget;
mod circuit_breaker;
pub mod crl;
mod disk;
mod engine;
mod error;
mod failures;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod http;
mod inventory;
mod issued;
mod local_host;
pub mod ocsp;
pub mod policy;
mod probe;
mod recent;
mod refresh;
pub(crate) mod settings;
mod single_flight;
mod staple;
mod stapled;
#[cfg(test)]
mod tests;
mod verdict;
mod withdrawn;

pub use engine::{Engine, Prepared};
pub use error::{AttemptError, FailedAttempt};
pub use http::FetchError;
#[cfg(fuzzing)]
pub use http::fuzzing;
pub use inventory::{InstalledCrl, Inventory, KnownCrl, KnownResponse};
pub use issued::{CertIdHash, IssuedCertificate, Issuer, issuer_keys};
pub(crate) use local_host::{NamedHost, is_local_address, is_own_address};
pub use probe::{Answer, Probe, SourceKind};
pub use settings::{RevocationError, require_directory};
pub use staple::{KnownStaple, Staple};
pub use stapled::StapleFault;
pub use verdict::{CertStatus, Evidence, Report, Source, Status, UndeterminedReason, Verdict};
pub use withdrawn::WithdrawnCertificates;

/// The name of an issuer as text, for logs and metrics.
fn issuer_text(name: &[u8]) -> String {
    crate::x509::DistinguishedName::read(name).map_or_else(|| "?".to_owned(), |name| name.to_string())
}
