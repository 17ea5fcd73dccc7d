//! The audit trail in the words of IHE ATNA: a row becomes an audit message of DICOM PS3.15 A.5.
//!
//! Which rows: those of the events that IHE ITI TF-1 9 and TF-2 3.20 name. The platform starts and stops
//! (Application Activity), a peer is refused or loses its right (Security Alert: Node Authentication), configuration,
//! certificates, keys and the directory change (Security Alert), messages come in (Import) and go out (Export), their
//! content is looked at (Patient Record), the trail itself is used (Audit Log Used). The rest of the trail (sessions that
//! ended in order, silent feeds, signatures) stays where it is.
//!
//! No message holds patient data: a message of a device is an object named by our own identifier for it, where DICOM
//! would have the patient.

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
