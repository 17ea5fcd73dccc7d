//! Searches: what a reader may ask, and whether a resource is an answer.
//!
//! A search that is not understood whole is refused. A filter that is silently ignored would give out the
//! values of other patients (FHIR R4 3.1.1.3 leaves that to the server; `Prefer: handling=lenient` asks for
//! it). The store only narrows what is rendered: each resource of an answer is compared with the whole query.

mod key;
mod kind;
mod matching;
mod moment;
mod parse;
mod query;
mod refused;
mod token;

pub use key::{key, keys};
pub use kind::ResourceType;
pub use moment::{Moment, Prefix};
pub use parse::{Reading, names as parameter_names, parse};
pub use query::{Include, Query, Selector, Sort};
pub use refused::{IssueType, Refused};
pub use token::Token;

#[cfg(test)]
mod tests;
