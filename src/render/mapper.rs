//! A stored message as resources, and how its observations are grouped in the index.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::config::{Config, FhirPatients};
use crate::fhir::{
    MAX_SPREAD, Mapped, Observation, Options, PatientDetail, Resource, Source, Wanted, map_wanted,
};
use crate::hl7::Message;
use crate::model::{MessageId, PatientKey};
use crate::store::{ProjectedMessage, Store, StoreError};

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
    /// Maps with these settings and the key of the store.
    ///
    /// # Errors
    /// When the key of the ids of patients cannot be read: with another one there would be other patients.
    pub async fn new(store: &Store, options: Options) -> Result<Self, StoreError> {
        Ok(Self { options, key: store.stored_patient_key().await? })
    }

    /// What a stored message becomes; `None` when it is no HL7 message.
    #[must_use]
    pub fn map(&self, message: &ProjectedMessage) -> Option<Mapped> {
        self.map_wanted(message, &Wanted::All)
    }

    /// The same of a part of it.
    #[must_use]
    pub fn map_wanted(&self, message: &ProjectedMessage, wanted: &Wanted) -> Option<Mapped> {
        let parsed = Message::parse(&message.raw).ok()?;
        let source = Source {
            message: message.id,
            sender: message.device.as_str(),
            received: message.received_at,
            patient_id: &|patient| self.key.opaque_id(patient),
        };
        Some(map_wanted(&parsed, &source, &self.options, wanted))
    }
}

/// The observations of a message by subject, device and time.
#[must_use]
pub fn groups(mapped: &Mapped, message: MessageId, received: Timestamp) -> BTreeMap<GroupKey, Vec<Placed>> {
    let systems = systems(mapped);
    let own = format!("{message}.");
    let mut whole: BTreeMap<Key<'_>, Vec<Placed>> = BTreeMap::new();
    // Most observations of a message have one time.
    let mut last: (Option<&str>, Timestamp) = (None, received);
    for (place, resource) in mapped.resources.iter().enumerate() {
        if let Resource::Observation(observation) = resource {
            let written = time_of(observation);
            if written != last.0 {
                last = (written, written.and_then(|written| written.parse().ok()).unwrap_or(received));
            }
            let placed = Placed { place, at: last.1 };
            whole.entry(Key::of(observation, &own, &systems)).or_default().push(placed);
        }
    }
    let mut groups = BTreeMap::new();
    for (key, mut placed) in whole {
        let Key { subject, device, alert } = key;
        let alert = alert.map(|id| format!("Observation/{id}"));
        let key = GroupKey {
            subject: subject.to_owned(),
            device: format!("{}/{}", device.0, device.1),
            alert,
            part: 0,
        };
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

/// What the observations of a group have in common, besides the part; in the order of the references.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'r> {
    subject: &'r str,
    /// Type and id.
    device: (&'static str, &'r str),
    /// An id.
    alert: Option<&'r str>,
}

impl<'r> Key<'r> {
    /// `own`: what the ids of measurements of the message begin with.
    fn of(observation: &'r Observation, own: &str, systems: &Systems<'r>) -> Self {
        let device = observation.device.reference.as_deref().unwrap_or_default();
        let device = match device.strip_prefix("DeviceMetric/") {
            Some(metric) => ("DeviceMetric", metric),
            None => ("Device", device.strip_prefix("Device/").unwrap_or(device)),
        };
        Self {
            subject: observation.subject.reference.as_deref().unwrap_or_default(),
            device: systems.get(&device).map_or(device, |system| ("Device", *system)),
            alert: Some(&*observation.id).filter(|id| !id.starts_with(own)),
        }
    }
}

/// The MDS of each device and metric of a message, by type and id.
type Systems<'r> = HashMap<(&'static str, &'r str), &'r str>;

fn systems(mapped: &Mapped) -> Systems<'_> {
    let mut systems = Systems::new();
    for resource in &mapped.resources {
        let (own, container) = match resource {
            Resource::Device(it) => (("Device", &*it.id), it.parent.as_ref()),
            Resource::DeviceMetric(it) => (("DeviceMetric", &*it.id), Some(&it.source)),
            Resource::Patient(_) | Resource::Observation(_) => continue,
        };
        let container = container.and_then(|it| it.reference.as_deref()?.strip_prefix("Device/"));
        // What contains a device comes before it.
        let system = container.map_or(own.1, |it| systems.get(&("Device", it)).copied().unwrap_or(it));
        systems.insert(own, system);
    }
    systems
}

/// The MDS of a device or a metric of a message (`Device/ID`).
#[must_use]
pub fn system_of(mapped: &Mapped, reference: &str) -> Option<String> {
    let systems = systems(mapped);
    let found = systems.iter().find(|((kind, id), _)| reference.split_once('/') == Some((*kind, *id)));
    found.map(|(_, system)| format!("Device/{system}"))
}

/// The time of an observation: the end of its period, or its beginning.
fn time_of(observation: &Observation) -> Option<&str> {
    let period = observation.effective_period.as_ref();
    observation
        .effective_date_time
        .as_deref()
        .or_else(|| period?.end.as_deref())
        .or_else(|| period?.start.as_deref())
}
