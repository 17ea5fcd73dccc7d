//! The beginning of a message, for readers that show a part of it.

use super::Message;
use crate::hl7::Segment;

impl Message<'_> {
    /// The same message as if only its first `segments` were there, and of the header only `header` bytes:
    /// with the separators, the character set and the warnings of the whole. It has its header in any case.
    #[must_use]
    pub fn beginning(&self, segments: usize, header: usize) -> Self {
        let mut ranges = self.segments.get(..segments.max(1)).unwrap_or(&self.segments).to_vec();
        if let Some(first) = ranges.first_mut() {
            first.end = first.end.min(first.start.saturating_add(header));
        }
        let joined = self.joined.as_deref().map(|joined| joined.get(..header).unwrap_or(joined).into());
        let Self { bytes, separators, warnings, .. } = *self;
        Self { bytes, separators, segments: ranges, joined, warnings }
    }

    /// How many segments the message has.
    #[must_use]
    pub const fn segment_count(&self) -> usize {
        self.segments.len()
    }
}

impl Segment<'_> {
    /// How many separators of fields, repetitions, components and subcomponents it has, about: in some
    /// character sets such a byte may be a part of a character.
    #[must_use]
    pub fn separator_count(&self) -> usize {
        let own = self.separators();
        let separators =
            [own.field, own.repetition, own.component, own.subcomponent.unwrap_or(own.component)];
        self.raw().iter().filter(|byte| separators.contains(byte)).count()
    }
}
