//! Which parts of a message identify a patient, so that they are hidden unless a caller asks for them.
//!
//! Devices send patient data in the segments of HL7 that are made for it, and as observations: the terms
//! `MDC_ATTR_PT_*` of ISO/IEEE 11073-10101. A sender may write such a term by its number, by its reference
//! id, in either component, as the alternative of a term of its own, in any case, or with escape sequences.
//! Each of them counts. To hide too much is safe here, to hide too little is not.

use super::code::code_number;
use crate::hl7::{EscapeReading, Field, Segment};
use crate::model::work::count;

/// The reference id of the patient term in a coded element (OBX-3), if any of its codes, texts and
/// alternatives is one; `MDC_ATTR_PT` for one that the table does not have, and for several.
#[must_use]
pub fn patient_term(field: Field<'_>) -> Option<&'static str> {
    let parts = field
        .repetitions()
        .flat_map(|repetition| repetition.components())
        .flat_map(|component| component.subcomponents());
    // No escape sequence stands for more bytes than it has.
    let terms = parts.filter(|part| part.raw().len() >= MIN_BYTES).filter_map(|part| {
        count(part.raw().len());
        let others = if part.has_escape() { &EscapeReading::OTHERS[..] } else { &[] };
        let readings = std::iter::once(EscapeReading::Decoded).chain(others.iter().copied());
        readings.filter_map(|how| term(&part.read(how))).max_by_key(|name| *name != OTHER)
    });
    let (mut found, mut are_several) = (None, false);
    for term in terms {
        match found {
            Some(known) if known != OTHER => are_several |= term != OTHER && term != known,
            _ => found = Some(term),
        }
    }
    // A number and a name that contradict each other are neither.
    found.map(|term| if are_several { OTHER } else { term })
}

/// Whether a segment is about a patient, or a person close to the patient, as a whole.
#[must_use]
pub fn is_about_patient(segment: &Segment<'_>) -> bool {
    let id = segment.id().to_ascii_uppercase();
    SEGMENTS.contains(&id.as_slice())
}

/// What in the text of a code stands for patient data.
fn term(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text);
    let digits: String = text.chars().filter(|character| !character.is_control()).collect();
    let number = code_number(&digits);
    if let Some((_, name)) = number.and_then(|number| TERMS.iter().find(|(known, _)| *known == number)) {
        return Some(name);
    }
    let letters = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
    };
    let name: String = letters(&text);
    let known = || TERMS.iter().map(|(_, known)| *known).find(|known| letters(known) == name);
    let is_patient = name.contains(REFERENCE) || WORDS.iter().any(|word| name.contains(word));
    is_patient.then(|| known().unwrap_or(OTHER))
}

/// The terms `MDC_ATTR_PT_*`, with their numbers (the list of NIST's IHE PCD validation tool, January 2025:
/// usnistgov/hit-pcd-message-validation, `mdccodes.csv`).
const TERMS: [(u32, &str); 31] = [
    (67926, "MDC_ATTR_PT_BSA"),
    (67927, "MDC_ATTR_PT_DEMOG_ST"),
    (67928, "MDC_ATTR_PT_DOB"),
    (67929, "MDC_ATTR_PT_GEN_INFO"),
    (67930, "MDC_ATTR_PT_ID"),
    (67931, "MDC_ATTR_PT_NAME"),
    (67932, "MDC_ATTR_PT_NAME_FAMILY"),
    (67933, "MDC_ATTR_PT_NAME_GIVEN"),
    (67934, "MDC_ATTR_PT_NAME_BIRTH"),
    (67935, "MDC_ATTR_PT_NAME_MIDDLE"),
    (67936, "MDC_ATTR_PT_NAME_TITLE"),
    (67937, "MDC_ATTR_PT_SEX"),
    (67938, "MDC_ATTR_PT_TYPE"),
    (68056, "MDC_ATTR_PT_AGE"),
    (68057, "MDC_ATTR_PT_AGE_GEST"),
    (68058, "MDC_ATTR_PT_BIRTH_LENGTH"),
    (68059, "MDC_ATTR_PT_BIRTH_WEIGHT"),
    (68060, "MDC_ATTR_PT_HEIGHT"),
    (68061, "MDC_ATTR_PT_NAME_MOTHER"),
    (68062, "MDC_ATTR_PT_RACE"),
    (68063, "MDC_ATTR_PT_WEIGHT"),
    (68123, "MDC_ATTR_PT_DEMOG_REF_LIST"),
    (68124, "MDC_ATTR_PT_DEMOG_ST_SYNCH"),
    (68125, "MDC_ATTR_PT_DEMOG_DATA_LIST"),
    (68126, "MDC_ATTR_PT_PACED_MODE"),
    (68135, "MDC_ATTR_PT_BODY_POSN"),
    (68137, "MDC_ATTR_PT_LBM"),
    (188_792, "MDC_ATTR_PT_WEIGHT_LAST"),
    (188_793, "MDC_ATTR_PT_WEIGHT_LAST_MAX"),
    (188_794, "MDC_ATTR_PT_WEIGHT_LAST_MIN"),
    (188_795, "MDC_ATTR_PT_WEIGHT_LAST_MEAN"),
];

/// Bytes of the shortest text that stands for patient data: a number of the table. A sender decides how many
/// shorter parts a field has.
const MIN_BYTES: usize = 5;
/// A patient term that the table does not have.
const OTHER: &str = "MDC_ATTR_PT";
/// The letters that all reference ids of patient data have in common, also those of vendors
/// (`MDCX_ATTR_PT_…`).
const REFERENCE: &str = "ATTRPT";
/// What senders without such a term call it.
const WORDS: [&str; 9] = [
    "PATIENTNAME",
    "NAMEOFPATIENT",
    "PATIENTID",
    "PATIENTSNAME",
    "DATEOFBIRTH",
    "BIRTHDATE",
    "PATIENTDOB",
    "PATIENTMRN",
    "MEDICALRECORDNUMBER",
];

/// The patient, relatives, guarantors, insurance, visits, and clinical findings about the patient.
const SEGMENTS: [&[u8]; 24] = [
    b"PID", b"PD1", b"PD2", b"PDA", b"NK1", b"PV1", b"PV2", b"MRG", b"GT1", b"IN1", b"IN2", b"IN3", b"ACC",
    b"UB1", b"UB2", b"AL1", b"DG1", b"DRG", b"PR1", b"FAM", b"ARV", b"OH1", b"ROL", b"CTD",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn found(term: &str) -> Option<&'static str> {
        let text = format!("MSH|^~\\&|\rOBX|1|ST|{term}|1.0.0.1|x\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        message.segment(b"OBX").and_then(|obx| patient_term(obx.field(3)))
    }

    #[test]
    fn patient_data_is_found_by_number_and_by_name_wherever_it_stands() {
        for (number, name) in TERMS {
            assert_eq!(found(&format!("{number}^{name}^MDC")), Some(name));
            assert_eq!(found(&format!("{number}")), Some(name), "the number alone");
            assert_eq!(found(&format!("0{number}^^MDC")), Some(name), "leading zero");
            assert_eq!(found(&format!("{name}^68000^MDC")), Some(name), "swapped, with a wrong number");
            assert_eq!(found(&format!("X^Y^L^{number}^^MDC")), Some(name), "alternative code");
            assert_eq!(found(&format!("X^Y^L^Z^{}^MDC", name.to_lowercase())), Some(name), "lower case");
            assert_eq!(found(&format!("1^X^MDC~{number}^X^MDC")), Some(name), "second repetition");
            assert_eq!(found(&format!(" X&{number} ")), Some(name), "subcomponent");
        }
    }

    #[test]
    fn a_number_and_a_name_of_two_terms_are_neither() {
        assert_eq!(found("68061^MDC_ATTR_PT_SEX^MDC"), Some(OTHER));
        assert_eq!(found("68056^MDC_ATTR_PT_NAME^MDC^68056^MDC_ATTR_PT_AGE"), Some(OTHER));
        assert_eq!(found("67931^MDC_ATTR_PT_NAME^MDC^Patient name"), Some("MDC_ATTR_PT_NAME"));
    }

    #[test]
    fn escapes_blanks_and_vendor_names_do_not_hide_a_patient_term() {
        for term in [
            r"\X36\7931^^MDC",
            r"67931\H\^^MDC",
            r"0^MDC_ATTR_\H\PT_NAME^MDC",
            r"X^MDC_ATTR\Zq\_PT\N\_NAME^MDC",
            r"X^\x4D\DC_ATTR_PT_NAME^MDC",
            r"X^MDC_ATTR_PT_NAME\C2842\^MDC",
            r"0^X^MDC^67931\.br\",
            r"67931\X00\^^MDC",
            "67931.0^^MDC",
            r"^\X4D\DC_ATTR_PT_NAME^MDC",
            " 67931 ^ ^MDC",
            "^MDC ATTR PT NAME",
            "^mdc-attr-pt-name",
        ] {
            assert_eq!(found(term), Some("MDC_ATTR_PT_NAME"), "{term}");
        }
        for term in
            ["1^MDCX_ATTR_PT_SSN^MDC", "1^MNDRY_ATTR_PT_BED^99MNDRY", "1^Patient Name^L", "8^Date of birth"]
        {
            assert_eq!(found(term), Some(OTHER), "{term}");
        }
    }

    #[test]
    fn device_data_and_alarms_are_not_patient_data() {
        for term in [
            "150456^MDC_PULS_OXIM_SAT_O2^MDC",
            "70833^MDC_DEV_INFANT_MICROENV_TEMP_PATIENT_MDS^MDC",
            "196616^MDC_EVT_ALARM^MDC",
            "67972^MDC_ATTR_SYS_ID^MDC",
            "679310^X^MDC",
            "^MDC_EVT_PATIENT_DISCONN^MDC",
        ] {
            assert_eq!(found(term), None, "{term}");
        }
    }
}
