//! An alert in one sentence, as a nurse would report it.
//!
//! The sentence has no free text of the message, because that may name the patient: it has plain names of
//! terms, reference ids, numbers, and words of tables.

use std::fmt::Write as _;

use crate::hl7::Field;
use crate::pcd::nomenclature::{Coded, find_term, find_unit, plain_term};
use crate::pcd::{Alert, Observation};

/// The alert, as `HR high, 165 /min (limits 50–120), high priority, physiological, start, audio on`.
pub(super) fn sentence(alert: &Alert<'_>) -> String {
    let (event, names_measured) = event(alert);
    let mut parts = vec![event];
    parts.extend(measured(alert, names_measured));
    let flags = flags(alert);
    parts.extend(facet_or_flag(alert.priority, &flags, PRIORITIES).map(|word| format!("{word} priority")));
    parts.extend(facet_or_flag(alert.kind, &flags, KINDS).map(str::to_owned));
    parts.extend(alert.phase.and_then(|phase| words(phase, PHASES).pop()).map(str::to_owned));
    parts.extend(alert.state.and_then(|state| words(state, STATES).pop()).map(str::to_owned));
    let inactivation = alert.inactivation.map(|facet| words(facet, INACTIVATIONS)).unwrap_or_default();
    parts.extend((!inactivation.is_empty()).then(|| inactivation.join(" and ")));
    let mut sentence = parts.join(", ");
    if alert.observations().any(|observation| observation.is_not_clinical()) {
        sentence.insert_str(0, "NOT CLINICAL (test or demonstration): ");
    }
    let event_status = alert.event.map(|event| event.status().trimmed()).unwrap_or_default();
    if matches!(event_status, b"D" | b"W") {
        sentence.insert_str(0, "WITHDRAWN by the sender: ");
    }
    sentence
}

/// The event, and whether it has the name of the measured value already.
fn event(alert: &Alert<'_>) -> (String, bool) {
    let subject = subject(alert);
    let (term, own) = (alert.event_term(), alert.event.map(|event| event.identifier()));
    let name = [term, own].into_iter().flatten().find_map(name);
    let flag = flags(alert).iter().find_map(|flag| word(flag, ABNORMALITIES));
    match (name, subject, flag) {
        (Some(name), Some(subject), _) if matches!(&*name, "high" | "low") => {
            (format!("{subject} {name}"), true)
        }
        (Some(name), None, _) if matches!(&*name, "high" | "low") => (format!("value {name}"), false),
        (Some(name), ..) => (name, false),
        (None, Some(subject), Some(flag)) => (format!("{subject} {flag}"), true),
        (None, ..) => (number(term).map_or("alarm".to_owned(), |number| format!("event {number}")), false),
    }
}

/// What the alert is about: the measured term, or its source.
fn subject(alert: &Alert<'_>) -> Option<String> {
    let measured = alert.measured.and_then(|measured| name(measured.identifier()));
    measured.or_else(|| name(alert.source?.value()))
}

/// The measured value with its unit and limits, or the source of an alert without one.
fn measured(alert: &Alert<'_>, is_named: bool) -> Option<String> {
    let Some(measured) = alert.measured.filter(|measured| !is_attribute(measured)) else {
        return alert
            .source
            .filter(|_| !is_named)
            .and_then(|source| name(source.value()))
            .map(|source| format!("source {source}"));
    };
    let mut text = if is_named { String::new() } else { name(measured.identifier())? };
    if let Some(value) = numeric(measured.value()) {
        let space = if text.is_empty() { "" } else { " " };
        let unit =
            find_unit(Coded::of(measured.units(), 1)).or_else(|| find_unit(Coded::of(measured.units(), 4)));
        let _ = match unit {
            Some(unit) if unit.plain().is_empty() => write!(text, "{space}{value}"),
            Some(unit) => write!(text, "{space}{value} {}", unit.plain()),
            None if measured.units().is_empty() => write!(text, "{space}{value}"),
            None => write!(text, "{space}{value} in an unknown unit"),
        };
    }
    if let Some(limits) = numeric(measured.range()) {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}(limits {})", range(&limits));
    }
    (!text.is_empty()).then_some(text)
}

/// The plain name of a term; `None` for a text that is no term.
fn name(field: Field<'_>) -> Option<String> {
    [1, 4].into_iter().find_map(|first| {
        let term = Coded::of(field, first);
        let is_known = find_term(term).is_some() || is_reference(term.name) || is_reference(term.code);
        is_known.then(|| plain_term(term).to_string())
    })
}

/// Whether a text is a reference id of the nomenclature, or of a vendor's extension of it.
fn is_reference(text: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    ["MDC_", "MDCX_"].iter().any(|prefix| text.strip_prefix(prefix).is_some_and(letters)) && text.len() <= 64
}

fn number(term: Option<Field<'_>>) -> Option<String> {
    let code = term?.component(1).trimmed();
    let is_number = !code.is_empty() && code.len() <= 10 && code.iter().all(u8::is_ascii_digit);
    is_number.then(|| String::from_utf8_lossy(code).into_owned())
}

/// Attributes, such as those of the patient, are no measured value.
fn is_attribute(observation: &Observation<'_>) -> bool {
    let [code, name] = [observation.code(), observation.name()].map(|part| part.trimmed());
    let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<u32>().ok());
    [&b"MDC_ATTR_"[..], b"MDCX_ATTR_"].iter().any(|prefix| name.starts_with(prefix))
        || code.is_some_and(|code| (1 << 16..2 << 16).contains(&code))
}

/// A number, a range or a bound, as it came; `None` for anything else.
fn numeric(field: Field<'_>) -> Option<String> {
    let parts: String =
        (1..=4).map(|n| String::from_utf8_lossy(field.component(n).trimmed()).into_owned()).collect();
    let is_numeric = parts
        .chars()
        .all(|letter| matches!(letter, '0'..='9' | '.' | '+' | '-' | '<' | '>' | '=' | ':' | ' '));
    (is_numeric && parts.len() <= 32 && parts.bytes().any(|byte| byte.is_ascii_digit())).then_some(parts)
}

/// `50-120` with a dash between its numbers.
fn range(limits: &str) -> String {
    let is_dash = |at: usize| {
        let before = limits.get(..at).unwrap_or_default().trim_end();
        before.ends_with(|letter: char| letter.is_ascii_digit())
    };
    match limits.char_indices().find(|(at, letter)| *letter == '-' && is_dash(*at)) {
        Some((at, _)) => {
            let (low, high) = limits.split_at(at);
            format!("{}–{}", low.trim(), high.get(1..).unwrap_or_default().trim())
        }
        None => limits.trim().to_owned(),
    }
}

/// OBX-8 of the event: abnormality, priority and type in any order.
fn flags<'m>(alert: &Alert<'m>) -> Vec<&'m [u8]> {
    let fields = alert.event.map(|event| event.flags());
    let repetitions = fields.into_iter().flat_map(|field| field.repetitions());
    repetitions.map(|flag| flag.component(1).trimmed()).collect()
}

fn facet_or_flag(
    facet: Option<Observation<'_>>,
    flags: &[&[u8]],
    table: &'static [(&str, &'static str)],
) -> Option<&'static str> {
    let of_facet = facet.and_then(|facet| words(facet, table).pop());
    of_facet.or_else(|| flags.iter().find_map(|flag| word(flag, table)))
}

/// The words of the repetitions of OBX-5 that are in a table; an empty word stands for nothing to say.
fn words(facet: Observation<'_>, table: &'static [(&str, &'static str)]) -> Vec<&'static str> {
    let of = |value: crate::hl7::Repetition<'_>| {
        [1, 2].into_iter().find_map(|n| word(value.component(n).trimmed(), table))
    };
    facet.value().repetitions().filter_map(of).filter(|word| !word.is_empty()).collect()
}

fn word(value: &[u8], table: &'static [(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(code, _)| code.as_bytes().eq_ignore_ascii_case(value)).map(|(_, word)| *word)
}

/// Table B.8.5-2, MDC_ATTR_ALARM_PRIORITY.
const PRIORITIES: &[(&str, &str)] =
    &[("PH", "high"), ("PM", "medium"), ("PL", "low"), ("PN", "no"), ("PI", "information")];

/// The same, MDC_ATTR_ALERT_TYPE.
const KINDS: &[(&str, &str)] = &[("SP", "physiological"), ("ST", "technical"), ("SA", "advisory")];

const ABNORMALITIES: &[(&str, &str)] = &[("H", "high"), ("HH", "high"), ("L", "low"), ("LL", "low")];

/// Table B.8.5-4.
const PHASES: &[(&str, &str)] = &[
    ("tpoint", "single event"),
    ("start", "start"),
    ("start_only", "start (no end follows)"),
    ("continue", "continues"),
    ("end", "end"),
    ("present", "present"),
    ("update", "update"),
    ("escalate", "escalated"),
    ("deescalate", "de-escalated"),
    ("de-escalate", "de-escalated"),
    ("stop", "stop"),
    ("reset", "reset"),
    ("inactivate", "inactivated"),
    ("acknowledged", "acknowledged"),
];

/// An active alert is the usual one.
const STATES: &[(&str, &str)] =
    &[("active", ""), ("inactive", "condition over"), ("latched", "latched"), ("off", "alarm off")];

const INACTIVATIONS: &[(&str, &str)] = &[
    ("enabled", "audio on"),
    ("audio-paused", "audio paused"),
    ("audio-off", "audio off"),
    ("alarm-paused", "alarm paused"),
    ("alarm-off", "alarm off"),
    ("alert-acknowledged", "acknowledged"),
    ("acknowledged", "acknowledged"),
];
