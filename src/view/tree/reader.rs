//! Reads the parts of a message for people.

use super::model::{Patient, Request};
use super::notes::Notes;
use super::options::TreeOptions;
use super::time::Times;
use crate::hl7::{CharacterSet, Field, Message, Segment};
use crate::pcd::nomenclature::{Coded, find_term, find_unit};
use crate::pcd::{Alert, Containment, KnownPatient, Transaction, is_about_patient, patient_term};
use crate::view::value::{self, Term};

pub(super) struct Reader<'o> {
    pub(super) characters: CharacterSet,
    pub(super) options: &'o TreeOptions,
    pub(super) times: Times<'o>,
    pub(super) known_patient: KnownPatient,
}

impl Reader<'_> {
    /// A field with its separators.
    pub(super) fn whole(&self, field: Field<'_>) -> String {
        value::whole(field, self.characters)
    }

    /// The first component of a field.
    pub(super) fn component(&self, field: Field<'_>) -> String {
        self.known_patient.hide(value::component(field.component(1), self.characters))
    }

    /// A field that a sender may fill with any text.
    pub(super) fn free(&self, field: Field<'_>) -> String {
        self.known_patient.hide(self.whole(field))
    }

    /// A time in the zone of the reader; what is no time as it came.
    pub(super) fn time(&self, field: Field<'_>) -> String {
        let whole = self.free(field);
        self.times.shown(&whole).unwrap_or(whole)
    }

    /// A coded element, unless it is patient data.
    pub(super) fn term(&self, field: Field<'_>) -> Term {
        match patient_term(field).filter(|_| !self.options.with_patient) {
            Some(name) => Term { name: name.to_owned(), ..Term::default() },
            None => self.without_patient(value::term(field, self.characters)),
        }
    }

    /// A term that the nomenclature does not have may be any text.
    pub(super) fn without_patient(&self, term: Term) -> Term {
        let coded = Coded { code: "", name: &term.name, system: &term.system };
        if find_term(coded).is_some() || find_unit(coded).is_some() {
            return term;
        }
        // A number is a code, whatever number the patient has.
        let is_number = term.code.bytes().all(|byte| byte.is_ascii_digit());
        let code = if is_number { term.code } else { self.known_patient.hide(term.code) };
        Term { code, name: self.known_patient.hide(term.name), system: self.known_patient.hide(term.system) }
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

    pub(super) fn requests(&self, message: &Message<'_>, transaction: Option<Transaction>) -> Vec<Request> {
        let is_alert = matches!(transaction, Some(Transaction::Pcd04 | Transaction::Pcd05));
        let alerts = if is_alert { Alert::all_of(message) } else { Vec::new() };
        let notes = Notes::of(message);
        let obrs = message.segments().enumerate().filter(|(_, segment)| segment.is(b"OBR"));
        let mut obrs = obrs.collect::<Vec<_>>().into_iter();
        Containment::all_of(message)
            .iter()
            .enumerate()
            .map(|(at, tree)| {
                let obr = obrs.next();
                let field = |n| obr.map(|(_, obr)| self.free(obr.field(n))).unwrap_or_default();
                let mut own =
                    alerts.iter().filter(|alert| alert.position == at).map(|alert| self.alert(alert));
                Request {
                    service: obr.map_or(Term::default(), |(_, obr)| self.term(obr.field(4))),
                    filler: field(3),
                    placer: Some(field(2)).filter(|placer| *placer != field(3)).unwrap_or_default(),
                    parent: field(29),
                    time: field(7),
                    end: field(8),
                    end_shown: obr.map(|(_, obr)| self.time(obr.field(8))).unwrap_or_default(),
                    time_shown: obr.map(|(_, obr)| self.time(obr.field(7))).unwrap_or_default(),
                    others: obr.map(|(_, obr)| self.others(&obr, OBR_FIELDS)).unwrap_or_default(),
                    notes: obr.map(|(at, _)| self.notes(&notes, at)).unwrap_or_default(),
                    alert: own.next(),
                    further_alerts: own.collect(),
                    observations: self.observations(tree, &notes),
                }
            })
            .collect()
    }

    /// NTE-3 behind the segment at this position.
    pub(super) fn notes(&self, notes: &Notes<'_>, position: usize) -> Vec<String> {
        let shown = notes.behind(position).map(|note| self.note(note));
        shown.filter(|note| !note.is_empty()).collect()
    }

    fn note(&self, note: &Segment<'_>) -> String {
        let names_patient = (1..=MAX_NOTE_FIELD).any(|n| patient_term(note.field(n)).is_some());
        if names_patient && !self.options.with_patient {
            return HIDDEN_NOTE.to_owned();
        }
        let text: Vec<_> = note
            .field(3)
            .repetitions()
            .map(|line| {
                let parts = line.components().map(|part| value::component(part, self.characters));
                parts.collect::<Vec<_>>().join(" ").trim().to_owned()
            })
            .collect();
        let text = self.known_patient.hide(text.join("\n"));
        match value::shortened(&text).filter(|_| !self.options.full) {
            Some(start) => format!("{start} ({} bytes)", note.field(3).raw().len()),
            None => text,
        }
    }

    /// The patient, if the caller asked for it and the message has one.
    pub(super) fn patient(&self, message: &Message<'_>) -> Option<Patient> {
        if !self.options.with_patient || !message.segments().any(|segment| is_about_patient(&segment)) {
            return None;
        }
        let (pid, pv1) = (message.segment(b"PID"), message.segment(b"PV1"));
        let field = |segment: Option<Segment<'_>>, n| {
            segment.map(|segment| self.whole(segment.field(n))).unwrap_or_default()
        };
        let notes = Notes::of(message);
        let about = message.segments().enumerate().filter(|(_, segment)| is_about_patient(segment));
        Some(Patient {
            identifiers: field(pid, 3),
            name: field(pid, 5),
            born: field(pid, 7),
            sex: field(pid, 8),
            location: field(pv1, 3),
            others: self.other_patient_fields(message),
            notes: about.flat_map(|(position, _)| self.notes(&notes, position)).collect(),
        })
    }
}

/// The fields of OBR that have keys of their own.
const OBR_FIELDS: &[usize] = &[1, 2, 3, 4, 7, 8, 29];
/// The last field of NTE that is looked at for patient data (HL7 2.8: NTE-9).
const MAX_NOTE_FIELD: usize = 9;
/// What stands in place of a note about the patient.
const HIDDEN_NOTE: &str = "[patient]";
