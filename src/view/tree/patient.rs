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
        let segments = message.segments().enumerate();
        let about = each(structure, segments.filter(|(_, segment)| is_about_patient(segment)));
        let participants = each(structure, structure.placement.of_patient.iter().copied());
        let patients = (1..).zip(about.iter().zip(&participants));
        patients.map(|(number, (about, others))| self.patient(number, about, others, structure)).collect()
    }

    /// The patient with this number, from 1, and the segments about it.
    fn patient(
        &self,
        number: usize,
        about: &[Placed<'_>],
        participants: &[Placed<'_>],
        structure: &Structure<'_>,
    ) -> Patient {
        let first =
            |id: &[u8; 3]| about.iter().find(|(_, segment)| segment.is(id)).map(|(_, segment)| *segment);
        let (pid, pv1) = (first(b"PID"), first(b"PV1"));
        let field = |segment: Option<Segment<'_>>, n| {
            segment.map(|segment| self.whole(segment.field(n))).unwrap_or_default()
        };
        let notes = &structure.notes;
        let tree = structure.patient_tree().filter(|_| number == 1);
        let observations = tree.map(|tree| self.observations(tree, structure));
        Patient {
            identifiers: field(pid, 3),
            name: field(pid, 5),
            born: field(pid, 7),
            sex: field(pid, 8),
            location: field(pv1, 3),
            others: self.other_patient_fields(about, participants, notes),
            notes: about.iter().flat_map(|(position, _)| self.notes(notes, *position)).collect(),
            observations: observations.unwrap_or_default(),
        }
    }

    /// The fields about the patient that have no key of their own.
    fn other_patient_fields(
        &self,
        about: &[Placed<'_>],
        participants: &[Placed<'_>],
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
        others.extend(participants.iter().flat_map(|(_, segment)| self.others(segment, &[])));
        others
    }
}

/// The segments of each patient of a message. What stands before the first PID is of the first patient.
fn each<'m>(structure: &Structure<'_>, segments: impl Iterator<Item = Placed<'m>>) -> Vec<Vec<Placed<'m>>> {
    let mut each = vec![Vec::new(); structure.patients.count().max(1)];
    for (position, segment) in segments {
        let number = structure.patients.number_at(position).unwrap_or(1);
        each.get_mut(number - 1).into_iter().for_each(|own| own.push((position, segment)));
    }
    each
}
