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
mod row;
mod syslog;
mod xml;

pub use syslog::Originator;

use jiff::Timestamp;

use crate::model::NodeName;

/// A row of the trail.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The node that wrote it.
    pub node: &'a NodeName,
    /// When it happened.
    pub at: Timestamp,
    /// The name of the event.
    pub event: &'a str,
    /// The details, as they were written.
    pub details: &'a str,
}

/// An audit message, ready to be sent or kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtnaMessage {
    /// The document, on one line, in UTF-8 without a byte order mark.
    pub xml: String,
    /// How the event ended.
    pub outcome: Outcome,
}

/// EventOutcomeIndicator, DICOM PS3.15 A.5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nominal.
    Success,
    /// A minor failure.
    Minor,
    /// A serious failure: the action was ended.
    Serious,
    /// A major failure: whoever reports it is not available any more.
    Major,
}

impl Told<'_> {
    /// The audit message, if ATNA names the event. `site` is the name of the organisation (AuditEnterpriseSiteID).
    #[must_use]
    pub fn message(&self, site: Option<&str>) -> Option<AtnaMessage> {
        let message = row::message(self)?;
        Some(AtnaMessage { xml: message.to_xml(self.node.as_str(), site), outcome: message.outcome })
    }
}

impl Outcome {
    const fn code(self) -> &'static str {
        match self {
            Self::Success => "0",
            Self::Minor => "4",
            Self::Serious => "8",
            Self::Major => "12",
        }
    }
}

#[cfg(test)]
mod tests;
