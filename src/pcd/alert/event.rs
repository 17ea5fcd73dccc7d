//! Which observation of an alert is its event (IHE PCD TF vol. 2, table B.8.5-1, facet 1).
//!
//! Observations of the device and its parts may precede it, and attributes of them. The measured value, facet
//! 2, is not the event either.

use super::facet::facet;
use super::terms::{is_alarm, is_heartbeat, names_event};
use crate::hl7::Field;
use crate::pcd::{Level, Observation};

/// How surely an observation is the event; the first of the surest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// It is marked as absent (OBX-11 `X`), but has the term of an event.
    MarkedAbsent,
    /// It is the first facet, but its term is not known as one of an event: vendors have their own.
    FirstFacet,
    /// It has the term of an event.
    EventTerm,
    /// Both.
    Sure,
}

/// How surely `observation` is the event of its alert; `None` when it is not.
pub(super) fn certainty(observation: &Observation<'_>) -> Option<Certainty> {
    if is_heartbeat(observation) || facet(observation).is_some() {
        return None;
    }
    let is_first_facet = facet_number(observation) == Some(1);
    if is_alarm(observation.identifier()) || names_event(observation.identifier()) {
        return Some(match (is_absent(observation), is_first_facet) {
            (true, _) => Certainty::MarkedAbsent,
            (false, true) => Certainty::Sure,
            (false, false) => Certainty::EventTerm,
        });
    }
    let may_be = is_first_facet && !is_structure(observation) && !is_number(observation);
    may_be.then_some(Certainty::FirstFacet)
}

/// Whether an observation describes the device or a part of it: it is no content of the alert.
fn is_structure(observation: &Observation<'_>) -> bool {
    is_absent(observation)
        || observation.path().is_ok_and(|path| path.level() < Level::Metric)
        || names_part(observation)
}

/// Whether the term is that of a device or of a part of it.
pub(super) fn names_part(observation: &Observation<'_>) -> bool {
    let name = observation.name().trimmed();
    [&b"_MDS"[..], b"_VMD", b"_CHAN"].iter().any(|end| name.ends_with(end))
}

/// The last number of OBX-4, when it has five: the facet.
pub(super) fn facet_number(observation: &Observation<'_>) -> Option<u32> {
    observation.path().ok()?.facet()
}

/// The field that names the event: OBX-5 where OBX-3 only says that it is an alarm, or where OBX-5 has the
/// term of an event.
pub(super) fn event_term<'m>(event: &Observation<'m>) -> Field<'m> {
    let (term, value) = (event.identifier(), event.value());
    let is_in_value = !value.is_empty() && (is_alarm(term) || (!names_event(term) && names_event(value)));
    if is_in_value { value } else { term }
}

/// Whether the event has an alternate term of another event (CWE-4 and CWE-5).
pub(super) fn has_other_term(event: &Observation<'_>) -> bool {
    let term = event_term(event);
    let part = |n| term.component(n).trimmed();
    let is_number =
        |code: &[u8]| code.iter().any(|digit| *digit != b'0') && code.iter().all(u8::is_ascii_digit);
    let differs = |own: &[u8], other: &[u8]| !own.is_empty() && !other.is_empty() && own != other;
    let is_other =
        differs(part(2), part(5)) && part(5).starts_with(b"MDC_EVT_") && part(2).starts_with(b"MDC_EVT_")
            || is_number(part(1)) && is_number(part(4)) && differs(part(1), part(4)) && part(6) == part(3);
    is_other && names_event(term)
}

fn is_absent(observation: &Observation<'_>) -> bool {
    observation.status_code().eq_ignore_ascii_case(b"X")
}

fn is_number(observation: &Observation<'_>) -> bool {
    matches!(observation.value_type().trimmed(), b"NM" | b"NA" | b"SN")
}
