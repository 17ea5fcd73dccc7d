//! What of a message becomes no resource, and why.

use serde::Serialize;

/// An OBX segment that becomes no resource and no part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// The number of the OBX in the message, from 1.
    pub ordinal: usize,
    /// Why.
    pub reason: Reason,
}

/// Why something is not mapped. The labels are those of a metric: few, and none from a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The message is none of PCD-01, PCD-04, PCD-10, PCD-15 and PCD-16.
    Transaction,
    /// The message has more OBX than are mapped of one message.
    TooManyObservations,
    /// A heartbeat of the connection.
    Heartbeat,
    /// OBX-3 names nothing.
    NoTerm,
    /// A name, a birth date or another attribute of the patient that hospital systems have from elsewhere.
    Demographics,
    /// A device or a part of one has a value (OBX-5).
    ContainerValue,
    /// A facet of an alert that does not count: the message has no event for it, or it stands elsewhere.
    AlertFacet,
    /// The type in OBX-2 has no counterpart: documents, names, addresses, arrays of several channels.
    ValueType,
    /// OBX-5 is not of the type in OBX-2.
    ValueNotOfItsType,
    /// Samples without their rate.
    NoSampleRate,
    /// More repetitions in OBX-5 than an observation has components here.
    TooManyValues,
    /// No rule took it, which is a fault of the mapping.
    Unknown,
}

impl Reason {
    /// Every reason, for metrics that start at zero.
    pub const ALL: [Self; 12] = [
        Self::Transaction,
        Self::TooManyObservations,
        Self::Heartbeat,
        Self::NoTerm,
        Self::Demographics,
        Self::ContainerValue,
        Self::AlertFacet,
        Self::ValueType,
        Self::ValueNotOfItsType,
        Self::NoSampleRate,
        Self::TooManyValues,
        Self::Unknown,
    ];

    /// The stable name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::TooManyObservations => "too-many-observations",
            Self::Heartbeat => "heartbeat",
            Self::NoTerm => "no-term",
            Self::Demographics => "demographics",
            Self::ContainerValue => "container-value",
            Self::AlertFacet => "alert-facet",
            Self::ValueType => "value-type",
            Self::ValueNotOfItsType => "value-not-of-its-type",
            Self::NoSampleRate => "no-sample-rate",
            Self::TooManyValues => "too-many-values",
            Self::Unknown => "unknown",
        }
    }
}
