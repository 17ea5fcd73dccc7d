//! The entry of the directory that an enrolled device gets.

use serde::{Deserialize, Serialize};

use crate::authz::{About, Device};
use crate::model::DeviceId;

/// The entry of the directory that an enrolled device gets, as the invitation says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct InvitedDevice {
    /// `device` or `gateway`.
    pub kind: String,
    /// The identities that it may name besides its own.
    pub speaks_for: Vec<String>,
    /// What staff call it.
    pub name: String,
    /// Ward or location.
    pub ward: String,
    /// Manufacturer and model.
    pub model: String,
    /// The serial number on its label.
    pub serial: String,
    /// Who is responsible for it.
    pub owner: String,
    /// The operator's note.
    pub note: String,
    /// Whether it is missing until its first message is stored.
    pub expected: bool,
    /// Whether orders may be queued for it.
    pub receives_orders: bool,
}

impl InvitedDevice {
    /// What an entry says.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        let About { name, ward, model, serial, owner } = device.about.clone();
        Self {
            kind: device.kind.as_str().to_owned(),
            speaks_for: device.speaks_for.iter().map(ToString::to_string).collect(),
            name,
            ward,
            model,
            serial,
            owner,
            note: device.note.clone(),
            expected: device.expected,
            receives_orders: device.receives_orders,
        }
    }

    /// The entry of this device; `None` when what is stored cannot be read.
    #[must_use]
    pub fn entry(&self, id: DeviceId) -> Option<Device> {
        let Self { kind, speaks_for, name, ward, model, serial, owner, note, expected, receives_orders } =
            self.clone();
        Some(Device {
            kind: kind.parse().ok()?,
            speaks_for: speaks_for.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?,
            about: About { name, ward, model, serial, owner },
            note,
            expected,
            receives_orders,
            ..Device::new(id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invited_device_gets_the_entry_that_was_given() {
        let id: DeviceId = "PUMP-1".parse().unwrap();
        let about = About { name: "ICU-1".to_owned(), ward: "ICU".to_owned(), ..About::default() };
        let speaks_for = vec!["00A037*".parse().unwrap(), "A;1".parse().unwrap()];
        let device = Device { about, speaks_for, expected: true, ..Device::new(id.clone()) };
        let json = serde_json::to_string(&InvitedDevice::new(&device)).unwrap();
        let read: InvitedDevice = serde_json::from_str(&json).unwrap();
        assert_eq!(read.entry(id), Some(device));
    }
}
