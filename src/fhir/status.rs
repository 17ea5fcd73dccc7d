//! OBX-11 and OBX-8: the status of an observation, why there is no value, and what is to be known of it.

use super::datatypes::{CodeableConcept, Coding};
use super::text;
use crate::hl7::{CharacterSet, Header};
use crate::pcd::{Facet, Observation, Standing, find_word};

/// `Observation.status` (HL7 table 0085, as v2-to-FHIR maps it; the codes that it leaves out as IHE PCD uses
/// them: what no person has verified is preliminary).
pub(super) fn status(observation: &Observation<'_>) -> &'static str {
    find_word(&observation.status_code(), STATUSES).unwrap_or("unknown")
}

/// Why an observation has no valid value; `None` when it may have one.
pub(super) fn absent_reason(observation: &Observation<'_>) -> Option<CodeableConcept> {
    let of_flag = || observation.flag_words().find_map(|flag| find_word(&flag, ABSENT_BY_FLAG));
    if !Standing::of(observation).is_void() && of_flag().is_none() {
        return None;
    }
    let of_status = || find_word(&observation.status_code(), ABSENT_BY_STATUS);
    // The flags say more than that a result cannot be obtained.
    let code = of_status().filter(|code| *code != "unknown").or_else(of_flag).or_else(of_status);
    Some(absent(code.unwrap_or("unknown")))
}

/// Why the value of an observation is missing that has none in OBX-5.
pub(super) fn missing_reason(observation: &Observation<'_>) -> CodeableConcept {
    let of_flag = observation.flag_words().find_map(|flag| find_word(&flag, ABSENT_BY_FLAG));
    absent(of_flag.unwrap_or("unknown"))
}

/// A code of the reasons for missing data.
pub(super) fn absent(code: &'static str) -> CodeableConcept {
    Coding::new(ABSENT_REASONS, code, "").into()
}

/// `interpretation`: what OBX-8 says, but for tests, missing data, and the priority and the type of an alert.
pub(super) fn interpretation(
    observation: &Observation<'_>,
    characters: CharacterSet,
) -> Vec<CodeableConcept> {
    let mut found: Vec<CodeableConcept> = Vec::new();
    for flag in observation.flag_words().filter(|flag| !flag.is_empty()) {
        let known = |table| find_word(&flag, table);
        let elsewhere = known(TESTS).is_some()
            || known(ABSENT_BY_FLAG).is_some()
            || [Facet::Priority, Facet::Kind].into_iter().any(|facet| is_code_of(facet, &flag));
        let concept = if elsewhere {
            None
        } else if let Some(code) = known(INTERPRETATIONS) {
            Some(Coding::new(INTERPRETATION, code, "").into())
        } else if let Some(code) = known(MEASUREMENT_STATUSES) {
            Some(Coding::new(MEASUREMENT_STATUS, code, "").into())
        } else {
            text::string(&characters.decode(&flag)).map(CodeableConcept::text)
        };
        found.extend(concept.filter(|concept| !found.contains(concept)));
    }
    found
}

fn is_code_of(facet: Facet, flag: &[u8]) -> bool {
    facet.codes().iter().any(|code| code.as_bytes().eq_ignore_ascii_case(flag))
}

/// That the platform doubts a value.
pub(super) fn questionable() -> CodeableConcept {
    Coding::new(MEASUREMENT_STATUS, "questionable", "").into()
}

/// The comparator of a value at the end of the scale (OBX-8 `<` and `>`).
pub(super) fn comparator(observation: &Observation<'_>) -> Option<&'static str> {
    observation.flag_words().find_map(|flag| find_word(&flag, COMPARATORS))
}

/// `meta.security`: HTEST for tests and demonstrations (OBX-8), and for messages that are not of production
/// (MSH-11).
pub(super) fn security(is_test: bool) -> Vec<Coding> {
    let code = is_test.then(|| Coding::new(ACT_REASON, "HTEST", "test health data"));
    code.into_iter().collect()
}

/// Whether MSH-11 says that a message is of training or debugging (HL7 table 0103).
pub(super) fn is_not_production(header: &Header<'_>) -> bool {
    let mode = header.processing_id().component(1).shown_text();
    mode.eq_ignore_ascii_case(b"T") || mode.eq_ignore_ascii_case(b"D")
}

const STATUSES: &[(&str, &str)] = &[
    ("A", "amended"),
    ("B", "amended"),
    ("C", "corrected"),
    ("D", "entered-in-error"),
    ("F", "final"),
    ("I", "registered"),
    ("N", "cancelled"),
    ("O", "registered"),
    ("P", "preliminary"),
    ("R", "preliminary"),
    ("S", "preliminary"),
    ("U", "final"),
    ("V", "final"),
    ("W", "entered-in-error"),
    ("X", "cancelled"),
];

const ABSENT_BY_STATUS: &[(&str, &str)] = &[
    ("D", "error"),
    ("W", "error"),
    ("I", "temp-unknown"),
    ("N", "not-asked"),
    ("O", "not-applicable"),
    ("X", "unknown"),
];

/// The guide `hl7.fhir.uv.pocd`, mapping of the measurement status and of missing data.
const ABSENT_BY_FLAG: &[(&str, &str)] = &[
    ("INV", "error"),
    ("NAV", "not-performed"),
    ("OFF", "not-performed"),
    ("BUSY", "temp-unknown"),
    ("NI", "unknown"),
];

const TESTS: &[(&str, &str)] = &[("TEST", "HTEST"), ("DEMO", "HTEST")];

/// HL7 table 0078, as far as IHE PCD uses it (TF vol. 2, B.8).
const INTERPRETATIONS: &[(&str, &str)] = &[
    ("N", "N"),
    ("L", "L"),
    ("LL", "LL"),
    ("H", "H"),
    ("HH", "HH"),
    ("A", "A"),
    ("AA", "AA"),
    ("<", "<"),
    (">", ">"),
];

/// The same guide. It spells the code of ALINH in two ways; this is that of its CodeSystem.
const MEASUREMENT_STATUSES: &[(&str, &str)] = &[
    ("QUES", "questionable"),
    ("CAL", "calibration-ongoing"),
    ("CALIB", "calibration-ongoing"),
    ("EARLY", "early-indication"),
    ("ALACT", "in-alarm"),
    ("ALINH", "alarm-inhibited"),
];

const COMPARATORS: &[(&str, &str)] = &[("<", "<"), (">", ">")];

const ABSENT_REASONS: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
const MEASUREMENT_STATUS: &str = "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status";
