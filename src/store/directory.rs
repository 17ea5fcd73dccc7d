//! Changes of the device directory, and what the audit trail says of them: the same whatever the database.

use crate::audit::Event;
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::model::DeviceId;

/// A change of the device directory.
#[derive(Debug)]
pub(super) enum DirectoryChange {
    /// All of them, or none.
    Add(Vec<Device>),
    /// Another kind, other identities, other acknowledgements, another note; the status stays.
    Describe(Device),
    SetStatus(DeviceId, DeviceStatus),
    Remove(DeviceId),
}

impl DirectoryChange {
    /// The rows of the audit trail, which belong into the same transaction.
    pub(super) fn events(&self, actor: &str) -> Vec<Event> {
        let actor = actor.to_owned();
        match self {
            Self::Add(devices) => devices.iter().map(|device| added(device, &actor)).collect(),
            Self::Describe(device) => vec![Event::DeviceChanged {
                device: device.id.clone(),
                kind: device.kind,
                speaks_for: patterns(device),
                acknowledge: device.acknowledge,
                actor,
            }],
            Self::SetStatus(device, DeviceStatus::Active) => {
                vec![Event::DeviceResumed { device: device.clone(), actor }]
            }
            Self::SetStatus(device, DeviceStatus::Suspended) => {
                vec![Event::DeviceSuspended { device: device.clone(), actor }]
            }
            Self::Remove(device) => vec![Event::DeviceRemoved { device: device.clone(), actor }],
        }
    }
}

fn added(device: &Device, actor: &str) -> Event {
    Event::DeviceAdded {
        device: device.id.clone(),
        kind: device.kind,
        status: device.status,
        speaks_for: patterns(device),
        acknowledge: device.acknowledge,
        actor: actor.to_owned(),
    }
}

/// The identities as text.
pub(super) fn patterns(device: &Device) -> Vec<String> {
    device.speaks_for.iter().map(ToString::to_string).collect()
}

/// The kind that goes by this word.
pub(crate) fn device_kind(word: &str) -> Option<DeviceKind> {
    [DeviceKind::Device, DeviceKind::Gateway].into_iter().find(|kind| kind.as_str() == word)
}

/// The status that goes by this word.
pub(super) fn device_status(word: &str) -> Option<DeviceStatus> {
    [DeviceStatus::Active, DeviceStatus::Suspended].into_iter().find(|status| status.as_str() == word)
}
