//! The words and terms of alerts (IHE PCD TF vol. 2, tables B.8.5-1 to B.8.5-4).

use crate::hl7::{Field, Repetition};
use crate::pcd::Observation;

/// Whether an observation is a heartbeat: MDC_EVT_WATCHDOG (DEV-53), or MDC_ATTR_CONFIRM_TIMEOUT, with which
/// some gateways state their interval.
#[must_use]
pub fn is_heartbeat(observation: &Observation<'_>) -> bool {
    let places = [observation.code().trimmed(), observation.name().trimmed()];
    places.iter().any(|place| WATCHDOGS.contains(place))
}

/// Whether a coded field names an event: its number is in the partition of events of ISO/IEEE 11073-10101, or
/// its reference id begins with `MDC_EVT_`.
pub(super) fn names_event(term: Field<'_>) -> bool {
    let [code, name, system] = [1, 2, 3].map(|n| term.component(n).trimmed());
    let may_be_mdc = system.is_empty() || system.eq_ignore_ascii_case(b"MDC");
    [code, name].into_iter().any(|place| {
        let is_number = may_be_mdc && number(place).is_some_and(|number| EVENTS.contains(&number));
        is_number || EVENT_PREFIXES.iter().any(|prefix| place.starts_with(prefix))
    })
}

/// Whether a coded field is MDC_EVT_ALARM: OBR-4 of an alert, and OBX-3 of an event that OBX-5 names. Older
/// senders write `ALARM^ALARM`.
pub(super) fn is_alarm(term: Field<'_>) -> bool {
    (1..=2).any(|n| ALARM.contains(&term.component(n).trimmed()))
}

/// Whether a coded field has no number but zeros, and no name but one of a heartbeat.
pub(super) fn names_nothing(term: Field<'_>) -> bool {
    let [code, name] = [1, 2].map(|n| term.component(n).trimmed());
    let is_heartbeat = name.is_empty() || name.windows(8).any(|part| part.eq_ignore_ascii_case(b"WATCHDOG"));
    code.iter().all(|digit| *digit == b'0') && is_heartbeat
}

/// Whether an observation has no valid value: by its status (OBX-11), or by OBX-8.
pub(super) fn is_void(observation: &Observation<'_>) -> bool {
    let is_one_of = |text: &[u8], words: &[&[u8]]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    is_one_of(&observation.status_code(), &VOID_STATUSES)
        || observation.flag_words().any(|flag| is_one_of(&flag, &VOID_FLAGS))
}

/// Whether an observation corrects one that was sent before (OBX-11 `C`).
pub(super) fn is_correction(observation: &Observation<'_>) -> bool {
    observation.status_code().eq_ignore_ascii_case(b"C")
}

/// Where a table has the words of a value: alone, or as a code with its text, whatever its case and escape
/// sequences. Senders that write two words (`end^start`) say two things.
pub(super) fn positions_in<'m>(
    table: &'static [&'static str],
    value: Repetition<'m>,
) -> impl Iterator<Item = usize> + use<'m> {
    value.components().filter_map(|word| position_of(table, &word.shown_text()))
}

/// Where a table has a code.
pub(super) fn position_of(table: &[&str], code: &[u8]) -> Option<usize> {
    table.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(code))
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Event phases (MDC_ATTR_EVENT_PHASE, table B.8.5-4), what asks for most attention first. The prose also
/// writes `de-escalate`.
pub(super) const PHASES: &[&str] = &[
    "escalate",
    "start",
    "start_only",
    "tpoint",
    "present",
    "continue",
    "update",
    "deescalate",
    "de-escalate",
    "acknowledged",
    "inactivate",
    "reset",
    "stop",
    "end",
];

/// Phases with which an alert begins (B.7, OBR-29). A report without a phase is the only one of its alert.
pub(super) const ONSETS: &[&[u8]] = &[b"start", b"start_only", b"tpoint", b"present", b""];

/// Alarm states (MDC_ATTR_ALARM_STATE, table B.8.5-2), in the same order.
pub(super) const STATES: &[&str] = &["active", "latched", "off", "inactive"];

/// Inactivation states (MDC_ATTR_ALARM_INACTIVATION_STATE, table B.8.5-2): the more is silent, the earlier.
/// The text of B.8.5 writes `acknowledged`, the table `alert-acknowledged`.
pub(super) const INACTIVATIONS: &[&str] = &[
    "alarm-off",
    "audio-off",
    "alarm-paused",
    "audio-paused",
    "alert-acknowledged",
    "acknowledged",
    "enabled",
];

/// MDC_ATTR_ALARM_PRIORITY (table B.8.5-2), the highest first.
pub(super) const PRIORITIES: &[&str] = &["PH", "PM", "PL", "PU", "PI", "PN"];

/// MDC_ATTR_ALERT_TYPE (the same table).
pub(super) const KINDS: &[&str] = &["SP", "ST", "SA"];

/// MDC_EVT_WATCHDOG has two numbers in the nomenclature.
const WATCHDOGS: [&[u8]; 5] =
    [b"198200", b"198201", b"MDC_EVT_WATCHDOG", b"67860", b"MDC_ATTR_CONFIRM_TIMEOUT"];

const ALARM: [&[u8]; 3] = [b"196616", b"MDC_EVT_ALARM", b"ALARM"];

const VOID_STATUSES: [&[u8]; 6] = [b"W", b"D", b"X", b"I", b"N", b"O"];
const VOID_FLAGS: [&[u8]; 2] = [b"INV", b"NAV"];

const EVENT_PREFIXES: [&[u8]; 2] = [b"MDC_EVT_", b"MDCX_EVT_"];

/// Partition 3 of the nomenclature.
const EVENTS: std::ops::Range<u32> = 3 << 16..4 << 16;
