//! Certificate revocation lists (RFC 5280 sections 5 and 6.3): read with an index, verified, and combined.

mod check;
pub(super) mod client;
mod kind;
mod number;
mod read;
mod renewal;
mod scope;
pub(super) mod sources;
pub(super) mod store;
#[cfg(test)]
mod tests;

pub use check::{CrlQuery, CrlVerifyError, VerifiedCrl, evaluate};
pub use number::is_older;
pub use read::{Crl, CrlParseError, Entry};
pub use scope::Scope;
