//! What a message becomes as text, without values and without the patient.

use serde::Serialize;

use crate::fhir::{CodeableConcept, Reason, Resource, Unmapped};
use crate::pcd::nomenclature::{Coded, find_term, plain_term};

/// One resource: what it is, and of what.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ResourceLine<'a> {
    /// `Observation/ID`.
    resource: String,
    /// The number of its term in MDC, if it is known; a sender may write a name for anything, so it has none
    /// here.
    code: Option<&'a str>,
    /// The status of an observation.
    status: Option<&'static str>,
    /// The profiles that it satisfies.
    profiles: &'a [&'static str],
}

/// An OBX that is not mapped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct UnmappedLine {
    /// The number of the OBX in the message, from 1.
    unmapped_obx: usize,
    reason: Reason,
}

/// The names of the columns.
pub(super) fn header() -> String {
    let [resource, status, term, profiles] = ["RESOURCE", "STATUS", "TERM", "PROFILES"];
    format!("{resource:<55}  {status:<16}  {term:<36}  {profiles}")
}

impl<'a> From<&'a Resource> for ResourceLine<'a> {
    fn from(resource: &'a Resource) -> Self {
        let (kind, status, meta) = match resource {
            Resource::Patient(it) => (None, None, &it.meta),
            Resource::Device(it) => (it.kind.as_ref(), None, &it.meta),
            Resource::DeviceMetric(it) => (Some(&it.kind), None, &it.meta),
            Resource::Observation(it) => (Some(&it.code), Some(it.status), &it.meta),
        };
        Self { resource: resource.reference(), code: kind.and_then(mdc), status, profiles: &meta.profile }
    }
}

impl From<&Unmapped> for UnmappedLine {
    fn from(unmapped: &Unmapped) -> Self {
        Self { unmapped_obx: unmapped.ordinal, reason: unmapped.reason }
    }
}

impl ResourceLine<'_> {
    /// The line for people.
    pub(super) fn shown(&self) -> String {
        let term = self.code.map_or_else(String::new, |code| {
            let name = plain_term(Coded { code, name: "", system: "MDC" }).to_string();
            if name == code { name } else { format!("{name} ({code})") }
        });
        let profiles: Vec<_> = self.profiles.iter().filter_map(|url| url.rsplit('/').next()).collect();
        let (resource, status) = (&self.resource, self.status.unwrap_or_default());
        let line = format!("{resource:<55}  {status:<16}  {term:<36}  {}", profiles.join(" "));
        line.trim_end().to_owned()
    }
}

impl UnmappedLine {
    /// The line for people.
    pub(super) fn shown(&self) -> String {
        format!("OBX {} is not mapped: {}", self.unmapped_obx, self.reason.label())
    }
}

/// The number of a term that is known: what stands in the place of another may be a number of the patient.
fn mdc(concept: &CodeableConcept) -> Option<&str> {
    let mdc = concept.coding.iter().find(|coding| coding.system == Some("urn:iso:std:iso:11073:10101"))?;
    mdc.code.as_deref().filter(|code| find_term(Coded { code, name: "", system: "MDC" }).is_some())
}
