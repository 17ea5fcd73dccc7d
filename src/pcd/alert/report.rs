//! The identity of an alert, and of a report of it.

use super::event::event_term;
use super::filler::Filler;
use super::terms::{ONSETS, PHASES, word};
use crate::hl7::{Field, Segment};
use crate::pcd::Observation;

/// Identifies a report of an alert, also when the device sends it again with a new MSH-7, MSH-10 and OBR-7.
///
/// An alert has one report for each of its phases, and each report has its own key; see [`AlertReport`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertKey {
    /// OBR-3: the number of the alert and its assigner.
    pub filler: Filler,
    /// The number of the event, or its name without one; empty when there is no event.
    pub event: Vec<u8>,
    /// The event phase, in lower case; empty when there is none.
    pub phase: Vec<u8>,
    /// OBX-14 of the event, or OBR-7 where it has none.
    pub time: Vec<u8>,
    /// OBX-18 of the event, or else PRT-10, 16 and 20 behind it, as sent; empty where it names no equipment.
    /// A gateway may number the alerts of each device behind it from 1.
    pub equipment: Vec<u8>,
}

/// A report, and the alert that it belongs to (IHE PCD TF vol. 2, 3.4.4 and 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertReport {
    /// The key of the report.
    pub key: AlertKey,
    /// The filler number of the report that this one continues: OBR-29.2, or its own number; `None` when an
    /// alert begins with it.
    pub continues: Option<Filler>,
}

impl AlertReport {
    /// The report of an alert with this OBR; `None` when it cannot be identified.
    pub(super) fn read(
        request: Segment<'_>,
        event: Option<Observation<'_>>,
        participants: &[Field<'_>],
        phase: Option<Observation<'_>>,
    ) -> Option<Self> {
        let filler = Filler::of_request(request)?;
        let phase = phase.map(|phase| phase_word(phase.value())).unwrap_or_default();
        let times = [event.map(|event| event.time()), Some(request.field(7))];
        let time = times.into_iter().flatten().find(|time| !time.is_empty())?.trimmed().to_vec();
        let continues = (!ONSETS.contains(&phase.as_slice())).then(|| {
            let parent = request.field(29).component(2);
            Filler::read(parent.subcomponents()).unwrap_or_else(|| filler.clone())
        });
        let equipment = event.map(|event| equipment_of(&event, participants)).unwrap_or_default();
        let event = event.map(|event| event_code(event_term(&event))).unwrap_or_default();
        Some(Self { key: AlertKey { filler, event, phase, time, equipment }, continues })
    }

    /// Reports of one message that are read.
    pub const MAX_PER_MESSAGE: usize = 16;
}

/// The equipment of an event: OBX-18, or the devices that participate in it.
pub(super) fn equipment_of(event: &Observation<'_>, participants: &[Field<'_>]) -> Vec<u8> {
    let own = event.equipment();
    if !own.is_empty() {
        return own.trimmed().to_vec();
    }
    participants.iter().map(Field::trimmed).collect::<Vec<_>>().join(&b'~')
}

/// The phase in one spelling; a word that is no phase in lower case.
fn phase_word(value: Field<'_>) -> Vec<u8> {
    let known = [1, 2].into_iter().find_map(|n| word(PHASES, value.component(n).trimmed()));
    match known {
        Some("de-escalate") => b"deescalate".to_vec(),
        Some(phase) => phase.as_bytes().to_vec(),
        None => value.trimmed().to_ascii_lowercase(),
    }
}

/// The number, or the name where the sender has no number: `0^MDCX_...`.
fn event_code(term: Field<'_>) -> Vec<u8> {
    let [code, name] = [1, 2].map(|n| term.component(n).trimmed());
    let has_number = code.iter().any(|byte| *byte != b'0');
    if has_number || name.is_empty() { code.to_vec() } else { name.to_vec() }
}
