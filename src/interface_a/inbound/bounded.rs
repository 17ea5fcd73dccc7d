//! Texts that the store can search.

use std::fmt::{self, Write as _};

use crate::pcd::DeviceIdentity;

/// The text, cut to [`MAX_COLUMN_CHARACTERS`]. The raw bytes of the message are complete.
pub(super) fn bounded(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_COLUMN_CHARACTERS) {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// The beginning of a text, in which the patient is looked for before it is [`bounded`].
pub(super) fn searched(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_SEARCHED)).unwrap_or(text).to_owned()
}

/// The beginning of an identity as it is shown, for the same. Nothing copies the rest: an identity may be as
/// long as a frame.
pub(super) fn beginning(identity: &DeviceIdentity) -> String {
    let mut beginning = Beginning { text: String::new(), room: MAX_SEARCHED };
    // The error says that it is full.
    let _ = write!(beginning, "{identity}");
    beginning.text
}

struct Beginning {
    text: String,
    /// Bytes that still fit.
    room: usize,
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(self.room);
        self.text.push_str(text.get(..end).unwrap_or_default());
        self.room -= end;
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Characters of a column that the store can search. HL7 2.6 has at most 227 for such a field (MSH-3).
const MAX_COLUMN_CHARACTERS: usize = 256;
/// Bytes of a text that are searched for the patient: more than those of the characters that are stored, so
/// that no text about the patient is cut at the end of them.
pub(super) const MAX_SEARCHED: usize = 4096;
