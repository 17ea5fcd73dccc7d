//! Rules of an infusion order (PCD-03, 3.3.4.4) beyond single required fields.

use super::finding::Finding;
use crate::hl7::{ContentError, Location, Message};
use crate::pcd::Observation;

/// Checks the gives of an order and passes findings to `found`.
pub(super) fn check(message: &Message<'_>, mut found: impl FnMut(Finding)) {
    let mut changes = false;
    let mut gives = 0;
    let mut names_pump = false;
    for segment in message.segments() {
        if segment.is(b"ORC") {
            changes = segment.field(1).trimmed() == CHANGE;
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

/// ORC-1: the order changes a running infusion.
const CHANGE: &[u8] = b"XO";

/// MDC_DEV_PUMP_INFUS_VMD, under which OBX-18 names the pump.
const PUMP: [&[u8]; 2] = [b"69986", b"MDC_DEV_PUMP_INFUS_VMD"];
