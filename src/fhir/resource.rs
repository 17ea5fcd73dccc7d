//! The resources. `None` and empty lists are left out of JSON.

use serde::Serialize;

use super::datatypes::{
    Annotation, CodeableConcept, Extension, Identifier, Meta, Period, Quantity, Range, Ratio, Reference,
    SampledData,
};

/// A resource.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names are those of FHIR")]
pub enum Resource {
    Patient(Patient),
    Device(Device),
    DeviceMetric(DeviceMetric),
    Observation(Box<Observation>),
}

/// The patient that PID-3 names.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patient {
    /// `Patient`.
    pub resource_type: &'static str,
    /// An opaque id that the number of the patient cannot be found from.
    pub id: String,
    /// Version and message.
    pub meta: Meta,
    /// PID-3.
    pub identifier: Vec<Identifier>,
    /// `false` for one who is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// PID-5.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub name: Vec<HumanName>,
    /// PID-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<&'static str>,
    /// PID-7.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// Patients whom an operator has linked to this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<PatientLink>,
}

/// A patient who is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PatientLink {
    /// The other one.
    pub other: Reference,
    /// `replaced-by` or `replaces`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// The name of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HumanName {
    /// The family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Given names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
}

/// A medical device system (MDS), a virtual medical device (VMD) or a channel.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// `Device`.
    pub resource_type: &'static str,
    /// The id: a hash of its identity and of its place.
    pub id: String,
    /// Version and message.
    pub meta: Meta,
    /// OBX-18 or PRT-10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifier: Vec<Identifier>,
    /// MDC_ATTR_ID_UDI.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub udi_carrier: Vec<UdiCarrier>,
    /// MDC_ID_MODEL_MANUFACTURER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// MDC_ID_PROD_SPEC_SERIAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// MDC_ID_MODEL_NUMBER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_number: Option<String>,
    /// MDC_ID_PROD_SPEC_PART.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// OBX-3 of the device.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CodeableConcept>,
    /// Revisions of hardware, software, firmware and protocol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version: Vec<Version>,
    /// PV1-3, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Reference>,
    /// The device that contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Reference>,
}

/// A UDI as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UdiCarrier {
    /// The text of the label.
    #[serde(rename = "carrierHRF")]
    pub carrier_hrf: String,
}

/// A revision of a part of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Of what: MDC_ID_PROD_SPEC_SW and so on.
    #[serde(rename = "type")]
    pub kind: CodeableConcept,
    /// The revision.
    pub value: String,
}

/// A metric of a device.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceMetric {
    /// `DeviceMetric`.
    pub resource_type: &'static str,
    /// The id: a hash of the device, the place and the term.
    pub id: String,
    /// Version and message.
    pub meta: Meta,
    /// The alarm limits (OBX-7).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Extension>,
    /// OBX-18 or PRT-10 of its observations, where it is another one than that of the device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifier: Vec<Identifier>,
    /// OBX-3.
    #[serde(rename = "type")]
    pub kind: CodeableConcept,
    /// OBX-6, in MDC where it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<CodeableConcept>,
    /// The MDS.
    pub source: Reference,
    /// The nearest part of the device that contains it.
    pub parent: Reference,
    /// `measurement`, `setting`, `calculation` or `unspecified` (OBX-17).
    pub category: &'static str,
}

/// A value, an event or an alert.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// `Observation`.
    pub resource_type: &'static str,
    /// The id: the message and the number of the OBX in it; of an alert a hash of its number and device.
    pub id: String,
    /// Version, message, profiles, and whether it is a test.
    pub meta: Meta,
    /// OBX-11.
    pub status: &'static str,
    /// `vital-signs`, and the transaction of what is no PCD-01.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<CodeableConcept>,
    /// OBX-3.
    pub code: CodeableConcept,
    /// The patient, or the device.
    pub subject: Reference,
    /// When it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_date_time: Option<String>,
    /// The interval to which it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_period: Option<Period>,
    /// When the platform received it.
    pub issued: String,
    /// OBX-5.
    #[serde(flatten)]
    pub value: Option<Value>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_absent_reason: Option<CodeableConcept>,
    /// OBX-8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interpretation: Vec<CodeableConcept>,
    /// NTE, and what the platform found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub note: Vec<Annotation>,
    /// OBX-20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_site: Option<CodeableConcept>,
    /// OBX-17.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<CodeableConcept>,
    /// The metric, or the device.
    pub device: Reference,
    /// Alarm limits that the metric cannot have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_range: Vec<ReferenceRange>,
    /// Parts: of a blood pressure, of a metric with facets, of an alert.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub component: Vec<Component>,
}

/// A part of an observation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// OBX-3.
    pub code: CodeableConcept,
    /// OBX-5.
    #[serde(flatten)]
    pub value: Option<Value>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_absent_reason: Option<CodeableConcept>,
    /// OBX-8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interpretation: Vec<CodeableConcept>,
    /// Alarm limits (OBX-7).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_range: Vec<ReferenceRange>,
}

/// Alarm limits.
#[derive(Debug, Clone, Serialize)]
pub struct ReferenceRange {
    /// The lower limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Quantity>,
    /// The upper limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Quantity>,
    /// That these are alarm limits, and no normal range.
    #[serde(rename = "type")]
    pub kind: CodeableConcept,
    /// OBX-7 as it was sent.
    pub text: String,
}

/// `value[x]`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of FHIR")]
pub enum Value {
    #[serde(rename = "valueQuantity")]
    Quantity(Quantity),
    #[serde(rename = "valueCodeableConcept")]
    CodeableConcept(CodeableConcept),
    #[serde(rename = "valueString")]
    String(String),
    #[serde(rename = "valueRange")]
    Range(Box<Range>),
    #[serde(rename = "valueRatio")]
    Ratio(Box<Ratio>),
    #[serde(rename = "valueSampledData")]
    SampledData(Box<SampledData>),
    #[serde(rename = "valueTime")]
    Time(String),
    #[serde(rename = "valueDateTime")]
    DateTime(String),
    #[serde(rename = "valuePeriod")]
    Period(Period),
}

impl Value {
    /// Whether it has numbers, which mean nothing without their unit.
    pub(super) const fn has_numbers(&self) -> bool {
        match self {
            Self::Quantity(_) | Self::Range(_) | Self::Ratio(_) | Self::SampledData(_) => true,
            Self::CodeableConcept(_)
            | Self::String(_)
            | Self::Time(_)
            | Self::DateTime(_)
            | Self::Period(_) => false,
        }
    }
}

impl Resource {
    /// The opaque id of the patient that it is about.
    #[must_use]
    pub fn patient(&self) -> Option<&str> {
        match self {
            Self::Patient(patient) => Some(&patient.id),
            Self::Observation(observation) => {
                observation.subject.reference.as_deref()?.strip_prefix("Patient/")
            }
            Self::Device(_) | Self::DeviceMetric(_) => None,
        }
    }

    /// Where it comes from, for what the index adds.
    pub const fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Patient(it) => &mut it.meta,
            Self::Device(it) => &mut it.meta,
            Self::DeviceMetric(it) => &mut it.meta,
            Self::Observation(it) => &mut it.meta,
        }
    }

    /// The type and the id: `Device/ID`.
    #[must_use]
    pub fn reference(&self) -> String {
        let (kind, id) = self.name();
        format!("{kind}/{id}")
    }

    /// Whether this is its reference.
    #[must_use]
    pub fn is(&self, reference: &str) -> bool {
        reference.split_once('/') == Some(self.name())
    }

    fn name(&self) -> (&str, &str) {
        match self {
            Self::Patient(it) => (it.resource_type, &it.id),
            Self::Device(it) => (it.resource_type, &it.id),
            Self::DeviceMetric(it) => (it.resource_type, &it.id),
            Self::Observation(it) => (it.resource_type, &it.id),
        }
    }
}
