//! The devices that a message describes.

use std::collections::HashMap;

use super::statement::Statement;
use crate::hl7::Field;
use crate::pcd::{Level, ObservationPath};

/// OBX-18 of the devices (MDS) of each OBR: a gateway reports the alarms of several in one message, and an
/// event need not name its own.
#[derive(Default)]
pub(super) struct Devices<'m> {
    /// By the position of the OBR and the first number of OBX-4.
    named: HashMap<(usize, u32), Field<'m>>,
    /// Of OBRs with one device.
    only: HashMap<usize, Option<Field<'m>>>,
}

impl<'m> Devices<'m> {
    /// Takes an observation under the OBR at that position.
    pub(super) fn add(&mut self, position: usize, statement: &Statement<'m>) {
        if !statement.equipment.is_empty() {
            self.add_name(position, statement, statement.observation.equipment());
        }
    }

    /// Takes the name of the device that an observation under that OBR describes, if it describes one.
    pub(super) fn add_name(&mut self, position: usize, statement: &Statement<'m>, field: Field<'m>) {
        let Some(path) = statement.path.filter(|path| path.level() == Level::Mds) else { return };
        self.named.entry((position, device_of(path))).or_insert(field);
        let is_other = |known: &Field<'_>| known.trimmed() != field.trimmed();
        let only = self.only.entry(position).or_insert(Some(field));
        if only.as_ref().is_some_and(is_other) {
            *only = None;
        }
    }

    /// The device of an event under the OBR at that position: the one that contains it, or the only one.
    pub(super) fn of(&self, position: usize, event: Option<&Statement<'m>>) -> Option<Field<'m>> {
        let path = event.and_then(|event| event.path);
        let own = path.and_then(|path| self.named.get(&(position, device_of(path))).copied());
        own.or_else(|| self.only.get(&position).copied().flatten())
    }
}

/// The number of the device in a path.
fn device_of(path: ObservationPath) -> u32 {
    let [device, ..] = path.place();
    device
}
