//! Where the segments beside OBR and OBX belong.

use std::collections::HashMap;

use super::is_about_patient;
use crate::hl7::{Message, Segment};

/// A segment, and its position in the message, from 0.
pub type Placed<'m> = (usize, Segment<'m>);

/// The segments beside OBR and OBX whose fields are shown one by one, by what they belong to.
#[derive(Default)]
pub struct Placement<'m> {
    /// Of no request: answers and errors.
    pub loose: Vec<Placed<'m>>,
    /// Those of each tree of observations ([`super::Containment::all_of`]): its order, the
    /// participations behind OBR, timing and route of a step.
    by_tree: Vec<Vec<Placed<'m>>>,
    /// The participations behind an observation, by its position: the device that PRT-10 names is its device
    /// (IHE PCD TF vol. 2, B.10).
    by_observation: HashMap<usize, Vec<Placed<'m>>>,
    /// The participations behind segments about the patient.
    pub of_patient: Vec<Placed<'m>>,
}

/// What a participation behind the segments so far is of.
#[derive(Clone, Copy)]
enum Owner {
    Request,
    Observation(usize),
    Patient,
}

impl<'m> Placement<'m> {
    /// The places of the segments of a message.
    #[must_use]
    pub fn of(message: &'m Message<'_>) -> Self {
        let mut all = Self::default();
        // An order stands before its request: it begins with ORC.
        let mut order: Vec<Placed<'m>> = Vec::new();
        let mut owner = Owner::Request;
        for (position, segment) in message.segments().enumerate() {
            let is_step = segment.is(b"RXG");
            if segment.is(b"PRT") {
                match owner {
                    Owner::Patient => all.of_patient.push((position, segment)),
                    Owner::Observation(at) => {
                        all.by_observation.entry(at).or_default().push((position, segment));
                    }
                    Owner::Request if order.is_empty() => all.here().push((position, segment)),
                    Owner::Request => order.push((position, segment)),
                }
            } else if segment.is(b"OBR") || is_step {
                all.by_tree.push(std::mem::take(&mut order));
                if is_step {
                    all.here().push((position, segment));
                }
                owner = Owner::Request;
            } else if segment.is(b"OBX") {
                if all.by_tree.is_empty() {
                    all.by_tree.push(std::mem::take(&mut order));
                }
                owner = Owner::Observation(position);
            } else if is_about_patient(&segment) {
                owner = Owner::Patient;
            } else if is_listed(&segment) {
                if segment.is(b"ORC") || !order.is_empty() {
                    order.push((position, segment));
                } else {
                    all.here().push((position, segment));
                }
                owner = Owner::Request;
            }
        }
        all.loose.extend(order);
        all
    }

    /// The segments of the tree with this number, from 0.
    #[must_use]
    pub fn of_tree(&self, number: usize) -> &[Placed<'m>] {
        self.by_tree.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    /// The participations behind the observation at this position.
    #[must_use]
    pub fn of_observation(&self, position: usize) -> &[Placed<'m>] {
        self.by_observation.get(&position).map(Vec::as_slice).unwrap_or_default()
    }

    fn here(&mut self) -> &mut Vec<Placed<'m>> {
        self.by_tree.last_mut().unwrap_or(&mut self.loose)
    }
}

/// Whether the fields of a segment are shown one by one. Segments of other purposes could hold anything.
#[must_use]
pub fn is_listed(segment: &Segment<'_>) -> bool {
    SEGMENTS.iter().any(|id| segment.is(*id))
}

/// Answers and errors, orders of medication and their timing, participations, specimens.
const SEGMENTS: [&[u8; 3]; 15] = [
    b"MSA", b"ERR", b"ORC", b"RXO", b"RXE", b"RXG", b"RXR", b"RXC", b"RXD", b"RXA", b"TQ1", b"TQ2", b"PRT",
    b"SPM", b"SAC",
];
