//! What a message takes longer for than others of its length.

use super::reading::{Part, Reading};
use crate::interface_a::device_limits::count_of;

/// Work that the length of a message does not show. A sender may make much of it in few bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Costs {
    /// Bytes of names that have to be compared with the directory by every character set.
    uncompared: usize,
    /// Names that are compared with the directory.
    names: usize,
    segments: usize,
    /// As how many messages its bytes count once more: other readers may see other fields in them.
    other_readings: usize,
    /// Fields, repetitions, components and subcomponents, empty or not: each is looked at several times.
    parts: usize,
    /// Steps in which the texts about the patient are looked for in what is stored for lists.
    hiding: usize,
}

impl Costs {
    pub(super) fn of(reading: &Reading<'_>, part: &Part, uncompared: usize) -> Self {
        Self {
            uncompared,
            names: reading.claims.names.len(),
            segments: part.segments(),
            other_readings: if reading.message.has_other_readings() { count_of(part.len(), 0) } else { 0 },
            hiding: reading.hiding_steps(),
            parts: reading.parts(),
        }
    }

    /// Whether others must not wait for it.
    pub(super) const fn take_long(self) -> bool {
        self.uncompared > MAX_QUICKLY_COMPARED || self.hiding > MAX_QUICKLY_HIDDEN
    }

    /// As how many messages the message counts besides.
    pub(super) const fn effort(self) -> usize {
        self.uncompared / COMPARED_BYTES_PER_MESSAGE
            + self.names / NAMES_PER_MESSAGE
            + self.segments / SEGMENTS_PER_MESSAGE
            + self.parts / PARTS_PER_MESSAGE
            + self.other_readings
            + self.hiding / HIDING_STEPS_PER_MESSAGE
    }
}

/// Bytes of names that are compared by every character set while other sessions wait: some names that are
/// new. It takes about as long as a message of 64 KiB.
const MAX_QUICKLY_COMPARED: usize = 256;
/// Bytes of names whose comparison by every character set takes as long as a message.
const COMPARED_BYTES_PER_MESSAGE: usize = 4;
/// Names whose comparison takes as long as a message.
const NAMES_PER_MESSAGE: usize = 16;
/// Segments whose reading takes as long as a message, besides that of their bytes.
const SEGMENTS_PER_MESSAGE: usize = 128;
/// Parts of fields whose reading takes as long as a message.
const PARTS_PER_MESSAGE: usize = 1024;
/// Steps that are taken while other sessions wait: as long as a message of 64 KiB takes.
const MAX_QUICKLY_HIDDEN: usize = 1 << 20;
/// Steps that take as long as a message.
const HIDING_STEPS_PER_MESSAGE: usize = 1 << 15;
