//! A stored message as resources, and how its observations are grouped in the index.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::config::{Config, FhirPatients};
use crate::fhir::{Mapped, Observation, Options, PatientDetail, Resource, Source, map};
use crate::hl7::Message;
use crate::model::{MessageId, PatientKey};
use crate::store::ProjectedMessage;

/// How messages are mapped.
#[derive(Debug, Clone)]
pub struct Mapper {
    /// The settings.
    pub options: Options,
    /// The key of patient ids.
    pub key: PatientKey,
}

/// What the observations of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// `Patient/ID`, or the device.
    pub subject: String,
    /// `Device/ID` of the MDS.
    pub device: String,
    /// `Observation/ID` of an alert.
    pub alert: Option<String>,
    /// Measurements of one message whose times are further apart than `MAX_SPREAD` are several parts; 0 has
    /// the latest.
    pub part: u32,
}

/// An observation of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its place among the resources of the message.
    pub place: usize,
    /// Its time, by which it is sorted.
    pub at: Timestamp,
}

/// The settings of the mapping.
#[must_use]
pub fn mapping_options(config: &Config) -> Options {
    let assigners = config.fhir.assigners.iter();
    Options {
        zone: config.messages.zone.time_zone(),
        patients: match config.fhir.patients {
            FhirPatients::Identifier => PatientDetail::Identifier,
            FhirPatients::Demographics => PatientDetail::Demographics,
        },
        assigners: assigners.map(|assigner| (assigner.name.clone(), assigner.system.clone())).collect(),
    }
}

impl Mapper {
    /// What a stored message becomes; `None` when it is no HL7 message.
    #[must_use]
    pub fn map(&self, message: &ProjectedMessage) -> Option<Mapped> {
        let parsed = Message::parse(&message.raw).ok()?;
        let source = Source {
            message: message.id,
            sender: message.device.as_str(),
            received: message.received_at,
            patient_id: &|patient| self.key.opaque_id(patient),
        };
        Some(map(&parsed, &source, &self.options))
    }
}

/// The observations of a message by subject, device and time.
#[must_use]
pub fn groups(mapped: &Mapped, message: MessageId, received: Timestamp) -> BTreeMap<GroupKey, Vec<Placed>> {
    let systems = systems(mapped);
    let mut whole: BTreeMap<GroupKey, Vec<Placed>> = BTreeMap::new();
    for (place, resource) in mapped.resources.iter().enumerate() {
        if let Resource::Observation(observation) = resource {
            let placed = Placed { place, at: instant(observation, received) };
            whole.entry(GroupKey::of(observation, message, &systems)).or_default().push(placed);
        }
    }
    let mut groups = BTreeMap::new();
    for (key, mut placed) in whole {
        placed.sort_by_key(|placed| (std::cmp::Reverse(placed.at), placed.place));
        let Some(mut latest) = placed.first().map(|placed| placed.at) else { continue };
        let mut part = 0;
        for placed in placed {
            if latest.duration_since(placed.at) > MAX_SPREAD {
                part += 1;
                latest = placed.at;
            }
            groups.entry(GroupKey { part, ..key.clone() }).or_insert_with(Vec::new).push(placed);
        }
    }
    groups
}

impl GroupKey {
    fn of(observation: &Observation, message: MessageId, systems: &HashMap<String, String>) -> Self {
        let device = observation.device.reference.clone().unwrap_or_default();
        let is_alert = !observation.id.starts_with(&format!("{message}."));
        Self {
            subject: observation.subject.reference.clone().unwrap_or_default(),
            device: systems.get(&device).cloned().unwrap_or(device),
            alert: is_alert.then(|| format!("Observation/{}", observation.id)),
            part: 0,
        }
    }
}

/// The MDS of each device and metric of a message.
#[must_use]
pub fn systems(mapped: &Mapped) -> HashMap<String, String> {
    let mut systems = HashMap::new();
    for resource in &mapped.resources {
        let container = match resource {
            Resource::Device(device) => device.parent.as_ref(),
            Resource::DeviceMetric(metric) => Some(&metric.source),
            Resource::Patient(_) | Resource::Observation(_) => continue,
        };
        let own = resource.reference();
        let container = container.and_then(|container| container.reference.clone());
        // What contains a device comes before it.
        let system = match container {
            Some(container) => systems.get(&container).cloned().unwrap_or(container),
            None => own.clone(),
        };
        systems.insert(own, system);
    }
    systems
}

/// The time of an observation: the end of its period, or its beginning; that of receipt where it has none, or
/// only a date.
fn instant(observation: &Observation, received: Timestamp) -> Timestamp {
    let period = observation.effective_period.as_ref();
    let written = observation
        .effective_date_time
        .as_deref()
        .or_else(|| period?.end.as_deref())
        .or_else(|| period?.start.as_deref());
    written.and_then(|written| written.parse().ok()).unwrap_or(received)
}

/// How far the times of the observations of a group are apart at most. Readers that sort by time read so much
/// further.
pub(crate) const MAX_SPREAD: SignedDuration = SignedDuration::from_mins(15);
