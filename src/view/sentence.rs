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
    let has_number = code.len() <= 10 && code.iter().any(|digit| *digit != b'0');
    let is_number = has_number && code.iter().all(u8::is_ascii_digit);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn sentences(observations: &str) -> Vec<String> {
        let text = format!(
            "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rPID|||SECRET||SECRET^SECRET\r\
            OBR|1||E1|196616^MDC_EVT_ALARM^MDC\r{observations}"
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        Alert::all_of(&message).iter().map(sentence).collect()
    }

    fn facets(phase: &str, state: &str, inactivation: &str) -> String {
        format!(
            "OBX|7|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|{phase}\r\
            OBX|8|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|{state}\r\
            OBX|9|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.1.5|{inactivation}\r"
        )
    }

    #[test]
    fn a_numeric_alarm_is_one_sentence() {
        let alarm = format!(
            "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
            OBX|2|CWE|196648^MDC_EVT_HI^MDC|1.1.1.1.1|HR SECRET|||H~PH~SP|||F\r\
            OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|165|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120\r{}",
            facets("start", "active", "enabled")
        );
        let expected = "HR high, 165 /min (limits 50–120), high priority, physiological, start, audio on";
        assert_eq!(sentences(&alarm), [expected]);
        let facet = alarm.replace("H~PH~SP", "H") + "OBX|10|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC||PL\r";
        assert!(sentences(&facet)[0].contains(", low priority, start"), "{:?}", sentences(&facet));
    }

    #[test]
    fn an_alarm_with_an_event_of_its_own_has_its_value_or_its_source() {
        let tachycardia = format!(
            "OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.5.0.1.1|199728^MDC_EVT_ECG_TACHY^MDC|||H~PH~SP\r\
            OBX|4|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.5.0.1.2|180|/min^/min^UCUM|>140\r{}",
            facets("continue", "latched", "audio-paused~acknowledged")
        );
        let expected = "Tachycardia, HR 180 /min (limits >140), high priority, physiological, continues, \
            latched, audio paused and acknowledged";
        assert_eq!(sentences(&tachycardia), [expected]);
        let occlusion = format!(
            "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.0.0.0.1|196940^MDC_EVT_FLUID_LINE_OCCL^MDC^^^^^^SECRET|||ST\r\
            OBX|2|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.0.0.0.2|69985^MDC_DEV_PUMP_INFUS_MDS^MDC\r{}",
            facets("end", "inactive", "")
        );
        let found = sentences(&occlusion).remove(0);
        assert!(
            found.starts_with("Occlusion, source ") && found.ends_with(", technical, end, condition over"),
            "{found}"
        );
    }

    /// Free text may name the patient.
    #[test]
    fn a_sentence_has_no_free_text() {
        for (observation, expected) in [
            ("OBX|1|ST|0^SECRET^L|1.1.1.1.1|SECRET|SECRET|SECRET|SECRET", "alarm, start, audio on"),
            ("OBX|1|ST|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|56^SECRET^L", "event 56, start, audio on"),
            (
                "OBX|1|CWE|0^MDCX_DOCUMENTATION_ERROR^MDC|1.1.1.1.1|SECRET",
                "MDCX_DOCUMENTATION_ERROR, start, audio on",
            ),
            (
                "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\rOBX|2|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.1.1.1.2|81",
                "Weight low, start, audio on",
            ),
            (
                "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r\
                OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1.2|SECRET|SECRET^SECRET|SECRET",
                "SpO2 low, start, audio on",
            ),
            (
                "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r\
                OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1.2|88|SECRET^SECRET|-5--2",
                "SpO2 low, 88 in an unknown unit (limits -5–-2), start, audio on",
            ),
        ] {
            let found = sentences(&format!("{observation}\r{}", facets("start", "active", "enabled")));
            assert_eq!(found, [expected], "{observation}");
        }
    }

    #[test]
    fn what_is_not_clinical_or_not_valid_begins_with_it() {
        let of = |flags: &str, status: &str| {
            let event = format!("OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x|||{flags}|||{status}\r");
            sentences(&format!("{event}{}", facets("start", "active", "enabled"))).remove(0)
        };
        assert!(of("TEST~L", "F").starts_with("NOT CLINICAL"));
        assert!(of("L", "D").starts_with("WITHDRAWN") && of("L", "W").starts_with("WITHDRAWN"));
        assert!(of("L", "F").starts_with("value low"));
    }
}
