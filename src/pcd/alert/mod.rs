//! The contents of an alert report (PCD-04): the event and its facets (IHE PCD TF vol. 2, 3.4 and appendix
//! B.8).

mod danger;
mod devices;
mod draft;
mod event;
mod event_index;
mod facet;
mod filler;
mod homes;
mod message_alerts;
mod of_message;
mod report;
mod request;
mod requests;
mod same_report;
mod stated;
mod statement;
mod terms;

pub use facet::Facet;
pub use filler::Filler;
pub use message_alerts::Alert;
pub use report::{AlertKey, AlertReport};
pub use stated::Stated;
pub use terms::is_heartbeat;

#[cfg(test)]
mod tests;
