//! Profiles. A resource names one only when it satisfies it.
//!
//! These are of the guide `hl7.fhir.uv.pocd` 1.0.0-ballot3; `vital_signs` has those of R4.

pub(super) const MDS: &str = "http://hl7.org/fhir/uv/pocd/StructureDefinition/MdsDevice";
pub(super) const VMD: &str = "http://hl7.org/fhir/uv/pocd/StructureDefinition/VmdDevice";
pub(super) const CHANNEL: &str = "http://hl7.org/fhir/uv/pocd/StructureDefinition/ChannelDevice";
pub(super) const NUMERIC_METRIC: &str = "http://hl7.org/fhir/uv/pocd/StructureDefinition/NumericDeviceMetric";
pub(super) const ENUMERATION_METRIC: &str =
    "http://hl7.org/fhir/uv/pocd/StructureDefinition/EnumerationDeviceMetric";
pub(super) const NUMERIC: &str = "http://hl7.org/fhir/uv/pocd/StructureDefinition/NumericObservation";
pub(super) const COMPOUND: &str =
    "http://hl7.org/fhir/uv/pocd/StructureDefinition/CompoundNumericObservation";
pub(super) const ENUMERATION: &str = "http://hl7.org/fhir/uv/pocd/StructureDefinition/EnumerationObservation";
