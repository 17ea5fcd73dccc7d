//! Tolerated deviations of a message from the standard.

use std::fmt;

/// One tolerated deviation of a message from the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Warning {
    /// The message begins with the byte order mark of UTF-8.
    ByteOrderMark,
    /// Blanks or line breaks come before MSH.
    BlanksBeforeHeader,
    /// There are line feeds: they end segments, follow carriage returns, or are content.
    LineFeeds,
    /// A line between two segments is empty.
    EmptyLines,
    /// Blanks come before the name of a segment.
    BlanksBeforeSegment,
    /// The last segment has no terminator.
    MissingFinalCarriageReturn,
    /// MSH continues on the next line; it is read as one segment.
    WrappedHeader,
    /// PID begins in the line of MSH; it is read as a segment of its own.
    MissingCarriageReturnBeforePid,
    /// MSH-2 has three characters, or a doubled escape character.
    UnusualEncodingCharacters,
    /// MSH-9 has no trigger event, or no message structure.
    IncompleteMessageType,
    /// A field of the header has surrounding blanks.
    BlanksInHeader,
    /// MSH-15 or MSH-16 holds a value that table 0155 does not have; it is read as AL.
    UnknownAcknowledgementCondition,
    /// MSH-18 names an unknown character set; text is displayed as UTF-8 or Windows-1252.
    UnknownCharacterSet,
    /// A segment that ends with a carriage return contains a line feed; it is read as content.
    LineFeedInSegment,
    /// A line does not begin with the name of a segment in capitals. It is kept, and belongs to nothing.
    UnknownSegment,
    /// The bytes are not of the character set that MSH-18 names; text is displayed as what it is, UTF-8 or
    /// Windows-1252.
    CharsetMismatch,
    /// Readers that keep to the standard would find other segments or fields. The message is rejected where
    /// identities are enforced.
    AmbiguousStructure,
}

impl Warning {
    /// Every warning.
    pub const ALL: [Self; 17] = [
        Self::ByteOrderMark,
        Self::BlanksBeforeHeader,
        Self::LineFeeds,
        Self::EmptyLines,
        Self::BlanksBeforeSegment,
        Self::MissingFinalCarriageReturn,
        Self::WrappedHeader,
        Self::MissingCarriageReturnBeforePid,
        Self::UnusualEncodingCharacters,
        Self::IncompleteMessageType,
        Self::BlanksInHeader,
        Self::UnknownAcknowledgementCondition,
        Self::UnknownCharacterSet,
        Self::LineFeedInSegment,
        Self::UnknownSegment,
        Self::CharsetMismatch,
        Self::AmbiguousStructure,
    ];

    /// The stable code that is stored with the message.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte-order-mark",
            Self::BlanksBeforeHeader => "blanks-before-header",
            Self::LineFeeds => "line-feeds",
            Self::EmptyLines => "empty-lines",
            Self::BlanksBeforeSegment => "blanks-before-segment",
            Self::MissingFinalCarriageReturn => "missing-final-carriage-return",
            Self::WrappedHeader => "wrapped-header",
            Self::MissingCarriageReturnBeforePid => "missing-carriage-return-before-pid",
            Self::UnusualEncodingCharacters => "unusual-encoding-characters",
            Self::IncompleteMessageType => "incomplete-message-type",
            Self::BlanksInHeader => "blanks-in-header",
            Self::UnknownAcknowledgementCondition => "unknown-acknowledgement-condition",
            Self::UnknownCharacterSet => "unknown-character-set",
            Self::LineFeedInSegment => "line-feed-in-segment",
            Self::UnknownSegment => "unknown-segment",
            Self::CharsetMismatch => "charset-mismatch",
            Self::AmbiguousStructure => "ambiguous-structure",
        }
    }
}

/// The warnings of one message.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Warnings(u32);

impl Warnings {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `warning` is among them.
    #[must_use]
    pub const fn contains(self, warning: Warning) -> bool {
        self.0 & (1 << warning as u32) != 0
    }

    /// Each of them, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Warning> {
        Warning::ALL.into_iter().filter(move |warning| self.contains(*warning))
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn insert(&mut self, warning: Warning) {
        self.0 |= 1 << warning as u32;
    }

    pub(super) const fn insert_if(&mut self, found: bool, warning: Warning) {
        if found {
            self.insert(warning);
        }
    }
}

impl FromIterator<Warning> for Warnings {
    fn from_iter<I: IntoIterator<Item = Warning>>(warnings: I) -> Self {
        let mut all = Self::default();
        warnings.into_iter().for_each(|warning| all.insert(warning));
        all
    }
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Warning::code)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_the_warnings_that_were_inserted() {
        for warning in Warning::ALL {
            let alone: Warnings = [warning].into_iter().collect();
            assert_eq!(alone.iter().collect::<Vec<_>>(), [warning]);
        }
        let all: Warnings = Warning::ALL.into_iter().collect();
        assert_eq!(all.iter().count(), Warning::ALL.len());
        assert!(Warnings::default().is_empty());
    }
}
