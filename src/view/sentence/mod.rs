//! An alert in one sentence, as a nurse would report it.
//!
//! The sentence has no text of the message, because that may name the patient, or say what is not so: it has
//! plain names and reference ids of the tables, numbers, and words of tables. What has no valid value
//! (withdrawn, not obtained, invalid; [`Standing`]) counts for nothing, and the sentence says so; it also
//! says where a value, its limits, the phase, the state or the priority is missing.

mod measured;
mod name;
mod plain_number;
mod words;

use self::measured::measured;
use self::name::{in_mdc, name, number};
pub(super) use self::words::InWords;
use self::words::{ABNORMALITIES, valid, word};
use crate::hl7::{Field, Header};
use crate::pcd::{Alert, Facet, KnownPatient, Observation, Standing};

/// The alert, as `HR high, 165 /min (limits 50–120), high priority, physiological, start, audio on`.
pub(super) fn sentence(alert: &Alert<'_>, header: &Header<'_>, patient: &KnownPatient) -> String {
    let (event, names_measured) = event(alert, patient);
    let mut parts = vec![event];
    parts.extend(measured(alert, names_measured, patient));
    parts.push(or_missing(alert, Facet::Priority, "priority"));
    parts.extend(InWords::read(alert, Facet::Kind).map(|kind| kind.named("type")));
    parts.extend(course(alert));
    if alert.contradicts_itself {
        parts.push("a facet is stated twice, differently: see --tree".to_owned());
    }
    if alert.has_further_values {
        parts.push("and a further value: see --tree".to_owned());
    }
    if alert.is_reported_differently {
        parts.push("also reported differently in this message: see --tree".to_owned());
    }
    let is_repeated = |term: Field<'_>| term.repetitions().filter(|term| !term.is_empty()).count() > 1;
    if alert.has_further_events || alert.event_term().is_some_and(is_repeated) {
        parts.push("and a further event: see --tree".to_owned());
    }
    let mut sentence = parts.join(", ");
    let mode = not_production(header);
    if alert.observations().any(|observation| observation.is_not_clinical()) {
        sentence.insert_str(0, "NOT CLINICAL (test or demonstration): ");
    } else if let Some(mode) = mode {
        sentence.insert_str(0, &format!("NOT CLINICAL ({mode}, MSH-11): "));
    }
    if let Some(mode) = not_current(header) {
        sentence.insert_str(0, &format!("NOT CURRENT ({mode}, MSH-11): "));
    }
    if alert.event.is_some_and(|event| Standing::of(&event) == Standing::WITHDRAWN) {
        sentence.insert_str(0, "WITHDRAWN by the sender: ");
    }
    sentence
}

/// What MSH-11 says of a message that is not of production (HL7 table 0103).
pub(super) fn not_production(header: &Header<'_>) -> Option<&'static str> {
    word(&header.processing_id().component(1).shown_text(), MODES)
}

/// What it says of a message that is not of now (HL7 table 0207).
pub(super) fn not_current(header: &Header<'_>) -> Option<&'static str> {
    word(&header.processing_id().component(2).shown_text(), OLD_MODES)
}

/// The event with what speaks against it, and whether it has the name of the measured value already.
fn event(alert: &Alert<'_>, patient: &KnownPatient) -> (String, bool) {
    let (mut text, names_measured) = event_name(alert, patient);
    let standing = alert.event.map(|event| Standing::of(&event)).filter(|it| *it != Standing::WITHDRAWN);
    if let Some(mark) = standing.as_ref().and_then(Standing::mark) {
        text.push_str(&format!(" ({mark})"));
    }
    (text, names_measured)
}

fn event_name(alert: &Alert<'_>, patient: &KnownPatient) -> (String, bool) {
    let subject = subject(alert, patient);
    let (term, own) = (alert.event_term(), alert.event.map(|event| event.identifier()));
    let name = |field| name(field, "event", patient);
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
        (None, ..) => (number(term).map_or("alarm".to_owned(), |number| unnamed(&number, patient)), false),
    }
}

/// An event with a number and nothing else. Without a coding system it may be a vendor's.
fn unnamed(number: &str, patient: &KnownPatient) -> String {
    match in_mdc(number) {
        Some(name) => format!("event {number} (in MDC: {name})"),
        None => format!("event {}", patient.hide(number.to_owned())),
    }
}

/// What the alert is about: the measured term, or its source.
fn subject(alert: &Alert<'_>, patient: &KnownPatient) -> Option<String> {
    let measured = alert.measured_term().and_then(|term| name(term, "term", patient));
    measured.or_else(|| name(valid(alert.facet(Facet::Source).observation())?.value(), "term", patient))
}

/// Phase, state and signals.
fn course(alert: &Alert<'_>) -> Vec<String> {
    let phase = or_missing(alert, Facet::Phase, "phase");
    let state = or_missing(alert, Facet::State, "state");
    let has_ended = matches!(&*phase, "end" | "stop");
    let goes_on = state.starts_with("active") || state.starts_with("latched");
    let signals = InWords::read(alert, Facet::Inactivation);
    let signals = signals.map_or_else(|| NO_SIGNALS.to_owned(), |it| it.named("state of the signals"));
    // Nothing sounds after the end.
    let may_sound = ["audio on", NO_SIGNALS].contains(&&*signals);
    let signals = Some(signals).filter(|_| !may_sound || !has_ended || goes_on);
    // An active alert is the usual one, until it ends.
    let state = match &*state {
        "active" if has_ended => Some("condition still active".to_owned()),
        "active" => None,
        _ => Some(state),
    };
    [Some(phase), state, signals].into_iter().flatten().collect()
}

fn or_missing(alert: &Alert<'_>, facet: Facet, what: &str) -> String {
    InWords::read(alert, facet).map_or_else(|| format!("{what} not stated"), |stated| stated.named(what))
}

/// OBX-8 of the event: abnormality, priority and type in any order.
fn flags<'m>(alert: &Alert<'m>) -> Vec<&'m [u8]> {
    let fields = alert.event.map(|event: Observation<'m>| event.flags());
    let repetitions = fields.into_iter().flat_map(|field| field.repetitions());
    repetitions.map(|flag| flag.component(1).trimmed()).collect()
}

const NO_SIGNALS: &str = "signals not stated";
/// HL7 table 0103, without production.
const MODES: &[(&str, &str)] = &[("T", "training"), ("D", "debugging")];
/// HL7 table 0207, without current processing.
const OLD_MODES: &[(&str, &str)] =
    &[("A", "from an archive"), ("R", "restored from an archive"), ("I", "an initial load")];

#[cfg(test)]
mod several_tests;
#[cfg(test)]
mod tests;
