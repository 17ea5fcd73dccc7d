//! FHIR R4 for readers: read, vread, history, search and metadata.

mod answer;
mod audit;
mod bundle;
mod cursor;
mod list;
mod minute;
mod negotiate;
mod observations;
mod read;
mod reads;
mod respond;
mod search;

pub use reads::Reads;
pub use respond::respond;

#[cfg(test)]
mod tests;
