//! The OBR of alerts.

use std::collections::HashMap;

use super::filler::Filler;
use super::terms::is_alarm;
use crate::hl7::{Field, Segment};

/// What an OBR says of its alerts. It is read once: it may have any number of them, and any length.
pub(super) struct Request<'m> {
    /// OBR-3.
    pub(super) filler: Option<Filler>,
    /// The same for OBRs with the same OBR-3.
    pub(super) filler_number: Option<usize>,
    /// OBR-7.
    pub(super) time: Field<'m>,
    /// OBR-29.2: the number of the alert that its reports continue.
    pub(super) parent: Option<Filler>,
    /// OBR-4 is MDC_EVT_ALARM.
    pub(super) is_alarm: bool,
}

/// Numbers the different OBR-3 of a message.
#[derive(Default)]
pub(super) struct FillerNumbers(HashMap<Filler, usize>);

impl<'m> Request<'m> {
    pub(super) fn read(obr: Segment<'m>, numbers: &mut FillerNumbers) -> Self {
        let filler = Filler::of_request(obr);
        let next = numbers.0.len();
        Self {
            filler_number: filler.clone().map(|filler| *numbers.0.entry(filler).or_insert(next)),
            filler,
            time: obr.field(7),
            parent: Filler::read(obr.field(29).component(2).subcomponents()),
            is_alarm: is_alarm(obr.field(4)),
        }
    }
}
