//! The numbers of patients and orders in a message by which people search for it.

use super::patient::patient_term;
use crate::hl7::{CharacterSet, Component, Field, Message, Segment, with_separators};
use crate::model::{PatientKey, SearchKey, Searched};

/// The numbers by which a message is found. At most [`SearchTerms::MAX_EACH`] of patients and as many of
/// orders: each is a row of an index, and a sender decides how many it writes.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct SearchTerms {
    patients: Terms,
    orders: Terms,
}

/// Different numbers of one kind.
#[derive(Default, Clone, PartialEq, Eq)]
struct Terms {
    found: Vec<String>,
    /// Whether there are more.
    has_more: bool,
}

impl SearchTerms {
    /// Numbers of patients of one message, and of orders, that are found at most: the first ones.
    pub const MAX_EACH: usize = 8;

    /// Reads them: of patients PID-2, PID-3, PID-4, PID-18, PID-19, PV1-19, MRG-1, and observations that are
    /// a patient's number (`MDC_ATTR_PT_ID`); of orders ORC-2, ORC-3, OBR-2 and OBR-3.
    #[must_use]
    pub fn read(message: &Message<'_>, characters: CharacterSet) -> Self {
        let mut terms = Self::default();
        for segment in message.segments() {
            let id = segment.id();
            for (_, fields) in PATIENT_FIELDS.iter().filter(|(name, _)| id.eq_ignore_ascii_case(name)) {
                fields.iter().for_each(|n| add(&mut terms.patients, segment.field(*n), characters));
            }
            for (_, fields) in ORDER_FIELDS.iter().filter(|(name, _)| id.eq_ignore_ascii_case(name)) {
                fields.iter().for_each(|n| add(&mut terms.orders, segment.field(*n), characters));
            }
            if is_patient_id(&segment) {
                add(&mut terms.patients, segment.field(5), characters);
            }
        }
        terms
    }

    /// The keys under which the message is found, sorted, without duplicates.
    #[must_use]
    pub fn keys(&self, key: &PatientKey) -> Vec<SearchKey> {
        let patients = self.patients.found.iter().filter_map(|text| key.search_key(Searched::Patient, text));
        let orders = self.orders.found.iter().filter_map(|text| key.search_key(Searched::Order, text));
        let mut keys: Vec<_> = patients.chain(orders).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Whether the message has more numbers of patients or orders than are found.
    #[must_use]
    pub const fn are_incomplete(&self) -> bool {
        self.patients.has_more || self.orders.has_more
    }

    /// A number as a person writes it, for comparison: its first component, without surrounding blanks, in
    /// upper case. Escape sequences of separators (`\S\` for `^`) are decoded, as in a message. `None` for
    /// one that is empty or longer than any number.
    #[must_use]
    pub fn normalized(text: &str) -> Option<String> {
        let number = text.split('^').next().unwrap_or_default();
        normal(&String::from_utf8_lossy(&with_separators(number.as_bytes())))
    }
}

/// Never the numbers.
impl std::fmt::Debug for SearchTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchTerms")
            .field("patients", &self.patients.found.len())
            .field("orders", &self.orders.found.len())
            .finish()
    }
}

fn add(terms: &mut Terms, field: Field<'_>, characters: CharacterSet) {
    if field.is_empty() {
        return;
    }
    for repetition in field.repetitions() {
        if terms.has_more {
            return;
        }
        let term = number(repetition.component(1), characters);
        let Some(term) = term.filter(|term| !terms.found.contains(term)) else { continue };
        if terms.found.len() < SearchTerms::MAX_EACH {
            terms.found.push(term);
        } else {
            terms.has_more = true;
        }
    }
}

fn number(component: Component<'_>, characters: CharacterSet) -> Option<String> {
    normal(&characters.decode(&component.shown_text()))
}

/// A number without surrounding blanks, in upper case.
fn normal(number: &str) -> Option<String> {
    let number = number.trim();
    let is_number = !number.is_empty() && number != "\"\"" && number.len() <= MAX_BYTES;
    is_number.then(|| number.to_uppercase())
}

/// Whether an observation is the number of a patient. Most are not, and the first look is cheap.
fn is_patient_id(segment: &Segment<'_>) -> bool {
    if !segment.is(b"OBX") {
        return false;
    }
    let term = segment.field(3);
    let bytes = term.raw();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|at| at.eq_ignore_ascii_case(part));
    let may_be = has(b"67930") || has(b"PT_ID");
    may_be && patient_term(term) == Some("MDC_ATTR_PT_ID")
}

const PATIENT_FIELDS: [(&[u8], &[usize]); 3] =
    [(b"PID", &[3, 2, 4, 18, 19]), (b"PV1", &[19]), (b"MRG", &[1])];

const ORDER_FIELDS: [(&[u8], &[usize]); 2] = [(b"ORC", &[2, 3]), (b"OBR", &[2, 3])];

/// A longer text is no number.
const MAX_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> SearchTerms {
        let text = format!("MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6||||||UNICODE UTF-8\r{text}");
        let message = Message::parse(text.as_bytes()).unwrap();
        SearchTerms::read(&message, message.text_encoding())
    }

    #[test]
    fn numbers_of_patients_and_orders_are_read_as_people_write_them() {
        let (pid, pv1) = ("|".repeat(14), "|".repeat(17));
        let found = terms(&format!(
            "PID|1|P2^^^X|a-4711^^^HOSP^MR~ 0815 ^^^HOSP^PI|P4{pid}ACC^1|\"\"\rPV1|1|I{pv1}V9^^^H\r\
             OBR|1|PL\\T\\1^EHR|f2^PUMP^00A037FFFE000001^EUI-64\rORC|RE|PL&1|f2\r\
             OBX|1|ST|67930^MDC_ATTR_PT_ID^MDC|1.0.0.1|77-X\rOBX|2|ST|67931^MDC_ATTR_PT_NAME^MDC|1.0.0.2|Smith\r",
        ));
        assert_eq!(found.patients.found, ["A-4711", "0815", "P2", "P4", "ACC", "V9", "77-X"]);
        assert_eq!(found.orders.found, ["PL&1", "F2"]);
    }

    #[test]
    fn one_message_has_no_more_terms_than_the_index_takes() {
        let ids: Vec<_> = (0..100).map(|n| format!("{n}^^^H")).collect();
        let orders: String = (0..100).map(|n| format!("OBR|{n}|P{n}|F{n}\r")).collect();
        let found = terms(&format!("PID|1||{}\r{orders}", ids.join("~")));
        assert_eq!(
            (found.patients.found.len(), found.orders.found.len()),
            (SearchTerms::MAX_EACH, SearchTerms::MAX_EACH)
        );
        assert!(found.are_incomplete());
        let few = terms(&format!("PID|1||{}\r", vec!["4711^^^H"; 20].join("~")));
        assert_eq!((few.patients.found.len(), few.are_incomplete()), (1, false), "the same one");
        let eight: Vec<_> = (0..8).map(|n| format!("{n}")).collect();
        assert!(!terms(&format!("PID|1||{}\r", eight.join("~"))).are_incomplete());
        assert!(terms(&format!("PID|1||{}~8\r", eight.join("~"))).are_incomplete());
        let keys = found.keys(&PatientKey::new(b"key"));
        assert_eq!(keys.len(), 2 * SearchTerms::MAX_EACH);
        assert!(keys.is_sorted());
        assert!(found.keys(&PatientKey::random()).is_empty(), "nothing would be found by them");
    }

    // HL7 2.6 ch. 2, 2.7: an escaped separator is a character of the number.
    #[test]
    fn a_number_with_an_escaped_separator_is_another_one_than_its_beginning() {
        let found = terms("PID|1||1\\S\\2^^^H~1^2^^H\r");
        assert_eq!(found.patients.found, ["1^2", "1"]);
        assert_eq!(SearchTerms::normalized("1\\S\\2^^^H").as_deref(), Some("1^2"));
        assert_eq!(SearchTerms::normalized("1^2").as_deref(), Some("1"));
    }

    #[test]
    fn what_is_searched_for_is_compared_as_it_was_read() {
        for (text, number) in [
            (" a-4711 ", Some("A-4711")),
            ("a-4711^^^HOSP^MR", Some("A-4711")),
            ("", None),
            (" ^ ", None),
            ("\"\"", None),
        ] {
            assert_eq!(SearchTerms::normalized(text).as_deref(), number, "{text:?}");
        }
        assert_eq!(SearchTerms::normalized(&"1".repeat(201)), None);
        assert_eq!(format!("{:?}", terms("PID|1||4711\r")), "SearchTerms { patients: 1, orders: 0 }");
    }
}
