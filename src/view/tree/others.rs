//! What has no place of its own in the tree: other fields and other segments. Nothing of a message is left
//! out silently.
//!
//! Each of these fields may name the patient. Without `--phi` only times, numbers, units and codes of tables
//! are shown, where the field is one of those ([`Kind`]); of the others their names are given.

use std::collections::HashSet;

use super::fields::{Closed, Kind, has_value, unit_contradiction};
use super::model::{OtherField, OtherSegment};
use super::reader::Reader;
use crate::hl7::{Field, Message, Segment};
use crate::pcd::{Notes, Placed, is_about_patient, is_listed};
use crate::view::value::{self, SentText};

impl Reader<'_> {
    /// The fields of a segment that have a value, except `shown`.
    pub(super) fn others(&self, segment: &Segment<'_>, shown: &[usize]) -> Vec<OtherField> {
        let name = self.name(segment);
        let is_other = |(n, field): &(usize, Field<'_>)| !shown.contains(n) && has_value(*field);
        let fields = (1..).zip(segment.fields()).filter(is_other);
        fields.map(|(n, field)| self.other(&name, n, field)).collect()
    }

    fn other(&self, segment: &str, n: usize, field: Field<'_>) -> OtherField {
        let (kind, name) = Kind::of(segment, n);
        let is_whole = self.options.with_patient || matches!(kind, Kind::ControlId | Kind::Device);
        let (value, is_partial) = if is_whole {
            (Some(self.shortened(field)), false)
        } else {
            let closed = kind.closed(field);
            let is_partial = closed.as_ref().is_some_and(|closed| !closed.is_whole);
            (closed.map(|closed| self.closed(closed)), is_partial)
        };
        let contradiction = unit_contradiction(kind, field).filter(|_| is_whole);
        let shown = match (kind, &value) {
            (_, Some(value)) if contradiction.is_some() => {
                format!("{value} ({})", contradiction.unwrap_or_default())
            }
            (Kind::Time, Some(value)) => self.times.shown(value).unwrap_or_else(|| value.clone()),
            (_, value) => value.clone().unwrap_or_default(),
        };
        OtherField { field: format!("{segment}-{n}"), name, value, is_partial, shown }
    }

    /// A number, a time or a unit; a short code may be a name.
    fn closed(&self, closed: Closed) -> String {
        if closed.is_parsed { closed.text } else { self.cover(SentText::new(&closed.text)) }
    }

    fn shortened(&self, field: Field<'_>) -> String {
        let whole = self.whole(field);
        match value::shortened(&whole).filter(|_| !self.options.full) {
            Some(start) => format!("{start} ({} bytes)", field.raw().len()),
            None => whole,
        }
    }

    /// Segments whose fields are shown one by one.
    pub(super) fn listed(&self, segments: &[Placed<'_>], notes: &Notes<'_>) -> Vec<OtherSegment> {
        let listed = segments.iter().map(|(position, segment)| {
            let mut fields = self.others(segment, &[]);
            fields.extend(self.note_fields(notes, *position));
            OtherSegment { segment: self.name(segment), fields, notes: self.notes(notes, *position) }
        });
        listed.collect()
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
}
