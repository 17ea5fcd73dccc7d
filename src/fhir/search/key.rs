//! The keys under which the index finds devices and metrics.

use super::kind::ResourceType;
use crate::fhir::{CodeableConcept, Identifier, Reference, Resource};
use crate::model::Fingerprint;

/// The key of a value of a parameter: the first 64 bits of a SHA-256. What is found by it is compared again.
#[must_use]
pub fn key(kind: ResourceType, parameter: &str, value: &str) -> i64 {
    let digest = Fingerprint::sha256([kind.name(), parameter, value].join("\u{1f}").as_bytes());
    i64::from_be_bytes(digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default())
}

/// The keys of a resource: its identifiers, the codes of its type, what contains it. A patient is found by
/// its id, which follows from the identifier, and observations by the time of their message.
#[must_use]
pub fn keys(resource: &Resource) -> Vec<i64> {
    let mut keys = match resource {
        Resource::Device(device) => {
            let mut keys = identifiers(ResourceType::Device, &device.identifier);
            keys.extend(device.kind.iter().flat_map(|kind| codes(ResourceType::Device, kind)));
            keys.extend(reference(ResourceType::Device, "parent", device.parent.as_ref()));
            keys
        }
        Resource::DeviceMetric(metric) => {
            let mut keys = identifiers(ResourceType::DeviceMetric, &metric.identifier);
            keys.extend(codes(ResourceType::DeviceMetric, &metric.kind));
            keys.extend(reference(ResourceType::DeviceMetric, "parent", Some(&metric.parent)));
            keys.extend(reference(ResourceType::DeviceMetric, "source", Some(&metric.source)));
            keys
        }
        Resource::Patient(_) | Resource::Observation(_) => Vec::new(),
    };
    keys.sort_unstable();
    keys.dedup();
    keys.truncate(MAX_KEYS);
    keys
}

fn identifiers(kind: ResourceType, identifiers: &[Identifier]) -> Vec<i64> {
    identifiers.iter().map(|identifier| key(kind, "identifier", &identifier.value)).collect()
}

fn codes(kind: ResourceType, concept: &CodeableConcept) -> Vec<i64> {
    let codes = concept.coding.iter().filter_map(|coding| coding.code.as_deref());
    codes.map(|code| key(kind, "type", code)).collect()
}

fn reference(kind: ResourceType, parameter: &str, to: Option<&Reference>) -> Option<i64> {
    Some(key(kind, parameter, to?.reference.as_deref()?))
}

/// Keys of one resource: a message decides how many codes a term has.
const MAX_KEYS: usize = 16;
