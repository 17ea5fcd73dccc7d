//! What a message says about its patient.

use std::collections::HashSet;

use super::model::{OtherField, Patient};
use super::reader::Reader;
use super::structure::Structure;
use crate::hl7::{Message, Segment};
use crate::pcd::{Notes, Placed, is_about_patient};

impl Reader<'_> {
    /// The patients, if the caller asked for them and the message has any: usually one.
    pub(super) fn patients(&self, message: &Message<'_>, structure: &Structure<'_>) -> Vec<Patient> {
        if !self.options.with_patient || !message.segments().any(|segment| is_about_patient(&segment)) {
            return Vec::new();
        }
        (1..=structure.patients.count().max(1))
            .map(|number| self.patient(number, message, structure))
            .collect()
    }

    /// The patient with this number, from 1.
    fn patient(&self, number: usize, message: &Message<'_>, structure: &Structure<'_>) -> Patient {
        // What stands before the first PID is of the first patient.
        let is_own = |position: usize| structure.patients.number_at(position).unwrap_or(1) == number;
        let about: Vec<Placed<'_>> = message
            .segments()
            .enumerate()
            .filter(|(position, segment)| is_about_patient(segment) && is_own(*position))
            .collect();
        let first =
            |id: &[u8; 3]| about.iter().find(|(_, segment)| segment.is(id)).map(|(_, segment)| *segment);
        let (pid, pv1) = (first(b"PID"), first(b"PV1"));
        let field = |segment: Option<Segment<'_>>, n| {
            segment.map(|segment| self.whole(segment.field(n))).unwrap_or_default()
        };
        let notes = &structure.notes;
        let tree = structure.patient_tree().filter(|_| number == 1);
        let observations = tree.map(|tree| self.observations(tree, structure));
        let of_patient = structure.placement.of_patient.iter().filter(|(position, _)| is_own(*position));
        Patient {
            identifiers: field(pid, 3),
            name: field(pid, 5),
            born: field(pid, 7),
            sex: field(pid, 8),
            location: field(pv1, 3),
            others: self.other_patient_fields(&about, of_patient, notes),
            notes: about.iter().flat_map(|(position, _)| self.notes(notes, *position)).collect(),
            observations: observations.unwrap_or_default(),
        }
    }

    /// The fields about the patient that have no key of their own.
    fn other_patient_fields<'p>(
        &self,
        about: &[Placed<'_>],
        participants: impl Iterator<Item = &'p Placed<'p>>,
        notes: &Notes<'_>,
    ) -> Vec<OtherField> {
        let (mut others, mut known) = (Vec::new(), HashSet::new());
        for (position, segment) in about {
            // The first of each has keys of its own.
            let shown: &[usize] = match segment.id() {
                b"PID" if known.insert(segment.id()) => &[1, 3, 5, 7, 8],
                b"PV1" if known.insert(segment.id()) => &[1, 3],
                b"PID" | b"PV1" => &[1],
                _ => &[],
            };
            others.extend(self.others(segment, shown));
            others.extend(self.note_fields(notes, *position));
        }
        others.extend(participants.flat_map(|(_, segment)| self.others(segment, &[])));
        others
    }
}
