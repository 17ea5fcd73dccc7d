//! The character set in which a message is displayed.

use super::{CharacterSet, Message, Warning};

impl Message<'_> {
    /// The character set in which the text of the message is displayed: that of MSH-18, unless the bytes are
    /// of another one ([`Warning::CharsetMismatch`]).
    ///
    /// For people only. What decides about a message considers every reading of its bytes
    /// ([`Message::every_reading`]).
    #[must_use]
    pub fn text_encoding(&self) -> CharacterSet {
        if self.warnings().contains(Warning::CharsetMismatch) {
            CharacterSet::UNNAMED
        } else {
            self.header().text_encoding()
        }
    }

    /// Whether bytes of the message are not of the set that MSH-18 names.
    pub(super) fn contradicts_character_set(&self) -> bool {
        self.header().text_encoding().is_contradicted_by(self.as_bytes())
    }
}
