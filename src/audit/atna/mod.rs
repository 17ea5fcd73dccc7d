//! The audit trail for IHE ATNA: a row becomes an audit message of DICOM PS3.15 A.5.
//!
//! IHE ITI TF-1 9 and TF-2 3.20 define the events: the platform starts and stops (Application Activity); a
//! peer is refused or loses its authorization (Security Alert: Node Authentication); configuration,
//! certificates, keys and the directory change (Security Alert); messages are received (Import) and sent
//! (Export); their content is viewed (Patient Record); the trail itself is used (Audit Log Used). Other rows
//! (ended sessions, silent devices, signatures) are not forwarded.
//!
//! No audit message contains patient data: our message id takes the place of the patient object.

mod code;
mod message;
mod outcome;
mod row;
mod syslog;
mod xml;

pub use outcome::Outcome;
pub use row::RecordedEvent;
pub use syslog::{AtnaMessage, Originator};

#[cfg(test)]
mod tests;
