//! Coded elements (CWE) as `CodeableConcept`.

use super::datatypes::{CodeableConcept, Coding};
use super::text;
use super::vital_signs::{self, LOINC};
use crate::hl7::{CharacterSet, Field, Repetition};
use crate::pcd::nomenclature::{Coded, contradicts_itself, find_term, named_otherwise};

/// A coded element.
#[derive(Debug, Clone)]
pub(super) struct Concept {
    pub(super) concept: CodeableConcept,
    /// The number in MDC.
    pub(super) mdc: Option<u32>,
    /// Whether it names two terms: a number and the reference id of another one, or an alternate term that is
    /// another one. The concept is then a text without codes.
    pub(super) is_contradictory: bool,
    /// Whether its number has another text than the name of the term. The concept has the number, and the
    /// text as it was sent.
    pub(super) is_named_otherwise: bool,
}

/// The concept in the first repetition of a field; `None` when it is empty.
pub(super) fn concept(field: Field<'_>, characters: CharacterSet) -> Option<Concept> {
    of_repetition(field.repetitions().next()?, characters)
}

/// The concept in a field that may have only one; with a second one it is contradictory, and a text of both.
pub(super) fn only(field: Field<'_>, characters: CharacterSet) -> Option<Concept> {
    let differs = |other: &Repetition<'_>| {
        !other.is_empty()
            && field.repetitions().next().is_some_and(|first| first.trimmed() != other.trimmed())
    };
    match field.repetitions().skip(1).find(differs) {
        None => concept(field, characters),
        Some(_) => Some(contradictory(text::all(field, characters)?)),
    }
}

/// A field that may have several concepts: one of them with its codes, several as a text.
pub(super) fn several(field: Field<'_>, characters: CharacterSet) -> Option<CodeableConcept> {
    let mut found = field.repetitions().filter_map(|one| of_repetition(one, characters));
    let first = found.next()?;
    if found.next().is_none() {
        return Some(first.concept);
    }
    text::all(field, characters).map(CodeableConcept::text)
}

fn contradictory(words: String) -> Concept {
    let concept = CodeableConcept::text(words);
    Concept { concept, mdc: None, is_contradictory: true, is_named_otherwise: false }
}

/// The concept in one repetition of a field; `None` when it is empty.
pub(super) fn of_repetition(one: Repetition<'_>, characters: CharacterSet) -> Option<Concept> {
    if one.trimmed().is_empty() {
        return None;
    }
    let part = |n: usize| text::component(one.component(n), characters);
    let triplets: Vec<[Option<String>; 3]> =
        TRIPLETS.iter().map(|first| [part(*first), part(first + 1), part(first + 2)]).collect();
    let coded = triplets.iter().map(as_coded);
    let is_contradictory = coded.clone().any(|coded| contradicts_itself(coded) || has_other_number(&coded))
        || names_two_terms(coded.clone());
    let original = part(ORIGINAL_TEXT);
    if is_contradictory {
        let words: Vec<_> = triplets.iter().flatten().flatten().map(String::as_str).collect();
        return Some(contradictory(words.join(" ")));
    }
    let otherwise = coded.clone().find(|coded| named_otherwise(*coded).is_some());
    let mdc = coded.clone().find_map(|coded| mdc_number(&coded));
    let mut coding: Vec<Coding> = Vec::new();
    for found in coded.clone().filter_map(coding_of) {
        let is_known = |known: &Coding| known.system == found.system && known.code == found.code;
        if !coding.iter().any(is_known) {
            coding.push(found);
        }
    }
    let named =
        || coded.clone().find_map(|coded| text::string(coded.name).or_else(|| text::string(coded.code)));
    let written = || otherwise.and_then(|coded| text::string(coded.name));
    let text = original.or_else(written).or_else(|| if coding.is_empty() { named() } else { None });
    let concept = CodeableConcept { coding, text };
    let is_named_otherwise = otherwise.is_some();
    (concept != CodeableConcept::default()).then_some(Concept {
        concept,
        mdc,
        is_contradictory,
        is_named_otherwise,
    })
}

/// The number of a term, written or known by its reference id.
fn mdc_number(coded: &Coded<'_>) -> Option<u32> {
    let written = || coded.code.parse().ok().filter(|number| *number > 0);
    is_mdc(coded)
        .then(|| find_term(*coded).map(|term| own_number(coded, term.code())).or_else(written))
        .flatten()
}

/// Events have two numbers; the table has one of them.
fn own_number(coded: &Coded<'_>, of_table: u32) -> u32 {
    coded.code.parse().ok().filter(|number| *number > 0).unwrap_or(of_table)
}

fn as_coded([code, name, system]: &[Option<String>; 3]) -> Coded<'_> {
    let [code, name, system] = [code, name, system].map(|part| part.as_deref().unwrap_or_default());
    if system.is_empty() && name == "MDC" {
        // `AMEAS^MDC`, as some senders write methods.
        return Coded { code, name: "", system: name };
    }
    Coded { code, name, system }
}

/// Whether a measurement has a number that is not its own. Events have two numbers, devices those of vendors.
fn has_other_number(coded: &Coded<'_>) -> bool {
    let number = coded.code.parse().ok().filter(|number: &u32| *number > 0);
    is_mdc(coded)
        && find_term(*coded).is_some_and(|term| {
            MEASUREMENTS.contains(&term.code()) && number.is_some_and(|number| number != term.code())
        })
}

/// Whether two alternatives name two terms: of MDC, or two vital signs of which one may be in LOINC.
fn names_two_terms<'a>(coded: impl Iterator<Item = Coded<'a>> + Clone) -> bool {
    let mut terms = coded.clone().filter_map(find_term);
    if terms.next().is_some_and(|first| terms.any(|other| other != first)) {
        return true;
    }
    let mut signs = coded.map(|coded| {
        let mdc = mdc_number(&coded);
        vital_signs::all_of(mdc, Some(coded.code).filter(|_| coded.system.eq_ignore_ascii_case("LN")))
    });
    let mut signs = signs.by_ref().filter(|found| !found.is_empty());
    let Some(first) = signs.next() else { return false };
    signs.any(|other| other.iter().all(|sign| !first.contains(sign)))
}

fn coding_of(coded: Coded<'_>) -> Option<Coding> {
    let is_its_name = |name: &String| name != coded.code && named_otherwise(coded).is_none();
    let display = || text::string(coded.name).filter(is_its_name);
    if is_mdc(&coded) {
        let number = mdc_number(&coded)?;
        return Some(Coding { system: Some(MDC), code: Some(number.to_string()), display: display() });
    }
    let system =
        SYSTEMS.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(coded.system)));
    let code = text::code(coded.code)?;
    Some(Coding { system: system.map(|(_, uri)| *uri), code: Some(code), display: display() })
}

fn is_mdc(coded: &Coded<'_>) -> bool {
    coded.system.eq_ignore_ascii_case("MDC") || (coded.system.is_empty() && coded.name.starts_with("MDC"))
}

/// A term in an id: its number in MDC, or else what was sent.
pub(super) fn term_key(term: Option<&Concept>) -> String {
    let Some(term) = term else { return String::new() };
    if let Some(mdc) = term.mdc {
        return mdc.to_string();
    }
    let code = term.concept.coding.first().and_then(|coding| coding.code.as_deref());
    code.or(term.concept.text.as_deref()).unwrap_or_default().to_uppercase()
}

/// ISO/IEEE 11073-10101.
pub(super) const MDC: &str = "urn:iso:std:iso:11073:10101";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// Coding systems as HL7 v2 names them (table 0396), and their URIs.
const SYSTEMS: [(&[&str], &str); 3] =
    [(&["LN"], LOINC), (&["SCT", "SNOMED-CT", "SCT2"], "http://snomed.info/sct"), (&["UCUM"], UCUM)];

/// Where the terms of a CWE begin (HL7 2.7).
const TRIPLETS: [usize; 3] = [1, 4, 10];
const ORIGINAL_TEXT: usize = 9;

/// Partition 2 of ISO/IEEE 11073-10101.
pub(super) const MEASUREMENTS: std::ops::Range<u32> = 2 << 16..3 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn read(term: &str) -> Concept {
        let text = format!("MSH|^~\\&|\rOBX|1||{term}\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        let field = message.segments().nth(1).unwrap().field(3);
        concept(field, message.text_encoding()).unwrap()
    }

    fn shown(term: &str) -> String {
        let Concept { concept, .. } = read(term);
        let codes = concept.coding.iter().map(|coding| {
            let system = coding.system.map_or("-", |uri| uri.rsplit([':', '/']).next().unwrap());
            format!(
                "{system}|{}|{}",
                coding.code.as_deref().unwrap(),
                coding.display.as_deref().unwrap_or("-")
            )
        });
        let codes: Vec<_> = codes.collect();
        format!("{} \"{}\"", codes.join(" "), concept.text.unwrap_or_default())
    }

    #[test]
    fn each_term_of_a_coded_element_is_a_coding() {
        for (term, expected) in [
            ("147842^MDC_ECG_HEART_RATE^MDC", "10101|147842|MDC_ECG_HEART_RATE \"\""),
            ("^MDC_ECG_HEART_RATE^MDC", "10101|147842|MDC_ECG_HEART_RATE \"\""),
            ("147842^MDC_ECG_HEART_RATE", "10101|147842|MDC_ECG_HEART_RATE \"\""),
            ("147842^^MDC^8867-4^Heart rate^LN", "10101|147842|- loinc.org|8867-4|Heart rate \"\""),
            ("2222^Dopamine", "-|2222|Dopamine \"\""),
            ("182777000^monitoring^SCT^^^^^^by bed", "sct|182777000|monitoring \"by bed\""),
            ("0^MDCX_OWN^MDC", " \"MDCX_OWN\""),
            ("^pump-status-infusing", " \"pump-status-infusing\""),
            ("999999^MDC_UNKNOWN^MDC", "10101|999999|MDC_UNKNOWN \"\""),
            ("150456^SpO2^MDC", "10101|150456|SpO2 \"\""),
            ("150456^Heart rate^MDC", "10101|150456|- \"Heart rate\""),
            ("AMEAS^MDC", " \"AMEAS\""),
            ("150364^MDC_TEMP_BODY^MDC^8310-5^^LN", "10101|150364|MDC_TEMP_BODY loinc.org|8310-5|- \"\""),
            ("149530^^MDC^8867-4^^LN", "10101|149530|- loinc.org|8867-4|- \"\""),
        ] {
            assert_eq!(shown(term), expected, "{term}");
        }
    }

    #[test]
    fn a_term_that_contradicts_itself_has_no_code() {
        for term in [
            "147842^MDC_PULS_OXIM_SAT_O2^MDC",
            "147842^MDC_ECG_HEART_RATE^MDC^150456^MDC_PULS_OXIM_SAT_O2^MDC",
            "150034^MDC_PREeSS_BLD_ART_DIA^MDC",
            "150456^MDC_PULS_OXIM_SAT_O2^MDC^8867-4^Heart rate^LN",
            "8310-5^Body temperature^LN^150456^MDC_PULS_OXIM_SAT_O2^MDC",
            "8867-4^^LN^59408-5^^LN",
            "9999999^MDC_PULS_OXIM_SAT_O2^MDC",
        ] {
            let Concept { concept, mdc, is_contradictory, .. } = read(term);
            assert!(is_contradictory && concept.coding.is_empty() && mdc.is_none(), "{term}");
        }
    }
}
