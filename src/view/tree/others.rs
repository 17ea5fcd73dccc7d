//! What has no place of its own in the tree: other fields and other segments. Nothing of a message is left
//! out silently.
//!
//! Each of these fields may name the patient. Without `--phi` only times, numbers, units and codes of tables
//! are shown, where the field is one of those; of the others their names are given.

use std::collections::HashSet;

use super::model::{OtherField, OtherSegment};
use super::notes::Notes;
use super::reader::Reader;
use crate::hl7::{Field, Message, MessageTime, Segment};
use crate::pcd::is_about_patient;
use crate::pcd::nomenclature::{Coded, find_unit};
use crate::view::value;

impl Reader<'_> {
    /// The fields of a segment that have a value, except `shown`.
    pub(super) fn others(&self, segment: &Segment<'_>, shown: &[usize]) -> Vec<OtherField> {
        let name = self.name(segment);
        let is_other = |(n, field): &(usize, Field<'_>)| !field.is_empty() && !shown.contains(n);
        let fields = (1..).zip(segment.fields()).filter(is_other);
        fields.map(|(n, field)| self.other(&name, n, field)).collect()
    }

    fn other(&self, segment: &str, n: usize, field: Field<'_>) -> OtherField {
        let whole = self.free(field);
        let value = match value::shortened(&whole).filter(|_| !self.options.full) {
            Some(start) => format!("{start} ({} bytes)", field.raw().len()),
            None => whole,
        };
        let known = NAMES.iter().find(|(of, number, ..)| *of == segment && *number == n);
        let (kind, name) = known.map_or((Kind::Text, ""), |(.., kind, name)| (*kind, *name));
        let closed = kind.closed(field);
        let is_shown = self.options.with_patient || kind == Kind::ControlId;
        let value = if is_shown { Some(value) } else { closed };
        let shown = match (kind, &value) {
            (Kind::Time, Some(_)) => self.time(field),
            (_, value) => value.clone().unwrap_or_default(),
        };
        OtherField { field: format!("{segment}-{n}"), name, value, shown }
    }

    /// The segments beside OBR and OBX whose fields are shown one by one.
    pub(super) fn other_segments(&self, message: &Message<'_>) -> Vec<OtherSegment> {
        let notes = Notes::of(message);
        let listed = message.segments().enumerate().filter(|(_, segment)| is_listed(segment));
        listed
            .map(|(position, segment)| OtherSegment {
                segment: self.name(&segment),
                fields: self.others(&segment, &[]),
                notes: self.notes(&notes, position),
            })
            .collect()
    }

    /// The names of segments whose content is not shown, each once.
    pub(super) fn not_shown(&self, message: &Message<'_>) -> Vec<String> {
        let (mut names, mut known) = (Vec::new(), HashSet::new());
        let mut add = |name: String| {
            if known.insert(name.clone()) {
                names.push(name);
            }
        };
        let mut owner_is_shown = false;
        for segment in message.segments() {
            if segment.is(b"NTE") {
                if !owner_is_shown {
                    add("NTE".to_owned());
                }
                continue;
            }
            let is_header = segment.is(b"MSH");
            let is_content = [b"OBR", b"OBX"].iter().any(|id| segment.is(*id)) || is_listed(&segment);
            // That there is a patient stands elsewhere, and that an observation goes on beside it.
            let is_named = is_about_patient(&segment) || segment.is(b"ADD");
            if !segment.is(b"PRT") {
                owner_is_shown = is_content || is_named && (owner_is_shown || is_about_patient(&segment));
            }
            if !is_header && !is_content && !is_named {
                add(self.name(&segment));
            }
        }
        names
    }

    /// The fields about the patient that have no key of their own.
    pub(super) fn other_patient_fields(&self, message: &Message<'_>) -> Vec<OtherField> {
        let mut others = Vec::new();
        for segment in message.segments().filter(is_about_patient) {
            let shown: &[usize] = match segment.id() {
                b"PID" => &[1, 3, 5, 7, 8],
                b"PV1" => &[1, 3],
                _ => &[],
            };
            others.extend(self.others(&segment, shown));
        }
        others
    }
}

/// Whether the fields of a segment are shown one by one. Segments of other purposes could hold anything.
fn is_listed(segment: &Segment<'_>) -> bool {
    SEGMENTS.iter().any(|id| segment.is(*id))
}

/// Answers and errors, orders of medication and their timing, participations, specimens.
const SEGMENTS: [&[u8; 3]; 15] = [
    b"MSA", b"ERR", b"ORC", b"RXO", b"RXE", b"RXG", b"RXR", b"RXC", b"RXD", b"RXA", b"TQ1", b"TQ2", b"PRT",
    b"SPM", b"SAC",
];

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    Number,
    /// A short code of a table.
    Code,
    Unit,
    /// The control id of another message.
    ControlId,
    /// What becomes of an alert (PRT-4 of a PCD-05).
    Outcome,
    /// Anything: it may name the patient.
    Text,
}

impl Kind {
    /// The value, if it is of the kind and can be no text.
    fn closed(self, field: Field<'_>) -> Option<String> {
        let first = field.component(1);
        let first = std::str::from_utf8(first.trimmed()).ok()?;
        let is_closed = match self {
            Self::Time => MessageTime::parse(first.as_bytes()).is_ok(),
            Self::Number => {
                first.len() <= 12
                    && first.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'))
            }
            Self::Code => {
                let is_number = first.bytes().all(|digit| digit.is_ascii_digit());
                let is_code = first.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit());
                first.len() <= if is_number { 6 } else { 4 } && is_code
            }
            Self::Unit => {
                let unit = [1, 4].into_iter().find_map(|at| find_unit(Coded::of(field, at)));
                return unit.map(|unit| unit.plain().to_owned());
            }
            Self::Outcome => OUTCOMES.iter().any(|outcome| outcome.eq_ignore_ascii_case(first)),
            Self::ControlId | Self::Text => false,
        };
        is_closed.then(|| first.to_owned())
    }
}

/// Words for fields (HL7 2.6 chapters 2, 4 and 7; PRT: 2.7).
const NAMES: [(&str, usize, Kind, &str); 51] = [
    ("MSA", 1, Kind::Code, "answer"),
    ("MSA", 2, Kind::ControlId, "control id"),
    ("MSA", 3, Kind::Text, "text"),
    ("ERR", 2, Kind::Text, "location"),
    ("ERR", 3, Kind::Code, "code"),
    ("ERR", 4, Kind::Code, "severity"),
    ("ERR", 5, Kind::Code, "code of the application"),
    ("ERR", 7, Kind::Text, "diagnosis"),
    ("ERR", 8, Kind::Text, "message"),
    ("OBR", 13, Kind::Text, "clinical information"),
    ("OBR", 16, Kind::Text, "ordered by"),
    ("OBR", 17, Kind::Text, "callback number"),
    ("OBR", 22, Kind::Time, "status changed"),
    ("OBR", 25, Kind::Code, "status"),
    ("OBX", 10, Kind::Code, "nature of the range"),
    ("OBX", 13, Kind::Text, "access checks"),
    ("OBX", 15, Kind::Text, "producer"),
    ("OBX", 16, Kind::Text, "observed by"),
    ("OBX", 19, Kind::Time, "analysed"),
    ("OBX", 21, Kind::Text, "instance"),
    ("OBX", 23, Kind::Text, "performed by"),
    ("ORC", 1, Kind::Code, "control"),
    ("ORC", 2, Kind::Text, "placer"),
    ("ORC", 3, Kind::Text, "filler"),
    ("ORC", 5, Kind::Code, "status"),
    ("ORC", 9, Kind::Time, "time"),
    ("ORC", 10, Kind::Text, "entered by"),
    ("ORC", 12, Kind::Text, "ordered by"),
    ("ORC", 19, Kind::Text, "action by"),
    ("RXG", 4, Kind::Text, "drug"),
    ("RXG", 5, Kind::Number, "least amount"),
    ("RXG", 6, Kind::Number, "greatest amount"),
    ("RXG", 7, Kind::Unit, "unit of the amount"),
    ("RXG", 15, Kind::Number, "rate"),
    ("RXG", 16, Kind::Unit, "unit of the rate"),
    ("RXG", 17, Kind::Number, "strength"),
    ("RXG", 18, Kind::Unit, "unit of the strength"),
    ("RXG", 23, Kind::Number, "volume of the strength"),
    ("RXG", 24, Kind::Unit, "unit of the volume"),
    ("RXR", 1, Kind::Code, "route"),
    ("RXR", 2, Kind::Text, "site"),
    ("TQ1", 2, Kind::Number, "quantity"),
    ("TQ1", 6, Kind::Text, "duration"),
    ("TQ1", 7, Kind::Time, "start"),
    ("TQ1", 8, Kind::Time, "end"),
    ("TQ1", 9, Kind::Code, "priority"),
    ("PRT", 2, Kind::Code, "action"),
    ("PRT", 4, Kind::Outcome, "participation"),
    ("PRT", 5, Kind::Text, "person"),
    ("PRT", 11, Kind::Time, "begin"),
    ("PRT", 15, Kind::Text, "contact"),
];

/// Words of IHE PCD for what became of an alert (TF vol. 2, B.10).
const OUTCOMES: [&str; 18] = [
    "Received",
    "Undeliverable",
    "Queued",
    "Sent",
    "Delivered",
    "Read",
    "Replied",
    "Accepted",
    "AcceptedPositive",
    "AcceptedNotRelevant",
    "AcceptedFalse",
    "Rejected",
    "Cancelled",
    "Completed",
    "Acknowledged",
    "Unacknowledged",
    "Canceled",
    "Forwarded",
];
