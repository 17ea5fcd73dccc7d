//! The words and terms of alerts (IHE PCD TF vol. 2, tables B.8.5-1 to B.8.5-4).

use crate::hl7::Field;
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

/// The word of a table, whatever its case.
pub(in crate::pcd) fn word(table: &[&'static str], value: &[u8]) -> Option<&'static str> {
    table.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(value)).copied()
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Event phases (MDC_ATTR_EVENT_PHASE, table B.8.5-4). The prose also writes `de-escalate`.
pub(in crate::pcd) const PHASES: &[&str] = &[
    "tpoint",
    "start",
    "start_only",
    "continue",
    "end",
    "present",
    "update",
    "escalate",
    "deescalate",
    "de-escalate",
    "stop",
    "reset",
    "inactivate",
    "acknowledged",
];

/// Phases with which an alert begins (B.7, OBR-29). A report without a phase is the only one of its alert.
pub(super) const ONSETS: &[&[u8]] = &[b"start", b"start_only", b"tpoint", b"present", b""];

/// Alarm states (MDC_ATTR_ALARM_STATE, table B.8.5-2).
pub(in crate::pcd) const STATES: &[&str] = &["off", "inactive", "active", "latched"];

/// Inactivation states (MDC_ATTR_ALARM_INACTIVATION_STATE, table B.8.5-2). The text of B.8.5 writes
/// `acknowledged`, the table `alert-acknowledged`.
pub(in crate::pcd) const INACTIVATIONS: &[&str] = &[
    "enabled",
    "audio-paused",
    "audio-off",
    "alarm-paused",
    "alarm-off",
    "alert-acknowledged",
    "acknowledged",
];

/// MDC_EVT_WATCHDOG has two numbers in the nomenclature.
const WATCHDOGS: [&[u8]; 5] =
    [b"198200", b"198201", b"MDC_EVT_WATCHDOG", b"67860", b"MDC_ATTR_CONFIRM_TIMEOUT"];

const ALARM: [&[u8]; 3] = [b"196616", b"MDC_EVT_ALARM", b"ALARM"];

const VOID_STATUSES: [&[u8]; 6] = [b"W", b"D", b"X", b"I", b"N", b"O"];
const VOID_FLAGS: [&[u8]; 2] = [b"INV", b"NAV"];

const EVENT_PREFIXES: [&[u8]; 2] = [b"MDC_EVT_", b"MDCX_EVT_"];

/// Partition 3 of the nomenclature.
const EVENTS: std::ops::Range<u32> = 3 << 16..4 << 16;
