//! Reads the parts of a message for people.

use super::model::OtherField;
use super::options::TreeOptions;
use super::time::Times;
use crate::hl7::{CharacterSet, Field, Segment};
use crate::pcd::{KnownPatient, Notes, patient_term};
use crate::view::value::{self, SentTerm, SentText, Term};

pub(super) struct Reader<'o> {
    pub(super) characters: CharacterSet,
    pub(super) options: &'o TreeOptions,
    pub(super) times: Times<'o>,
    pub(super) known_patient: KnownPatient,
}

impl Reader<'_> {
    /// A text of the message without the patient.
    pub(super) fn cover(&self, text: SentText) -> String {
        text.covered(&self.known_patient)
    }

    /// A field of the header by which messages are found: it stays as it came.
    pub(super) fn of_header(&self, field: Field<'_>) -> String {
        value::whole(field, self.characters).of_header()
    }

    /// The same with the blanks around it: messages are found by MSH-10 as it came.
    pub(super) fn untrimmed(&self, field: Field<'_>) -> String {
        let text = self.characters.decode(field.raw());
        if text.trim().len() == text.len() { self.of_header(field) } else { text.into_owned() }
    }

    /// A field with its separators.
    pub(super) fn whole(&self, field: Field<'_>) -> String {
        self.cover(value::whole(field, self.characters))
    }

    /// A time in the zone of the reader; what is no time as it came.
    pub(super) fn time(&self, field: Field<'_>) -> String {
        let sent = self.sent_time(field);
        self.times.shown(&sent).unwrap_or(sent)
    }

    /// A time as it came.
    pub(super) fn sent_time(&self, field: Field<'_>) -> String {
        let whole = value::whole(field, self.characters);
        match whole.time() {
            Some(time) => time.to_owned(),
            None => self.cover(whole),
        }
    }

    /// A coded element, unless it is patient data.
    pub(super) fn term(&self, field: Field<'_>) -> Term {
        match self.hidden_term(field) {
            Some(name) => Term { name: name.to_owned(), ..Term::default() },
            None => self.covered_term(value::term(field, self.characters)),
        }
    }

    /// What kind of patient data a coded element names, if that is hidden.
    pub(super) fn hidden_term(&self, field: Field<'_>) -> Option<&'static str> {
        patient_term(field).filter(|_| !self.options.with_patient)
    }

    /// A term that the nomenclature does not have may be any text.
    pub(super) fn covered_term(&self, term: SentTerm) -> Term {
        term.covered(&self.known_patient)
    }

    /// The name of a segment. A line without a separator could hold anything.
    pub(super) fn name(&self, segment: &Segment<'_>) -> String {
        match segment.id() {
            id @ [first, _, _] if first.is_ascii_alphabetic() && id.is_ascii() => {
                String::from_utf8_lossy(id).into_owned()
            }
            _ => "?".to_owned(),
        }
    }

    /// NTE-3 behind the segment at this position.
    pub(super) fn notes(&self, notes: &Notes<'_>, position: usize) -> Vec<String> {
        let shown = notes.behind(position).map(|note| self.note(note));
        shown.filter(|note| !note.is_empty()).collect()
    }

    /// The other fields of these NTE, unless the note is about the patient.
    pub(super) fn note_fields(&self, notes: &Notes<'_>, position: usize) -> Vec<OtherField> {
        let shown = notes.behind(position).filter(|note| !self.is_hidden_note(note));
        shown.flat_map(|note| self.others(note, NOTE_FIELDS)).collect()
    }

    fn is_hidden_note(&self, note: &Segment<'_>) -> bool {
        (1..=MAX_NOTE_FIELD).any(|n| self.hidden_term(note.field(n)).is_some())
    }

    fn note(&self, note: &Segment<'_>) -> String {
        if self.is_hidden_note(note) {
            return HIDDEN_NOTE.to_owned();
        }
        let text: Vec<_> = note
            .field(3)
            .repetitions()
            .map(|line| {
                let parts = line.components().map(|part| value::component(part, self.characters));
                SentText::joined(parts, " ").trimmed()
            })
            .collect();
        let text = self.cover(SentText::joined(text, "\n"));
        if text == EXPLICIT_NULL {
            return String::new();
        }
        match value::shortened(&text).filter(|_| !self.options.full) {
            Some(start) => format!("{start} ({} bytes)", note.field(3).raw().len()),
            None => text,
        }
    }
}

/// The fields of NTE with a place of their own. NTE-1 numbers the segments.
const NOTE_FIELDS: &[usize] = &[1, 3];
/// The last field of NTE that is looked at for patient data (HL7 2.8: NTE-9).
const MAX_NOTE_FIELD: usize = 9;
/// A field that its sender empties (HL7 2.6 ch. 2, 2.5.3).
const EXPLICIT_NULL: &str = "\"\"";
/// What stands in place of a note about the patient.
const HIDDEN_NOTE: &str = "[patient]";
