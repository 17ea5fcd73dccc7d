//! Whether a resource is an answer.

use jiff::Timestamp;

use super::kind::ResourceType;
use super::query::Query;
use crate::fhir::{Device, DeviceMetric, Meta, Observation, Period, Reference, Resource};

impl Query {
    /// Whether this resource is an answer. `system`: the MDS of an observation (`Device/ID`).
    #[must_use]
    pub fn fits(&self, resource: &Resource, system: Option<&str>) -> bool {
        let (id, meta) = match resource {
            Resource::Patient(it) => (&it.id, &it.meta),
            Resource::Device(it) => (&it.id, &it.meta),
            Resource::DeviceMetric(it) => (&it.id, &it.meta),
            Resource::Observation(it) => (&it.id, &it.meta),
        };
        // A patient and a device are real, although the last message of them was a test.
        let may_be_test = !matches!(resource, Resource::Observation(_));
        self.is_named(resource)
            && self.fits_id(id)
            && self.fits_meta(meta, may_be_test)
            && self.fits_own(resource, system)
    }

    fn is_named(&self, resource: &Resource) -> bool {
        let kind = match resource {
            Resource::Patient(_) => ResourceType::Patient,
            Resource::Device(_) => ResourceType::Device,
            Resource::DeviceMetric(_) => ResourceType::DeviceMetric,
            Resource::Observation(_) => ResourceType::Observation,
        };
        kind == self.kind
    }

    fn fits_id(&self, id: &str) -> bool {
        self.ids.is_empty() || self.ids.iter().any(|wanted| wanted == id)
    }

    /// Observations of tests and demonstrations are answers only of who asks for them.
    fn fits_meta(&self, meta: &Meta, may_be_test: bool) -> bool {
        let is_secured = if self.security.is_empty() {
            may_be_test || !is_test(meta)
        } else {
            self.security.iter().any(|token| meta.security.iter().any(|coding| token.fits_coding(coding)))
        };
        let updated = meta.last_updated.as_deref().and_then(|at| at.parse().ok());
        is_secured
            && self.updated.iter().all(|moment| updated.is_some_and(|at: Timestamp| moment.fits(at, at)))
    }

    fn fits_own(&self, resource: &Resource, system: Option<&str>) -> bool {
        match resource {
            Resource::Patient(_) => true,
            Resource::Device(device) => self.fits_device(device),
            Resource::DeviceMetric(metric) => self.fits_metric(metric),
            Resource::Observation(observation) => self.fits_observation(observation, system),
        }
    }

    fn fits_device(&self, device: &Device) -> bool {
        let has_type =
            |token: &super::Token| device.kind.as_ref().is_some_and(|kind| token.fits_concept(kind));
        let has_identifier =
            |token: &super::Token| device.identifier.iter().any(|known| token.fits_identifier(known));
        (self.types.is_empty() || self.types.iter().any(has_type))
            && (self.identifiers.is_empty() || self.identifiers.iter().any(has_identifier))
            && is_to(&self.parent, device.parent.as_ref())
    }

    fn fits_metric(&self, metric: &DeviceMetric) -> bool {
        let has_identifier =
            |token: &super::Token| metric.identifier.iter().any(|known| token.fits_identifier(known));
        (self.types.is_empty() || self.types.iter().any(|token| token.fits_concept(&metric.kind)))
            && (self.identifiers.is_empty() || self.identifiers.iter().any(has_identifier))
            && (self.categories.is_empty()
                || self.categories.iter().any(|token| token.fits_code(METRIC_CATEGORY, metric.category)))
            && is_to(&self.parent, Some(&metric.parent))
            && is_to(&self.source, Some(&metric.source))
    }

    fn fits_observation(&self, observation: &Observation, system: Option<&str>) -> bool {
        let has_category =
            |token: &super::Token| observation.category.iter().any(|concept| token.fits_concept(concept));
        let is_of_source = || {
            let device = observation.device.reference.as_deref().unwrap_or_default();
            device.starts_with("DeviceMetric/") && system == self.source.as_deref()
        };
        let own = observation.subject.reference.as_ref();
        let is_same =
            |one: &String| self.same.contains(one) && own.is_some_and(|own| self.same.contains(own));
        self.subjects.iter().all(|subject| own == Some(subject) || is_same(subject))
            && is_to(&self.device, Some(&observation.device))
            && (self.source.is_none() || is_of_source())
            && (self.codes.is_empty() || self.codes.iter().any(|token| token.fits_concept(&observation.code)))
            && (self.categories.is_empty() || self.categories.iter().any(has_category))
            && self.fits_date(observation)
    }

    /// A date without a time of day is not compared: no index has it.
    fn fits_date(&self, observation: &Observation) -> bool {
        if self.date.is_empty() {
            return true;
        }
        let at = |written: &Option<String>| written.as_deref()?.parse::<Timestamp>().ok();
        let (start, end) = match &observation.effective_period {
            // What goes on has no end yet.
            Some(Period { start: Some(start), end: None }) if observation.status == "preliminary" => {
                (at(&Some(start.clone())), Some(Timestamp::MAX))
            }
            Some(Period { start, end }) => (at(start), at(end)),
            None => (at(&observation.effective_date_time), None),
        };
        let (Some(start), Some(end)) = (start.or(end), end.or(start)) else { return false };
        self.date.iter().all(|moment| moment.fits(start, end))
    }
}

fn is_to(wanted: &Option<String>, reference: Option<&Reference>) -> bool {
    wanted.is_none() || reference.is_some_and(|reference| reference.reference == *wanted)
}

/// Whether a resource is of a test or a demonstration.
fn is_test(meta: &Meta) -> bool {
    meta.security.iter().any(|coding| coding.code.as_deref() == Some("HTEST"))
}

const METRIC_CATEGORY: &str = "http://hl7.org/fhir/metric-category";
