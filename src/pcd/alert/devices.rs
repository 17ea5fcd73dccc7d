//! The devices that a message describes.

use std::collections::HashMap;

use super::statement::Statement;
use crate::hl7::Field;
use crate::pcd::{Level, ObservationPath};

/// OBX-18 of the devices (MDS) of each OBR: a gateway reports the alarms of several in one message, and an
/// event need not name its own.
#[derive(Default)]
pub(super) struct Devices<'m> {
    /// By the position of the OBR and the first number of OBX-4; `None` where one place has several names.
    named: HashMap<(usize, u32), Option<Field<'m>>>,
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
        // A name that the sender has withdrawn names nothing.
        let status = statement.observation.status_code();
        if WITHDRAWN.iter().any(|code| status.eq_ignore_ascii_case(code)) {
            return;
        }
        let named = self.named.entry((position, device_of(path))).or_insert(Some(field));
        for known in [named, self.only.entry(position).or_insert(Some(field))] {
            // No name is better than one of two: whose alarm it is decides who goes to which bed.
            if known.is_some_and(|known| known.trimmed() != field.trimmed()) {
                *known = None;
            }
        }
    }

    /// The device of an event under the OBR at that position: the one that contains it, or the only one.
    pub(super) fn of(&self, position: usize, event: Option<&Statement<'m>>) -> Option<Field<'m>> {
        let path = event.and_then(|event| event.path);
        let own = path.and_then(|path| self.named.get(&(position, device_of(path))).copied());
        own.unwrap_or_else(|| self.only.get(&position).copied().flatten())
    }
}

/// The number of the device in a path.
fn device_of(path: ObservationPath) -> u32 {
    let [device, ..] = path.place();
    device
}

/// OBX-11 of an observation that does not count any more (HL7 table 0085).
const WITHDRAWN: [&[u8]; 2] = [b"D", b"W"];
