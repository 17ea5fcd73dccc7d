//! Texts that the store can search.

/// The text, cut to [`MAX_COLUMN_CHARACTERS`]. The raw bytes of the message are complete.
pub(super) fn bounded(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_COLUMN_CHARACTERS) {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// Characters of a column that the store can search. HL7 2.6 has at most 227 for such a field (MSH-3).
const MAX_COLUMN_CHARACTERS: usize = 256;
