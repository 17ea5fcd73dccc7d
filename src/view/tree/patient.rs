//! What a message says about its patient.

use std::collections::HashSet;

use super::model::{OtherField, Patient};
use super::reader::Reader;
use super::structure::Structure;
use crate::hl7::{Message, Segment};
use crate::pcd::{Notes, Placed, is_about_patient};

impl Reader<'_> {
    /// The patient, if the caller asked for it and the message has one.
    pub(super) fn patient(&self, message: &Message<'_>, structure: &Structure<'_>) -> Option<Patient> {
        if !self.options.with_patient || !message.segments().any(|segment| is_about_patient(&segment)) {
            return None;
        }
        let (pid, pv1) = (message.segment(b"PID"), message.segment(b"PV1"));
        let field = |segment: Option<Segment<'_>>, n| {
            segment.map(|segment| self.whole(segment.field(n))).unwrap_or_default()
        };
        let notes = &structure.notes;
        let observations = structure.patient_tree().map(|tree| self.observations(tree, structure));
        let about = message.segments().enumerate().filter(|(_, segment)| is_about_patient(segment));
        Some(Patient {
            identifiers: field(pid, 3),
            name: field(pid, 5),
            born: field(pid, 7),
            sex: field(pid, 8),
            location: field(pv1, 3),
            others: self.other_patient_fields(message, &structure.placement.of_patient, notes),
            notes: about.flat_map(|(position, _)| self.notes(notes, position)).collect(),
            observations: observations.unwrap_or_default(),
        })
    }

    /// The fields about the patient that have no key of their own.
    fn other_patient_fields(
        &self,
        message: &Message<'_>,
        participants: &[Placed<'_>],
        notes: &Notes<'_>,
    ) -> Vec<OtherField> {
        let (mut others, mut known) = (Vec::new(), HashSet::new());
        for (position, segment) in message.segments().enumerate().filter(|(_, it)| is_about_patient(it)) {
            // The first of each has keys of its own; a second patient has not.
            let shown: &[usize] = match segment.id() {
                b"PID" if known.insert(segment.id()) => &[1, 3, 5, 7, 8],
                b"PV1" if known.insert(segment.id()) => &[1, 3],
                b"PID" | b"PV1" => &[1],
                _ => &[],
            };
            others.extend(self.others(&segment, shown));
            others.extend(self.note_fields(notes, position));
        }
        others.extend(participants.iter().flat_map(|(_, segment)| self.others(segment, &[])));
        others
    }
}
