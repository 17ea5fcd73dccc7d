//! What a message says about its patient, so that the same texts can be hidden elsewhere in the message.
//!
//! Free text has no field for the patient: a note may say `Smith is restless`. What the message itself gives
//! as names, numbers and addresses of the patient is replaced wherever free text repeats it.

use super::known_texts::KnownTexts;
use super::looks::{Looks, Marks};
use super::patient::{is_about_patient, patient_term};
use crate::hl7::{CharacterSet, Component, Field, Message, MessageTime, Repetition, Segment};

/// Texts that identify the patient of a message.
#[derive(Debug, Default)]
pub struct KnownPatient(KnownTexts);

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
        let mut reader = Reader { known: KnownTexts::default(), characters };
        message.segments().for_each(|segment| reader.segment(&segment));
        for whole in continued(message) {
            if let Ok(message) = Message::parse(&whole) {
                message.segments().for_each(|segment| reader.segment(&segment));
            }
        }
        Self(reader.known)
    }

    /// `text` without the texts that identify the patient, in whatever form of Unicode they are written.
    #[must_use]
    pub fn hide(&self, text: String) -> String {
        let KnownTexts { words, names, days, numbers } = &self.0;
        if self.0.are_none() || text.is_empty() {
            return text;
        }
        let characters: Vec<char> = text.chars().collect();
        let as_written = Looks::of(&characters, |_| true);
        // `S m i t h` and `Smi.th`: a name of some length is one whatever stands between its letters.
        let letters = Looks::of(&characters, char::is_alphabetic);
        let mut marks = Marks::new(&characters);
        if !numbers.is_empty() {
            // `123-456-789`, `00123456789` and `MRN123456789` are the number 123456789.
            let both = Looks::of(&characters, char::is_alphanumeric);
            numbers.iter().for_each(|known| marks.number(known, &both));
        }
        words.iter().for_each(|known| marks.words(known, &as_written));
        names.iter().for_each(|known| marks.name(known, &letters));
        for day in days.iter().filter(|day| as_written.has(&day.year)) {
            day.notations().iter().for_each(|known| marks.day(known, &as_written));
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
        bytes.saturating_mul(self.0.len())
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
        !self.0.are_none() && self.hide(identity.to_owned()) != identity
    }
}

/// Reads segments.
struct Reader {
    known: KnownTexts,
    characters: CharacterSet,
}

impl Reader {
    fn segment(&mut self, segment: &Segment<'_>) {
        if segment.is(b"OBX") {
            self.observation(segment);
            return;
        }
        fields_of(segment, NAMES).flat_map(|field| field.repetitions()).for_each(|name| self.name(name));
        for one in fields_of(segment, FIRSTS).flat_map(|field| field.repetitions()) {
            self.component(one.component(1));
        }
        for one in fields_of(segment, TELEPHONES).flat_map(|field| field.repetitions()) {
            one.components().take(MAX_TELEPHONE_COMPONENT).for_each(|part| self.component(part));
        }
        fields_of(segment, PLACES).flat_map(|field| field.repetitions()).for_each(|place| self.place(place));
        fields_of(segment, BIRTHS).for_each(|birth| self.birth(birth.component(1)));
        if segment.id().first().is_some_and(|first| first.eq_ignore_ascii_case(&b'Z')) {
            self.unknown_segment(segment);
        }
    }

    /// An observation that is patient data (MDC_ATTR_PT_NAME).
    fn observation(&mut self, segment: &Segment<'_>) {
        let identifies = |name: &&str| !MEASURED.iter().any(|measured| name.contains(measured));
        let Some(term) = patient_term(segment.field(3)).filter(identifies) else { return };
        for one in segment.field(5).repetitions() {
            one.components().for_each(|part| self.component(part));
            match term {
                "MDC_ATTR_PT_ID" => {}
                "MDC_ATTR_PT_DOB" => self.birth(one.component(1)),
                _ => self.name(one),
            }
        }
    }

    /// A segment of the sender: its fields have the form of a name (XPN.7) or of a number (CX.5), or nothing
    /// says what they are.
    fn unknown_segment(&mut self, segment: &Segment<'_>) {
        for one in segment.fields().flat_map(|field| field.repetitions()) {
            let is_one_of = |n: usize, table: &[&[u8]]| {
                let code = one.component(n).trimmed();
                table.iter().any(|known| known.eq_ignore_ascii_case(code))
            };
            if is_one_of(7, &NAME_TYPES) && !one.component(2).is_empty() {
                self.name(one);
            } else if is_one_of(5, &NUMBER_TYPES) {
                self.component(one.component(1));
            }
        }
    }

    /// The bed of a patient, as other fields write it: alone, or within one component. The name of a ward or
    /// of a hospital alone identifies no person.
    fn place(&mut self, place: Repetition<'_>) {
        let parts: Vec<String> = place.components().map(|part| self.text(part).trim().to_owned()).collect();
        let is_bed = parts.iter().take(3).filter(|part| !part.is_empty()).count() > 1;
        for length in [3, 4].into_iter().filter(|_| is_bed) {
            let parts = parts.get(..length).unwrap_or(&parts);
            for separator in ["^", "&", " ", "-", "_", "/"] {
                self.known.add_text(parts.join(separator).trim_end_matches(separator));
            }
        }
    }

    fn birth(&mut self, birth: Component<'_>) {
        if let Ok(time) = MessageTime::parse(birth.trimmed()) {
            self.known.add_day(time);
        }
    }

    /// A name (XPN): its parts, and in which ways people write them together.
    fn name(&mut self, name: Repetition<'_>) {
        for (n, part) in (1..).zip(name.components()) {
            // What follows the names are codes, titles, and texts of the sender.
            if n <= MAX_NAME_COMPONENT {
                self.component(part);
            }
            part.subcomponents().for_each(|part| {
                let text = self.text(part);
                self.known.add_parts_of_name(&text);
            });
        }
        let part = |n| name.component(n).subcomponents().next().map(|part| self.text(part));
        let [family, given] = [1, 2].map(|n| part(n).unwrap_or_default());
        self.known.add_full_name(&family, &given);
    }

    /// A component, and the words of it.
    fn component(&mut self, component: Component<'_>) {
        for part in component.subcomponents() {
            let text = self.text(part);
            let whole = text.trim();
            let words = text.split_whitespace().filter(|word| *word != whole);
            for known in std::iter::once(whole).chain(words) {
                self.known.add_text(known);
                self.known.add_number(known);
            }
        }
    }

    fn text(&self, part: Component<'_>) -> String {
        self.characters.decode(&part.shown_text()).into_owned()
    }
}

fn fields_of<'m>(
    segment: &Segment<'m>,
    table: &'static [(&'static str, usize)],
) -> impl Iterator<Item = Field<'m>> {
    let (id, segment) = (segment.id(), *segment);
    let own = table.iter().filter(move |(name, _)| name.as_bytes().eq_ignore_ascii_case(id));
    own.map(move |(_, n)| segment.field(*n))
}

/// Messages of the segments about the patient whose last field goes on in the next segments: in ADD, or in
/// lines without the name of a segment, where the sender has put a line break into the text.
fn continued(message: &Message<'_>) -> Vec<Vec<u8>> {
    let header = message.segments().next().map(|header| header.raw()).unwrap_or_default();
    let (mut all, mut open): (Vec<Vec<u8>>, Option<Vec<u8>>) = (Vec::new(), None);
    let mut is_continued = false;
    let mut close = |open: &mut Option<Vec<u8>>, is_continued: bool| {
        if let Some(whole) = open.take().filter(|_| is_continued && all.len() < MAX_CONTINUED) {
            all.push([header, b"\r", &whole, b"\r"].concat());
        }
    };
    for segment in message.segments() {
        let more = match segment.id() {
            b"ADD" => segment.raw().get(4..),
            [_, _, _] => None,
            _ => Some(segment.raw()),
        };
        if let Some(more) = more {
            open.iter_mut().for_each(|open| open.extend_from_slice(more));
            is_continued = true;
            continue;
        }
        close(&mut open, is_continued);
        open = is_about_patient(&segment).then(|| segment.raw().to_vec());
        is_continued = false;
    }
    close(&mut open, is_continued);
    all
}

/// Fields with names of the patient or of relatives (XPN).
const NAMES: &[(&str, usize)] = &[
    ("PID", 5),
    ("PID", 6),
    ("PID", 9),
    ("NK1", 2),
    ("NK1", 30),
    ("MRG", 7),
    ("GT1", 3),
    ("GT1", 4),
    ("IN1", 16),
];
/// Fields with numbers of the patient or of relatives (CX), and with addresses, of which the first component
/// is the street (XAD).
const FIRSTS: &[(&str, usize)] = &[
    ("PID", 11),
    ("NK1", 4),
    ("NK1", 32),
    ("GT1", 5),
    ("IN1", 19),
    ("PID", 2),
    ("PID", 3),
    ("PID", 4),
    ("PID", 18),
    ("PID", 19),
    ("PID", 20),
    ("PID", 21),
    ("NK1", 33),
    ("PV1", 19),
    ("PV1", 50),
    ("MRG", 1),
    ("MRG", 2),
    ("MRG", 3),
    ("MRG", 4),
    ("MRG", 5),
    ("MRG", 6),
    ("GT1", 2),
    ("GT1", 12),
    ("IN1", 36),
    ("IN1", 49),
    ("IN2", 2),
    ("IN2", 61),
];
/// Fields with telephone numbers and electronic addresses (XTN).
const TELEPHONES: &[(&str, usize)] =
    &[("PID", 13), ("PID", 14), ("NK1", 5), ("NK1", 6), ("NK1", 31), ("GT1", 6), ("GT1", 7)];
/// Fields with a date of birth.
const BIRTHS: &[(&str, usize)] = &[("PID", 7), ("NK1", 16), ("GT1", 8), ("IN1", 18)];
/// Fields with the bed of the patient.
const PLACES: &[(&str, usize)] = &[("PV1", 3), ("PV1", 6), ("PV1", 11)];
/// Parts of patient terms that identify no person.
const MEASURED: [&str; 11] =
    ["WEIGHT", "HEIGHT", "LENGTH", "AGE", "SEX", "TYPE", "POSN", "PACED", "RACE", "BSA", "LBM"];
/// Numbers, an electronic address, and how a telephone number is written (XTN.12).
const MAX_TELEPHONE_COMPONENT: usize = 12;
/// Family name, given name, further given names.
const MAX_NAME_COMPONENT: usize = 3;
/// HL7 table 0200.
const NAME_TYPES: [&[u8]; 9] = [b"L", b"D", b"M", b"C", b"B", b"A", b"N", b"S", b"P"];
/// HL7 table 0203: numbers of persons.
const NUMBER_TYPES: [&[u8]; 10] = [b"MR", b"PI", b"PT", b"SS", b"AN", b"VN", b"NI", b"PN", b"DL", b"PPN"];
/// Segments of a patient that go on in others. More are an attack on the time of the reader.
const MAX_CONTINUED: usize = 8;
/// What stands in place of a hidden text.
const HIDDEN: &str = "[patient]";

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
            ("Muller Mueller MUELLER", "[patient] [patient] [patient]"),
            ("M.u.l.l.e.r, m_ü_l_l_e_r, M ü l l e r", "[patient], [patient], [patient]"),
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

    /// What is hidden of a text, where PID-5 is `name`.
    fn hidden(name: &str, text: &str) -> String {
        let message = format!("MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|1||4711||{name}\r");
        let message = Message::parse(message.as_bytes()).unwrap();
        KnownPatient::of(&message, message.text_encoding()).hide(text.to_owned())
    }

    /// The letters of a text that are not hidden.
    fn letters_besides(shown: &str) -> String {
        shown.replace(HIDDEN, "").chars().filter(|letter| letter.is_alphabetic()).collect()
    }

    #[test]
    fn the_parts_of_a_name_are_hidden_in_each_spelling() {
        for (name, text) in [
            ("Smithers-Jones^Anne-Marie", "Smithers Jones Anne Marie SMITHERSJONES annemarie"),
            ("Smithers, Wilhelmina", "Smithers Wilhelmina wilhelminasmithers"),
            ("Smithers,Wilhelmina", "Smithers Wilhelmina"),
            ("SMITHERS/WILHELMINA", "Smithers Wilhelmina"),
            ("Smithers.Wilhelmina", "Smithers Wilhelmina"),
            ("Smithers_Wilhelmina", "Smithers Wilhelmina"),
            ("\"Smithers, Wilhelmina\"", "Smithers Wilhelmina"),
            ("O'Donnell^Wilhelmina", "O'Donnell ODonnell O.Donnell Donnell o\u{2019}donnell"),
            (
                "Smithers^Wilhelmina",
                "SMITHERSJR drsmithers Wilhelmina2 Smithers98 WilhelminaSmithers wsmithers",
            ),
            ("^^^^^^^^^^^Smithers^Wilhelmina", "Smithers Wilhelmina"),
        ] {
            let shown = hidden(name, text);
            let rest = letters_besides(&shown).replace("JR", "").replace("dr", "");
            assert!(rest.is_empty(), "{name}: {text}: {shown}");
        }
    }

    #[test]
    fn common_words_and_short_parts_of_a_name_cover_no_message() {
        for (name, text) in [
            ("Test-Patient^End-Pump", "test of the pump, end of the patient monitor"),
            ("Ann-Lee^A.B.^C", "a b c, ann or lee"),
            ("Smithers^Wilhelmina", "blacksmithers, Smithersson, Wilhelminas"),
        ] {
            assert_eq!(hidden(name, text), text, "{name}");
        }
    }

    #[test]
    fn a_name_that_goes_on_in_another_line_is_hidden() {
        let next_of_kin = format!("PID|1||MRN445566\rNK1|1{}Smithers^Wilhelmina\r", "|".repeat(29));
        for pid in [
            "PID|1||MRN445566^^^A^MR||Smi\rADD|thers^Wilhelmina\r",
            "PID|1||MRN445566^^^A^MR\r||Smithers^Wilhelmina^^^^^L||19470213|F\r",
            "ZPD|1||MRN445566^^^A^MR||Smithers^Wilhelmina^^^^^L\r",
            &next_of_kin,
            "PID|1||MRN445566\rGT1|1||Smithers|Wilhelmina\r",
        ] {
            let text = format!("MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\r{pid}");
            let message = Message::parse(text.as_bytes()).unwrap();
            let known = KnownPatient::of(&message, message.text_encoding());
            let shown = known.hide("Wilhelmina Smithers, MRN445566".to_owned());
            assert!(letters_besides(&shown).is_empty(), "{pid}: {shown}");
        }
    }

    #[test]
    fn a_date_of_birth_and_the_address_of_a_relative_are_hidden() {
        let text = "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|1||4711||Garcia||19700102|F\r\
            NK1|1|Panza^Sancho|SPO|Calle Mayor 5^^Toledo^^45001\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let known = KnownPatient::of(&message, message.text_encoding());
        for (text, expected) in [
            ("lives at Calle Mayor 5, born 19700102", "lives at [patient], born [patient]"),
            ("born 2.1.1970 or 02.01.1970 or 1970-01-02", "born [patient] or [patient] or [patient]"),
            ("Jan 2, 1970; 2 JAN 1970; 1/2/1970; 02011970", "[patient]; [patient]; [patient]; [patient]"),
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
