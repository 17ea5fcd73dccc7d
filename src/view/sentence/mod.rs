//! An alert in one sentence, as a nurse would report it.
//!
//! The sentence has no free text of the message, because that may name the patient: it has plain names of
//! terms, reference ids, numbers, and words of tables. What the sender withdrew (OBX-11 `W`, `D`) counts for
//! nothing, and the sentence says so; it also says where a value, its limits or the priority is missing.

mod measured;
mod name;
mod words;

use self::measured::measured;
use self::name::{name, number};
pub(super) use self::words::Stated;
use self::words::{
    ABNORMALITIES, INACTIVATIONS, KINDS, PHASES, PRIORITIES, STATES, is_withdrawn, valid, word, words,
};
use crate::hl7::Header;
use crate::pcd::{Alert, Observation};

/// The alert, as `HR high, 165 /min (limits 50–120), high priority, physiological, start, audio on`.
pub(super) fn sentence(alert: &Alert<'_>, header: &Header<'_>) -> String {
    let (event, names_measured) = event(alert);
    let mut parts = vec![event];
    parts.extend(measured(alert, names_measured));
    parts.push(priority(alert).map_or("priority not stated".to_owned(), |stated| stated.named("priority")));
    parts.extend(kind(alert).map(|stated| stated.named("type")));
    parts.extend(course(alert));
    let mut sentence = parts.join(", ");
    let mode = not_production(header);
    if alert.observations().any(|observation| observation.is_not_clinical()) {
        sentence.insert_str(0, "NOT CLINICAL (test or demonstration): ");
    } else if let Some(mode) = mode {
        sentence.insert_str(0, &format!("NOT CLINICAL ({mode}, MSH-11): "));
    }
    if alert.event.is_some_and(|event| is_withdrawn(&event)) {
        sentence.insert_str(0, "WITHDRAWN by the sender: ");
    }
    sentence
}

/// What MSH-11 says of a message that is not of production (HL7 table 0103).
pub(super) fn not_production(header: &Header<'_>) -> Option<&'static str> {
    match header.processing_id().component(1).trimmed() {
        b"T" => Some("training"),
        b"D" => Some("debugging"),
        _ => None,
    }
}

/// The priority, in its facet or in OBX-8 of the event.
pub(super) fn priority(alert: &Alert<'_>) -> Option<Stated> {
    Stated::read(alert.priority, &flags(alert), PRIORITIES)
}

/// The type, in its facet or in OBX-8 of the event.
pub(super) fn kind(alert: &Alert<'_>) -> Option<Stated> {
    Stated::read(alert.kind, &flags(alert), KINDS)
}

/// The event, and whether it has the name of the measured value already.
fn event(alert: &Alert<'_>) -> (String, bool) {
    let subject = subject(alert);
    let (term, own) = (alert.event_term(), alert.event.map(|event| event.identifier()));
    // That it is an alarm names no event: the number of a vendor says more.
    let named = term.and_then(name).or_else(|| number(term).is_none().then(|| own.and_then(name)).flatten());
    let flag = flags(alert).iter().find_map(|flag| word(flag, ABNORMALITIES));
    match (named, subject, flag) {
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
    measured.or_else(|| name(valid(alert.source)?.value()))
}

/// Phase, state and signals.
fn course(alert: &Alert<'_>) -> Vec<String> {
    let one = |facet: Option<Observation<'_>>, table| {
        valid(facet).and_then(|facet| words(facet, table).pop()).unwrap_or_default()
    };
    let (phase, state) = (one(alert.phase, PHASES), one(alert.state, STATES));
    let is_active = matches!(state, "active" | "latched");
    let has_ended = matches!(phase, "end" | "stop");
    let mut parts = vec![phase.to_owned()];
    parts.push(match state {
        // An active alert is the usual one, until it ends.
        "active" if has_ended => "condition still active".to_owned(),
        "active" => String::new(),
        state => state.to_owned(),
    });
    let mut signals = valid(alert.inactivation).map(|facet| words(facet, INACTIVATIONS)).unwrap_or_default();
    // Nothing sounds after the end.
    signals.retain(|signal| *signal != "audio on" || !has_ended || is_active);
    parts.push(signals.join(" and "));
    for (facet, withdrawn) in [
        (alert.phase, "phase withdrawn"),
        (alert.state, "state withdrawn"),
        (alert.inactivation, "state of the signals withdrawn"),
    ] {
        if facet.is_some_and(|facet| is_withdrawn(&facet)) {
            parts.push(withdrawn.to_owned());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// OBX-8 of the event: abnormality, priority and type in any order.
fn flags<'m>(alert: &Alert<'m>) -> Vec<&'m [u8]> {
    let fields = alert.event.map(|event| event.flags());
    let repetitions = fields.into_iter().flat_map(|field| field.repetitions());
    repetitions.map(|flag| flag.component(1).trimmed()).collect()
}

#[cfg(test)]
mod tests;
