//! What a message says about its patient, so that the same texts can be hidden elsewhere in the message.
//!
//! Free text has no field for the patient: a note may say `Smith is restless`. What the message itself gives
//! as names, numbers and addresses of the patient is replaced wherever free text repeats it.

use crate::hl7::{CharacterSet, Component, Message, Repetition, Segment};
use crate::pcd::{Observation, is_about_patient, patient_term};

/// Texts that identify the patient of a message, in lower case.
#[derive(Debug, Default)]
pub(super) struct KnownPatient(Vec<Vec<char>>);

/// Whether the message says anything about a patient, in a segment or in an observation.
pub(super) fn is_named(message: &Message<'_>) -> bool {
    message.segments().any(|segment| {
        is_about_patient(&segment) || segment.is(b"OBX") && patient_term(segment.field(3)).is_some()
    })
}

impl KnownPatient {
    /// What the message gives as names, numbers and addresses of the patient and of relatives.
    pub(super) fn of(message: &Message<'_>, characters: CharacterSet) -> Self {
        let mut known = Self::default();
        for segment in message.segments() {
            known.add_segment(&segment, characters);
        }
        known
    }

    fn add_segment(&mut self, segment: &Segment<'_>, characters: CharacterSet) {
        let id = segment.id().to_ascii_uppercase();
        for (_, n, components) in FIELDS.iter().filter(|(name, ..)| id == name.as_bytes()) {
            for repetition in segment.field(*n).repetitions() {
                repetition.components().take(*components).for_each(|part| self.add(part, characters));
            }
        }
        for (_, n) in PLACES.iter().filter(|(name, _)| id == name.as_bytes()) {
            segment.field(*n).repetitions().for_each(|place| self.add_place(place, characters));
        }
        let identifies = |name: &str| {
            !["WEIGHT", "HEIGHT", "LENGTH", "AGE", "SEX", "TYPE", "POSN", "PACED", "RACE", "BSA", "LBM"]
                .iter()
                .any(|measured| name.contains(measured))
        };
        if Observation::of(*segment).is_some() && patient_term(segment.field(3)).is_some_and(identifies) {
            let parts = segment.field(5).repetitions().flat_map(|repetition| repetition.components());
            parts.for_each(|part| self.add(part, characters));
        }
    }

    /// Adds the bed of a patient, as other fields write it: alone, or within one component. The name of a
    /// ward or of a hospital alone identifies no person.
    fn add_place(&mut self, place: Repetition<'_>, characters: CharacterSet) {
        let parts: Vec<String> =
            place.components().map(|part| characters.decode(&part.shown_text()).trim().to_owned()).collect();
        let is_bed = parts.iter().take(3).filter(|part| !part.is_empty()).count() > 1;
        for length in [3, 4].into_iter().filter(|_| is_bed) {
            let parts = parts.get(..length).unwrap_or(&parts);
            for separator in ["^", "&", " ", "-", "_", "/"] {
                self.add_text(parts.join(separator).trim_end_matches(separator));
            }
        }
    }

    /// Adds a component, and the words of it.
    fn add(&mut self, component: Component<'_>, characters: CharacterSet) {
        for part in component.subcomponents() {
            let bytes = part.shown_text();
            let text = characters.decode(&bytes);
            for known in [text.trim()].into_iter().chain(text.split_whitespace()) {
                self.add_text(known);
            }
        }
    }

    fn add_text(&mut self, known: &str) {
        let known: Vec<char> = known.chars().map(lower).collect();
        let is_new = !self.0.contains(&known);
        let length: usize = known.iter().map(|character| character.len_utf8()).sum();
        if is_new && length >= MIN_BYTES && self.0.len() < MAX_TEXTS {
            self.0.push(known);
        }
    }

    /// `text` without the texts that identify the patient.
    pub(super) fn hide(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let characters: Vec<char> = text.chars().collect();
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(&character) = characters.get(at) {
            let found = self.0.iter().filter(|known| repeats(known, &characters, at)).map(Vec::len).max();
            match found {
                Some(length) => {
                    shown.push_str(HIDDEN);
                    at += length;
                }
                None => {
                    shown.push(character);
                    at += 1;
                }
            }
        }
        shown
    }
}

/// Whether `text` has the known text at this position, as whole words.
fn repeats(known: &[char], text: &[char], at: usize) -> bool {
    let end = at + known.len();
    let Some(found) = text.get(at..end) else { return false };
    if !found.iter().copied().map(lower).eq(known.iter().copied()) {
        return false;
    }
    // Chinese, Japanese and Korean have no blanks between words.
    let is_word = |character: Option<&char>| character.is_some_and(|character| character.is_alphanumeric());
    let is_ideographic = known.iter().any(|character| *character >= '\u{2E80}');
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    is_ideographic || !is_word(before) && !is_word(text.get(end))
}

fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

/// Fields that identify the patient or a relative: segment, field, how many components of each repetition.
const FIELDS: [(&str, usize, usize); 22] = [
    ("PID", 2, 1),
    ("PID", 3, 1),
    ("PID", 4, 1),
    ("PID", 5, 3),
    ("PID", 6, 3),
    ("PID", 9, 3),
    ("PID", 11, 1),
    ("PID", 13, 12),
    ("PID", 14, 12),
    ("PID", 18, 1),
    ("PID", 19, 1),
    ("PID", 20, 1),
    ("PID", 21, 1),
    ("NK1", 2, 3),
    ("NK1", 5, 12),
    ("PV1", 19, 1),
    ("PV1", 50, 1),
    ("MRG", 1, 1),
    ("MRG", 7, 3),
    ("GT1", 3, 3),
    ("IN1", 16, 3),
    ("IN1", 49, 1),
];

/// Fields with the bed of the patient.
const PLACES: [(&str, usize); 3] = [("PV1", 3), ("PV1", 6), ("PV1", 11)];
/// What stands in place of a hidden text.
const HIDDEN: &str = "[patient]";
/// Shorter texts are words of other meanings, and numbers of measurements.
const MIN_BYTES: usize = 4;
/// A message has one patient; more texts are an attack on the time of the reader.
const MAX_TEXTS: usize = 200;
