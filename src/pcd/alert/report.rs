//! The identity of an alert, and of a report of it.

use super::facet::Facet;
use super::filler::Filler;
use super::message_alerts::Alert;
use super::terms::{ONSETS, PHASES, positions_in};
use crate::hl7::Field;
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
    /// The device that the alert is of, as sent: a number counts within it. Empty where the message names
    /// none.
    pub device: Vec<u8>,
}

impl Alert<'_> {
    /// The key of the report; `None` when OBR-3, OBX-14 and OBR-7 do not identify it.
    #[must_use]
    pub fn report(&self) -> Option<AlertReport> {
        AlertReport::of(self)
    }

    /// The equipment that the event names, as the key of the report has it; empty where it names none.
    #[must_use]
    pub fn equipment(&self) -> Vec<u8> {
        self.event.map(|event| equipment_of(&event, &self.participants)).unwrap_or_default()
    }
}

impl AlertReport {
    /// The report of an alert; `None` when it cannot be identified.
    pub(super) fn of(alert: &Alert<'_>) -> Option<Self> {
        let request = alert.request.as_ref()?;
        let filler = request.filler.clone()?;
        let phase = phase_of(alert);
        let time = own_time(alert).unwrap_or(request.time);
        if time.is_empty() {
            return None;
        }
        let is_onset = ONSETS.contains(&phase.as_slice());
        let continues = (!is_onset).then(|| request.parent.clone().unwrap_or_else(|| filler.clone()));
        let (event, equipment, time) = (event_of(alert), alert.equipment(), time.trimmed().to_vec());
        let device = alert.device().map(|device| device.trimmed().to_vec()).unwrap_or_default();
        Some(Self { key: AlertKey { filler, event, phase, time, equipment }, continues, device })
    }

    /// Reports of one message that are read.
    pub const MAX_PER_MESSAGE: usize = 16;
}

/// The phase in one spelling, of several the most dangerous; a word that is no phase in lower case; empty
/// when there is none.
pub(super) fn phase_of(alert: &Alert<'_>) -> Vec<u8> {
    let stated = alert.facet(Facet::Phase);
    let Some(observation) = stated.observation() else { return Vec::new() };
    let value = observation.value();
    // Also of one that does not count: it is not that of a report without a phase.
    let of_void = || value.repetitions().flat_map(|value| positions_in(PHASES, value)).min();
    let known = stated.codes().first().or_else(|| PHASES.get(of_void()?));
    match known.copied() {
        Some("de-escalate") => b"deescalate".to_vec(),
        Some(phase) => phase.as_bytes().to_vec(),
        None => value.trimmed().to_ascii_lowercase(),
    }
}

/// The event as the key has it; empty when there is none.
pub(super) fn event_of(alert: &Alert<'_>) -> Vec<u8> {
    alert.event_term().map(event_code).unwrap_or_default()
}

/// OBX-14 of the event.
pub(super) fn own_time<'m>(alert: &Alert<'m>) -> Option<Field<'m>> {
    alert.event.map(|event| event.time()).filter(|time| !time.is_empty())
}

/// The equipment of an event: OBX-18, or the devices that participate in it.
pub(super) fn equipment_of(event: &Observation<'_>, participants: &[Field<'_>]) -> Vec<u8> {
    let own = event.equipment();
    if !own.is_empty() {
        return own.trimmed().to_vec();
    }
    participants.iter().map(Field::trimmed).collect::<Vec<_>>().join(&b'~')
}

/// The number, or the name where the sender has no number: `0^MDCX_...`.
fn event_code(term: Field<'_>) -> Vec<u8> {
    let [code, name] = [1, 2].map(|n| term.component(n).trimmed());
    let has_number = code.iter().any(|byte| *byte != b'0');
    if has_number || name.is_empty() { code.to_vec() } else { name.to_vec() }
}
