//! The device of an alarm, where a message has alarms of several.

use std::collections::HashSet;

use super::value::{self, SentText};
use crate::hl7::{CharacterSet, Field};
use crate::pcd::{Alert, KnownPatient};

/// Names the devices of the alerts of one message.
pub(super) struct AlarmDevices<'m> {
    characters: CharacterSet,
    known_patient: &'m KnownPatient,
    /// Whether the alerts are of several devices, or of one and of some that is not named.
    are_several: bool,
}

impl<'m> AlarmDevices<'m> {
    pub(super) fn of(
        alerts: &[Alert<'_>],
        characters: CharacterSet,
        known_patient: &'m KnownPatient,
    ) -> Self {
        let devices: HashSet<_> =
            alerts.iter().map(|alert| alert.named_device().map(|device| device.trimmed())).collect();
        Self { characters, known_patient, are_several: devices.len() > 1 }
    }

    /// The device of an alert, as `F1519EFX of MINDRAY.COM`, without the names and numbers of the patient;
    /// `None` where the message names none.
    pub(super) fn name(&self, alert: &Alert<'_>) -> Option<String> {
        alert.named_device().map(|device| self.named(device)).filter(|name| !name.is_empty())
    }

    /// The sentence of an alert, with the device where the message has several.
    pub(super) fn sentence(&self, alert: &Alert<'_>, sentence: String) -> String {
        match self.name(alert) {
            _ if !self.are_several => sentence,
            Some(name) => format!("{name}: {sentence}"),
            None => format!("device not named: {sentence}"),
        }
    }

    /// The unit and the assigner of an EI.
    fn named(&self, device: Field<'_>) -> String {
        // Covered as one below: a name may be written in two parts.
        let part = |n| value::component(device.component(n), self.characters);
        let [unit, assigner] = [1, 3].map(part);
        let name = match (unit.is_empty(), assigner.is_empty()) {
            (true, _) => assigner,
            (_, true) => unit,
            _ if unit.is_alike(&assigner) => unit,
            _ => SentText::joined([unit, assigner], " of "),
        };
        let name = name.covered(self.known_patient);
        let is_shown = |character: &char| !character.is_control();
        name.chars().filter(is_shown).take(MAX_CHARACTERS).collect()
    }
}

/// Characters of a name.
const MAX_CHARACTERS: usize = 128;
