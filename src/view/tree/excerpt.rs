//! How much of a message is shown. A sender decides how many segments and parts a message has, and to show a
//! part takes many times as long as to receive it.

use serde::Serialize;

use crate::hl7::{Message, Segment};

/// What is shown of a message that has more parts than are shown: its first segments, each as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Excerpt {
    /// How many segments are shown.
    pub segments: usize,
    /// How many the message has.
    pub of_segments: usize,
}

impl Excerpt {
    /// What is shown of `message`; `None`: all of it.
    pub(super) fn of(message: &Message<'_>) -> Option<Self> {
        let mut room = MAX_PARTS;
        let fits = |segment: &Segment<'_>| {
            let left = room.checked_sub(SEGMENT_PARTS + segment.separator_count());
            room = left.unwrap_or_default();
            left.is_some()
        };
        let segments = message.segments().take_while(fits).count().max(1);
        let of_segments = message.segment_count();
        let is_all = segments >= of_segments && room > 0;
        (!is_all).then_some(Self { segments, of_segments })
    }

    /// The part of the message that is shown.
    pub(super) fn message<'m>(&self, message: &Message<'m>) -> Message<'m> {
        message.beginning(self.segments, MAX_HEADER_BYTES)
    }

    /// What a reader has to know.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { segments, of_segments, .. } = self;
        format!(
            "{segments} of {of_segments} segments are shown, and no facets of alerts: the message has too many \
             parts; `message export` and `message show --raw` give all of it"
        )
    }
}

/// Parts of fields that are shown of one message: several times those of a waveform of many leads.
const MAX_PARTS: usize = 200_000;
/// As how many parts a segment counts besides those that it has.
const SEGMENT_PARTS: usize = 20;
/// Bytes of a header that are shown of a message that is not shown as a whole.
const MAX_HEADER_BYTES: usize = 16 << 10;
