//! FHIR R4 for readers: read, vread, history, search and metadata.

mod answer;
mod audit;
mod budget;
mod bundle;
mod cursor;
mod list;
mod minute;
mod misses;
mod negotiate;
mod observations;
mod read;
mod reads;
mod respond;
mod search;
mod sending;

pub use reads::Reads;
pub use respond::{OutOfScope, respond};

#[cfg(test)]
mod tests;
