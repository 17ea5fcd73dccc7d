//! Whether the values of a segment match their types and tables.

use super::finding::Finding;
use crate::hl7::{ContentError, Indexed, Location, MessageTime, Repetition};
use crate::pcd::nomenclature::{self, Coded, UnitAgreement};
use crate::pcd::{Observation, ObservationPath};

/// Which rules the values of a transaction follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Those of a device: OBX-4 is a path, and units are MDC or UCUM (appendix B.8).
    Observed,
    /// Those of a report with a document (3.9.4.1.2).
    Document,
}

impl Values {
    /// Checks one segment of that name and passes findings to `found`. `zoned`: whether MSH-7 has a time
    /// zone, which then applies to every time in the message without one (HL7 2.6 ch. 2, 2.14.9.7).
    pub(super) fn check(
        self,
        name: [u8; 3],
        fields: &Indexed<'_>,
        sequence: u32,
        zoned: bool,
        mut found: impl FnMut(Finding),
    ) {
        let mut time = |n: u8| {
            let field = fields.field(n.into());
            let rule = match MessageTime::parse(field.trimmed()) {
                _ if field.is_empty() => return,
                Ok(time) if time.offset.is_some() || zoned => return,
                Ok(_) => "time-zone-missing",
                Err(_) => "time-malformed",
            };
            found(Finding::violation(rule, ContentError::DataType, Location::field(name, sequence, n)));
        };
        match &name {
            b"MSH" | b"OBR" => time(7),
            b"OBX" => {
                time(14);
                self.check_observation(fields, sequence, &mut found);
                if self == Self::Observed {
                    check_position(fields, sequence, &mut found);
                    check_term(fields, sequence, &mut found);
                }
            }
            _ => {}
        }
    }

    /// OBX (appendix B.8).
    fn check_observation(self, obx: &Indexed<'_>, sequence: u32, found: &mut impl FnMut(Finding)) {
        let mut add =
            |rule, error, n| found(Finding::violation(rule, error, Location::field(*b"OBX", sequence, n)));
        let (kind, value, status) = (obx.field(2), obx.field(5), obx.field(11));
        // Table B.8-1: a segment without a result (X) may lack it.
        let may_lack = status.trimmed() == b"X" || (value.is_empty() && self == Self::Document);
        if kind.is_empty() {
            if !may_lack {
                add("obx-value-type-missing", ContentError::RequiredField, 2);
            }
        } else if !VALUE_TYPES.contains(&kind.trimmed()) {
            add("obx-value-type-unknown", ContentError::TableValue, 2);
        } else if !value.is_empty() && !value.repetitions().all(|value| is_of_type(kind.trimmed(), value)) {
            add("obx-value-not-of-its-type", ContentError::DataType, 5);
        }
        if !status.is_empty() && !STATUSES.contains(&status.trimmed()) {
            add("obx-status-unknown", ContentError::TableValue, 11);
        }
    }
}

/// OBX-4 and OBX-6 of a device.
fn check_position(obx: &Indexed<'_>, sequence: u32, found: &mut impl FnMut(Finding)) {
    let mut add =
        |rule, error, n| found(Finding::violation(rule, error, Location::field(*b"OBX", sequence, n)));
    let path = obx.field(4);
    if !path.is_empty() && ObservationPath::read(path).is_err() {
        add("obx-path-malformed", ContentError::DataType, 4);
    }
    let units = obx.field(6);
    let coded = |n| UNIT_SYSTEMS.contains(&units.component(n).trimmed());
    if !units.is_empty() && !coded(3) && !coded(6) {
        add("obx-units-coding-system", ContentError::TableValue, 6);
    }
}

/// Whether the term is one term, and the unit of a number one of its units. Neither the Technical Framework
/// nor NIST's profiles refuse another unit, so all of this is advice.
fn check_term(obx: &Indexed<'_>, sequence: u32, found: &mut impl FnMut(Finding)) {
    let mut advise =
        |rule, error, n| found(Finding::advice(rule, error, Location::field(*b"OBX", sequence, n)));
    let [term, units] = [3, 6].map(|n| [1, 4].map(|first| Coded::of(obx.field(n), first)));
    if term.into_iter().any(nomenclature::contradicts_itself) {
        advise("obx-term-contradiction", ContentError::TableValue, 3);
    }
    if term.into_iter().any(|term| nomenclature::named_otherwise(term).is_some()) {
        advise("obx-term-text", ContentError::TableValue, 3);
    }
    // The event of an alert is a term in OBX-5.
    let is_coded = CODED_TYPES.contains(&obx.field(2).trimmed());
    if is_coded
        && [1, 4]
            .map(|first| Coded::of(obx.field(5), first))
            .into_iter()
            .any(nomenclature::contradicts_itself)
    {
        advise("obx-term-contradiction", ContentError::TableValue, 5);
    }
    if units.into_iter().any(nomenclature::unit_contradicts_itself) {
        advise("obx-unit-contradiction", ContentError::TableValue, 6);
    }
    if !NUMERIC_TYPES.contains(&obx.field(2).trimmed()) || obx.field(5).is_empty() {
        return;
    }
    if obx.field(6).is_empty() {
        // Table B.8-1; NIST's profiles do not require it.
        advise("obx-units-missing", ContentError::RequiredField, 6);
    } else if units.into_iter().any(|unit| {
        let agreements = term.map(|term| nomenclature::unit_agreement(term, unit));
        agreements.contains(&UnitAgreement::Disagrees) && !agreements.contains(&UnitAgreement::Agrees)
    }) {
        advise("obx-units-unusual", ContentError::TableValue, 6);
    }
}

/// Whether OBX-5 has the form of the type that OBX-2 names.
#[must_use]
pub fn has_value_of_its_type(observation: &Observation<'_>) -> bool {
    let (kind, value) = (observation.value_type().trimmed(), observation.value());
    value.is_empty() || value.trimmed() == b"\"\"" || value.repetitions().all(|value| is_of_type(kind, value))
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
        b"TM" => is_time_of_day(whole),
        b"DTM" | b"TS" => MessageTime::parse(value.component(1).trimmed()).is_ok(),
        _ => true,
    }
}

/// TM (HL7 2.6 ch. 2A): the part of a time behind its day.
fn is_time_of_day(text: &[u8]) -> bool {
    let time = [b"20000101", text].concat();
    text.len() >= MIN_TIME
        && text.iter().take(MIN_TIME).all(u8::is_ascii_digit)
        && MessageTime::parse(&time).is_ok()
}

/// NM (HL7 2.6 ch. 2A): a sign, digits, a point, digits; no exponent.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let points = digits.iter().filter(|byte| **byte == b'.').count();
    points <= 1 && digits.len() > points && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Digits of a time of the day: its hour.
const MIN_TIME: usize = 2;

/// HL7 table 0125, with PL, which NIST's table of IHE PCD has, and the types of earlier versions.
const VALUE_TYPES: [&[u8]; 40] = [
    b"AD", b"CD", b"CE", b"CF", b"CK", b"CN", b"CNE", b"CP", b"CQ", b"CWE", b"CX", b"DR", b"DT", b"DTM",
    b"ED", b"EI", b"FC", b"FT", b"ID", b"IS", b"JCC", b"MA", b"MO", b"NA", b"NM", b"PL", b"PN", b"RP", b"SI",
    b"SN", b"ST", b"TM", b"TN", b"TS", b"TX", b"XAD", b"XCN", b"XON", b"XPN", b"XTN",
];

/// The types of numbers.
const CODED_TYPES: [&[u8]; 4] = [b"CE", b"CF", b"CNE", b"CWE"];

const NUMERIC_TYPES: [&[u8]; 3] = [b"NM", b"NA", b"SN"];

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
            ("TM", "14"),
            ("TM", "2359"),
            ("TM", "120000.25+0100"),
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
            ("TM", "2561"),
            ("TM", "12:30"),
            ("TM", "+0100"),
        ] {
            assert!(!fits(kind, value), "{kind} {value}");
        }
    }
}
