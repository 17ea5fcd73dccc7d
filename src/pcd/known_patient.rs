//! What a message says about its patient, so that the same texts can be hidden elsewhere in the message.
//!
//! Free text has no field for the patient: a note may say `Smith is restless`. What the message itself gives
//! as names, numbers and addresses of the patient is replaced wherever free text repeats it.

use super::looks::{Known, Looks, Marks, looks};
use super::observation::Observation;
use super::patient::{is_about_patient, patient_term};
use crate::hl7::{CharacterSet, Component, Message, MessageTime, Precision, Repetition, Segment};

/// Texts that identify the patient of a message, as they look (`looks`).
#[derive(Debug, Default)]
pub struct KnownPatient {
    texts: Vec<Known>,
    /// The letters and digits of those with a digit, without the zeros before them.
    numbers: Vec<Known>,
}

/// Whether the message says anything about a patient, in a segment or in an observation.
#[must_use]
pub fn names_patient(message: &Message<'_>) -> bool {
    message.segments().any(|segment| {
        is_about_patient(&segment) || segment.is(b"OBX") && patient_term(segment.field(3)).is_some()
    })
}

impl KnownPatient {
    /// What the message gives as names, numbers and addresses of the patient and of relatives.
    #[must_use]
    pub fn of(message: &Message<'_>, characters: CharacterSet) -> Self {
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
        for (_, n) in BIRTHS.iter().filter(|(name, _)| id == name.as_bytes()) {
            self.add_birth(segment.field(*n).component(1));
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

    /// Adds a date of birth in the notations in which people write it. Only as a word of its own: a number
    /// may begin with the same digits, and on the first day of a life every time does.
    fn add_birth(&mut self, birth: Component<'_>) {
        let Ok(time) = MessageTime::parse(birth.trimmed()) else { return };
        if time.precision < Precision::Day {
            return;
        }
        let formats = ["%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"];
        formats.iter().for_each(|format| self.add_text(&time.wall.strftime(format).to_string()));
    }

    /// Adds a component, and the words of it.
    fn add(&mut self, component: Component<'_>, characters: CharacterSet) {
        for part in component.subcomponents() {
            let bytes = part.shown_text();
            let text = characters.decode(&bytes);
            let whole = text.trim();
            let words = text.split_whitespace().filter(|word| *word != whole);
            for known in std::iter::once(whole).chain(words) {
                self.add_text(known);
                self.add_number(known);
            }
        }
    }

    fn add_text(&mut self, known: &str) {
        if self.texts.len() >= MAX_TEXTS {
            return;
        }
        let known = all(known.chars().flat_map(looks), known.len());
        let length: usize = known.iter().map(|character| character.len_utf8()).sum();
        if length >= MIN_BYTES && !self.texts.iter().any(|text| text.characters() == known) {
            self.texts.push(Known::new(known));
        }
    }

    fn add_number(&mut self, known: &str) {
        if self.numbers.len() >= MAX_TEXTS {
            return;
        }
        let letters = known.chars().flat_map(looks).filter(|character| character.is_alphanumeric());
        let known = all(letters.skip_while(|character| *character == '0'), known.len());
        let is_number = known.iter().any(char::is_ascii_digit) && known.len() >= MIN_NUMBER;
        if is_number && !self.numbers.iter().any(|number| number.characters() == known) {
            self.numbers.push(Known::new(known));
        }
    }

    /// `text` without the texts that identify the patient, in whatever form of Unicode they are written.
    #[must_use]
    pub fn hide(&self, text: String) -> String {
        if self.texts.is_empty() || text.is_empty() {
            return text;
        }
        let characters: Vec<char> = text.chars().collect();
        let as_written = Looks::of(&characters, |_| true);
        // `S m i t h` and `Smi.th`: a name of some length is one whatever stands between its letters.
        let letters = Looks::of(&characters, char::is_alphabetic);
        let mut marks = Marks::new(&characters);
        if !self.numbers.is_empty() {
            // `123-456-789`, `00123456789` and `MRN123456789` are the number 123456789.
            let both = Looks::of(&characters, char::is_alphanumeric);
            self.numbers.iter().for_each(|known| marks.number(known, &both));
        }
        for known in &self.texts {
            marks.words(known, &as_written);
            if known.is_long_name() {
                marks.words(known, &letters);
            }
        }
        if marks.are_none() {
            return text;
        }
        let mut shown = String::with_capacity(text.len());
        let mut was_hidden = false;
        for (character, is_hidden) in marks.each() {
            match (is_hidden, was_hidden) {
                (true, false) => shown.push_str(HIDDEN),
                (true, true) => {}
                (false, _) => shown.push(character),
            }
            was_hidden = is_hidden;
        }
        shown
    }

    /// Steps that [`KnownPatient::hide`] takes for a text of so many bytes.
    #[must_use]
    pub fn steps(&self, bytes: usize) -> usize {
        bytes.saturating_mul(2 * self.texts.len() + self.numbers.len())
    }

    /// The identity of a device, for lists, logs and the audit trail: where it has a text that identifies the
    /// patient, what `digits` makes of it stands in its place.
    #[must_use]
    pub fn without_patient(&self, identity: String, digits: impl Fn(&str) -> String) -> String {
        if self.is_in(&identity) { format!("{HIDDEN} {}", digits(&identity)) } else { identity }
    }

    /// The same for a reader who needs not distinguish two.
    #[must_use]
    pub fn without_any_patient(&self, identity: &str) -> String {
        if self.is_in(identity) { HIDDEN.to_owned() } else { identity.to_owned() }
    }

    fn is_in(&self, identity: &str) -> bool {
        !self.texts.is_empty() && self.hide(identity.to_owned()) != identity
    }
}

/// These characters of a text of so many bytes, in one allocation as a rule.
fn all(characters: impl Iterator<Item = char>, bytes: usize) -> Vec<char> {
    let mut all = Vec::with_capacity(bytes);
    all.extend(characters);
    all
}

/// Fields that identify the patient or a relative: segment, field, how many components of each repetition.
const FIELDS: [(&str, usize, usize); 24] = [
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
    ("NK1", 4, 1),
    ("NK1", 5, 12),
    ("GT1", 5, 1),
    ("PV1", 19, 1),
    ("PV1", 50, 1),
    ("MRG", 1, 1),
    ("MRG", 7, 3),
    ("GT1", 3, 3),
    ("IN1", 16, 3),
    ("IN1", 49, 1),
];

/// Fields with a date of birth.
const BIRTHS: [(&str, usize); 2] = [("PID", 7), ("NK1", 16)];
/// Fields with the bed of the patient.
const PLACES: [(&str, usize); 3] = [("PV1", 3), ("PV1", 6), ("PV1", 11)];
/// What stands in place of a hidden text.
const HIDDEN: &str = "[patient]";
/// Shorter texts are words of other meanings, and numbers of measurements.
const MIN_BYTES: usize = 4;
/// A message has one patient; more texts are an attack on the time of the reader.
const MAX_TEXTS: usize = 200;
/// Letters and digits of a number that is found in other spellings. A shorter one is only found as it is.
const MIN_NUMBER: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownPatient {
        let text = "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6||||||UNICODE UTF-8\rPID|1||4711||Müller^Zebulon\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        KnownPatient::of(&message, message.text_encoding())
    }

    #[test]
    fn a_name_is_hidden_in_every_form_of_unicode() {
        let known = known();
        for (text, expected) in [
            ("Frau Müller ruht", "Frau [patient] ruht"),
            ("Frau Mu\u{308}ller ruht", "Frau [patient] ruht"),
            ("MU\u{308}LLER", "[patient]"),
            ("Mü\u{AD}ller", "[patient]"),
            ("Mül\u{200B}ler", "[patient]"),
            ("Ｚｅｂｕｌｏｎ", "[patient]"),
            ("Z e b u l o n!", "[patient]!"),
            ("Zebu.lon, Zeb-ulon", "[patient], [patient]"),
            ("Zebul\u{43E}n", "[patient]"),
            ("Müllers, Zebulonia", "Müllers, Zebulonia"),
            ("Muller", "Muller"),
            ("47.11 4711", "47.11 [patient]"),
        ] {
            assert_eq!(known.hide(text.to_owned()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_number_of_the_patient_is_hidden_in_every_spelling_but_not_a_few_digits_of_a_device() {
        let of = |number: &str| {
            let text = format!("MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|1||{number}^^^H\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            KnownPatient::of(&message, message.text_encoding())
        };
        let is_hidden = |number: &str, text: &str| of(number).without_any_patient(text) == HIDDEN;
        for (number, text) in [
            ("123456789", "00123456789"),
            ("123456789", "123-456-789"),
            ("123456789", "MRN123456789"),
            ("123456789", "PAT-123 456 789-A^LOCAL"),
            ("123456789", "0000000123456789"),
            ("00123456789", "123456789"),
            ("123-456-789", "P123456789X"),
            ("12345678", "9912345678"),
            ("AB-1234567", "xab1234567"),
            ("123456", "MRN123456"),
            ("123456", "00123456"),
            ("123456", "12-34-56"),
            ("123456", "123456A"),
            ("４７１１０８", "MRN471108"),
        ] {
            assert!(is_hidden(number, text), "{number} in {text}");
        }
        for (number, text) in [
            ("123456", "1123456"),
            ("123456", "SN1234567"),
            ("123456", "00A0A123456B780F"),
            ("123456", "A123456B"),
            ("12345", "MRN12345"),
            ("0012345", "12345-7"),
            ("217578", "00A037EB2175780F"),
            ("21757800", "00A037EB2175780F"),
            ("12345678", "1234 - - 5678"),
        ] {
            assert!(!is_hidden(number, text), "{number} in {text}");
        }
        let note = of("123456789").hide("see MRN123456789, 12 values".to_owned());
        assert_eq!(note, "see MRN[patient], 12 values");
    }

    #[test]
    fn a_date_of_birth_and_the_address_of_a_relative_are_hidden() {
        let text = "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|1||4711||Garcia||19700102|F\r\
            NK1|1|Panza^Sancho|SPO|Calle Mayor 5^^Toledo^^45001\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let known = KnownPatient::of(&message, message.text_encoding());
        for (text, expected) in [
            ("lives at Calle Mayor 5, born 19700102", "lives at [patient], born [patient]"),
            ("born 2.1.1970 or 02.01.1970 or 1970-01-02", "born 2.1.1970 or [patient] or [patient]"),
            ("197001021159, 1970010", "197001021159, 1970010"),
            ("Toledo", "Toledo"),
        ] {
            assert_eq!(known.hide(text.to_owned()), expected);
        }
    }

    #[test]
    fn an_identity_that_names_the_patient_is_hidden_behind_digits() {
        let known = known();
        let hide = |identity: &str| known.without_patient(identity.to_owned(), |text| text.len().to_string());
        assert_eq!(hide("ZEBULON MÜLLER"), "[patient] 15");
        assert_eq!(hide("ZEBULON"), "[patient] 7");
        assert_eq!(hide("00A037EB2175780F"), "00A037EB2175780F");
        assert_eq!(known.without_any_patient("4711^L1^L"), "[patient]");
    }
}
