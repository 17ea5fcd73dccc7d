//! Whether the values of a segment match their types and tables.

use crate::hl7::{ContentError, Indexed, Location, MessageTime, Repetition};
use crate::pcd::{Observation, ObservationPath};

/// Checks one segment of that name and passes findings to `found`. `zoned`: whether MSH-7 has a time zone,
/// which then applies to every time in the message without one (HL7 2.6 ch. 2, 2.15.9.7).
pub(super) fn check(
    name: [u8; 3],
    fields: &Indexed<'_>,
    sequence: u32,
    zoned: bool,
    mut found: impl FnMut(&'static str, ContentError, Location),
) {
    let mut time = |n: u8| {
        let field = fields.field(n.into());
        let rule = match MessageTime::parse(field.trimmed()) {
            _ if field.is_empty() => return,
            Ok(time) if time.offset.is_some() || zoned => return,
            Ok(_) => "time-zone-missing",
            Err(_) => "time-malformed",
        };
        found(rule, ContentError::DataType, Location::field(name, sequence, n));
    };
    match &name {
        b"MSH" | b"OBR" => time(7),
        b"OBX" => {
            time(14);
            check_observation(fields, sequence, &mut found);
        }
        _ => {}
    }
}

/// OBX (appendix B.8).
fn check_observation(
    obx: &Indexed<'_>,
    sequence: u32,
    found: &mut impl FnMut(&'static str, ContentError, Location),
) {
    let mut add = |rule, error, n| found(rule, error, Location::field(*b"OBX", sequence, n));
    let (kind, value) = (obx.field(2), obx.field(5));
    if kind.is_empty() {
        if !value.is_empty() {
            add("obx-value-type-missing", ContentError::RequiredField, 2);
        }
    } else if !VALUE_TYPES.contains(&kind.trimmed()) {
        add("obx-value-type-unknown", ContentError::TableValue, 2);
    } else if !value.is_empty() && !value.repetitions().all(|value| is_of_type(kind.trimmed(), value)) {
        add("obx-value-not-of-its-type", ContentError::DataType, 5);
    }
    let path = obx.field(4);
    if !path.is_empty() && ObservationPath::read(path).is_err() {
        add("obx-path-malformed", ContentError::DataType, 4);
    }
    let units = obx.field(6);
    let coded = |n| UNIT_SYSTEMS.contains(&units.component(n).trimmed());
    if !units.is_empty() && !coded(3) && !coded(6) {
        add("obx-units-coding-system", ContentError::TableValue, 6);
    }
    let status = obx.field(11);
    if !status.is_empty() && !STATUSES.contains(&status.trimmed()) {
        add("obx-status-unknown", ContentError::TableValue, 11);
    }
}

/// Whether a value has the form of its type; text and codes always do.
fn is_of_type(kind: &[u8], value: Repetition<'_>) -> bool {
    let whole = value.raw().trim_ascii();
    match kind {
        b"NM" => whole.is_empty() || is_number(whole),
        b"NA" => value.components().all(|number| number.is_empty() || is_number(number.trimmed())),
        b"SN" => [2, 4].into_iter().all(|n| {
            let number = value.component(n);
            number.is_empty() || is_number(number.trimmed())
        }),
        b"DT" => whole.len() <= 8 && MessageTime::parse(whole).is_ok(),
        b"DTM" | b"TS" => MessageTime::parse(value.component(1).trimmed()).is_ok(),
        _ => true,
    }
}

/// NM (HL7 2.6 ch. 2A): a sign, digits, a point, digits; no exponent.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let points = digits.iter().filter(|byte| **byte == b'.').count();
    points <= 1 && digits.len() > points && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Whether the value of a facet is in its table, alone or as a code with its text.
pub(super) fn in_table(facet: &Observation<'_>, table: &[&str]) -> bool {
    let value = facet.value();
    let known = |word: &[u8]| table.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
    known(value.component(1).trimmed()) || known(value.component(2).trimmed())
}

/// The part of HL7 table 0125 that devices use.
const VALUE_TYPES: [&[u8]; 16] = [
    b"NM", b"SN", b"ST", b"TX", b"FT", b"CWE", b"CE", b"CNE", b"CF", b"DT", b"TM", b"DTM", b"TS", b"NA",
    b"ED", b"EI",
];

/// HL7 table 0085.
const STATUSES: [&[u8]; 15] =
    [b"F", b"R", b"X", b"P", b"C", b"D", b"I", b"N", b"O", b"S", b"U", b"W", b"A", b"B", b"V"];

/// The coding systems of units (appendix B.8, OBX-6).
const UNIT_SYSTEMS: [&[u8]; 2] = [b"MDC", b"UCUM"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    #[test]
    fn values_are_checked_against_their_types() {
        let fits = |kind: &str, value: &str| {
            let text = format!("MSH|^~\\&|\rOBX|1|{kind}||1|{value}\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            let observation = message.segments().find_map(Observation::of).unwrap();
            observation.value().repetitions().all(|value| is_of_type(kind.as_bytes(), value))
        };
        for (kind, value) in [
            ("NM", "98.60"),
            ("NM", "-.5"),
            ("NM", "+7~8"),
            ("NA", "12^123^^-4.5"),
            ("SN", ">^100"),
            ("SN", "^1^:^128"),
            ("DTM", "20091028123702"),
            ("TS", "20091028123702+0100^S"),
            ("DT", "20091028"),
            ("ST", "anything"),
        ] {
            assert!(fits(kind, value), "{kind} {value}");
        }
        for (kind, value) in [
            ("NM", "1e3"),
            ("NM", "."),
            ("NM", "1.2.3"),
            ("NM", "5~x"),
            ("NA", "1^x"),
            ("SN", ">^many"),
            ("DTM", "12:30"),
            ("DT", "200910281237"),
        ] {
            assert!(!fits(kind, value), "{kind} {value}");
        }
    }
}
