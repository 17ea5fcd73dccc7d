//! Path building and validation for certificates of clients (RFC 5280 section 6.1).
//!
//! webpki refuses every critical extension that it does not know, among them those of certificate policies,
//! compares names byte for byte, and does not process constraints on directory names and mailboxes. A
//! certificate cannot be changed to suit it, so this module takes its place for clients. Signatures are
//! verified by the algorithms of the TLS library. Certificates of servers are verified by webpki.
//!
//! [`find`] searches for paths by their names alone. A path that reaches a root is validated: its signatures
//! from the root downwards, then the rules. The work is bounded by the limits on the chain, by the steps of
//! the search, by the number of failed signatures and by the number of name comparisons.

mod candidate;
mod error;
mod name_constraints;
mod policy;
mod search;
mod signature;
mod validation;

pub(super) use candidate::Candidate;
pub(super) use error::PathError;
pub(super) use search::find;
pub(super) use validation::{Rules, ValidPath};
