//! Rules of an infusion order (PCD-03, 3.3.4.4) beyond single required fields.

use super::finding::Finding;
use crate::hl7::{ContentError, Field, Location, Message};
use crate::pcd::Observation;
use crate::pcd::nomenclature::{Coded, unit_contradicts_itself};

/// Checks the gives of an order and passes findings to `found`.
pub(super) fn check(message: &Message<'_>, mut found: impl FnMut(Finding)) {
    let mut sequences = [0; UNITS.len()];
    let mut changes = false;
    let mut gives = 0;
    let mut names_pump = false;
    for segment in message.segments() {
        if segment.is(b"ORC") {
            changes = segment.field(1).trimmed() == CHANGE;
        }
        for ((name, fields, is_quantity), sequence) in UNITS.iter().zip(&mut sequences) {
            if segment.is(*name) {
                *sequence += 1;
                for n in fields.iter().filter(|n| has_contradicting_unit(segment.field(**n), *is_quantity)) {
                    let location = Location::field(**name, *sequence, u8::try_from(*n).unwrap_or_default());
                    found(Finding::advice("order-unit-contradiction", ContentError::TableValue, location));
                }
            }
        }
        if segment.is(b"RXG") {
            gives += 1;
            // 3.3.4.4.5: which of them a pump needs depends on its kind, which the message does not state.
            let mut advise = |rule, error, n| {
                found(Finding::advice(rule, error, Location::field(*b"RXG", gives, n)));
            };
            if changes && !segment.field(5).is_empty() {
                advise("rxg-amount-unexpected", ContentError::TableValue, 5);
            }
            if [15, 16].into_iter().any(|n| segment.field(n).is_empty()) {
                advise("rxg-rate-missing", ContentError::RequiredField, 15);
            }
        }
        if let Some(observation) = Observation::of(segment) {
            let term = [observation.code().trimmed(), observation.name().trimmed()];
            names_pump |= PUMP.iter().any(|pump| term.contains(pump));
        }
    }
    if !names_pump {
        let location = Location::segment(*b"OBX", 1);
        found(Finding::violation("order-pump-missing", ContentError::SegmentSequence, location));
    }
}

/// Whether the code and the name of a unit do not belong together, in a CWE or in the second component of a
/// CQ.
fn has_contradicting_unit(field: Field<'_>, is_quantity: bool) -> bool {
    field.repetitions().any(|one| {
        let unit = one.component(2);
        let mut parts: Vec<_> =
            if is_quantity { unit.subcomponents().collect() } else { one.components().take(3).collect() };
        parts.truncate(3);
        let mut texts = parts.iter().map(|part| std::str::from_utf8(part.trimmed()).unwrap_or_default());
        let [code, name, system] = [(); 3].map(|()| texts.next().unwrap_or_default());
        unit_contradicts_itself(Coded { code, name, system })
    })
}

/// The units of an order: segment, fields, and whether the unit is that of a quantity (CQ).
const UNITS: [(&[u8; 3], &[usize], bool); 3] =
    [(b"RXG", &[7, 16, 18, 24, 33], false), (b"RXC", &[4, 6], false), (b"TQ1", &[2, 6, 13], true)];

/// ORC-1: the order changes a running infusion.
const CHANGE: &[u8] = b"XO";

/// MDC_DEV_PUMP_INFUS_VMD, under which OBX-18 names the pump.
const PUMP: [&[u8]; 2] = [b"69986", b"MDC_DEV_PUMP_INFUS_VMD"];
