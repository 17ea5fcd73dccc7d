//! What the mapping knows besides the bytes of the message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::MessageId;

/// The revision of the mapping: `meta.versionId` of what has no count of its own. A change of what a message
/// becomes raises it, so that readers receive the corrected resources.
pub const REVISION: u32 = 5;

/// Where a message comes from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The id of the stored message.
    pub message: MessageId,
    /// The Common Name of the sender's certificate.
    pub sender: &'a str,
    /// When the platform received it.
    pub received: Timestamp,
    /// The opaque id of a patient with this identifier: the same for the same text, and of the characters
    /// that FHIR allows in ids.
    pub patient_id: &'a dyn Fn(&str) -> String,
}

/// How messages are mapped.
#[derive(Debug, Clone)]
pub struct Options {
    /// The zone of times in messages that state none (`[messages] zone`).
    pub zone: TimeZone,
    /// What a `Patient` holds.
    pub patients: PatientDetail,
    /// The URI of a namespace of patient identifiers (CX-4.1), where the message does not have one.
    pub assigners: BTreeMap<String, String>,
}

/// What a `Patient` holds besides its identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatientDetail {
    /// Nothing: hospital systems know the patient by the identifier.
    #[default]
    Identifier,
    /// Name, sex and day of birth as well.
    Demographics,
}

impl Default for Options {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, patients: PatientDetail::default(), assigners: BTreeMap::new() }
    }
}
