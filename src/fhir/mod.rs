//! What a message becomes in FHIR R4 (4.0.1): a pure function from the stored bytes to resources.
//!
//! Containment becomes `Device`, metrics `DeviceMetric`, values and alerts `Observation`, PID-3 `Patient`,
//! after the Point-of-Care Device guide of HL7 (`hl7.fhir.uv.pocd`). `docs/explanation/fhir.md` has the table
//! of the mapping. Each OBX segment is mapped or counted as unmapped, with a reason. A value that its sender
//! withdrew, did not obtain or contradicts is never written: its resource says why.

mod alert;
mod bundle;
mod capability;
mod coding;
mod compound;
mod content;
mod context;
mod datatypes;
mod decimal;
mod devices;
mod identity;
mod limits;
mod mapping;
mod observation;
mod outcome;
mod patient;
mod profile;
mod quantity;
mod resource;
pub mod search;
mod source;
mod status;
mod subject;
mod term;
mod text;
mod time;
mod unmapped;
mod value;
mod vital_signs;
mod wanted;

pub use bundle::{Bundle, Entry, SearchMode};
pub use capability::{TokenEndpoints, capability_statement};
pub use datatypes::{
    Annotation, CodeableConcept, Coding, Extension, Identifier, Meta, Period, Quantity, Range, Ratio,
    Reference, SampledData,
};
pub use decimal::Decimal;
pub use mapping::{Mapped, map, map_wanted};
pub use outcome::OperationOutcome;
pub use resource::{
    Component, Device, DeviceMetric, HumanName, Observation, Patient, PatientLink, ReferenceRange, Resource,
    UdiCarrier, Value, Version,
};
pub use source::{Options, PatientDetail, REVISION, Source};
pub use unmapped::{Reason, Unmapped};
pub use wanted::{MAX_SPREAD, Wanted};

#[cfg(test)]
mod tests;
