//! The notes behind segments, and what continues them.

use std::collections::{HashMap, HashSet};

use crate::hl7::{Message, Segment};

/// The NTE and ADD segments of a message by the position of the segment that they belong to.
pub struct Notes<'m> {
    notes: HashMap<usize, Vec<Segment<'m>>>,
    continued: HashSet<usize>,
}

impl<'m> Notes<'m> {
    /// The notes of a message.
    #[must_use]
    pub fn of(message: &'m Message<'_>) -> Self {
        let mut all = Self { notes: HashMap::new(), continued: HashSet::new() };
        let mut owner = 0;
        for (position, segment) in message.segments().enumerate() {
            if segment.is(b"NTE") {
                all.notes.entry(owner).or_default().push(segment);
            } else if segment.is(b"ADD") {
                all.continued.insert(owner);
            } else if !segment.is(b"PRT") {
                // Participations stand between a segment and its notes (HL7 2.7: `PID [{PRT}] [{NTE}]`): a
                // note about a patient is no note about a person that takes part.
                owner = position;
            }
        }
        all
    }

    /// The NTE segments behind the segment at this position.
    pub fn behind(&self, position: usize) -> impl Iterator<Item = &Segment<'m>> {
        self.notes.get(&position).into_iter().flatten()
    }

    /// Whether ADD continues the segment at this position.
    #[must_use]
    pub fn is_continued(&self, position: usize) -> bool {
        self.continued.contains(&position)
    }
}
