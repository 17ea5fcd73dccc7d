//! The key under which messages about a patient or an order are found.

use std::fmt;

/// What stands in the index of searches in place of a number of a patient or of an order: the first 64 bits
/// of a keyed hash. Among a hundred million of them one search finds a stranger's with a probability of
/// 10⁻¹¹; more bits would make the index larger and hide nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SearchKey(i64);

/// What is searched for by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// A number of a patient, or of a visit.
    Patient,
    /// A number of an order.
    Order,
    /// A text in the content: in no index, only in the row of the audit trail about the search.
    Text,
}

impl Searched {
    /// The beginning of what is hashed: a patient's number and an order's are never one.
    pub(super) const fn label(self) -> &'static [u8] {
        match self {
            Self::Patient => b"search patient\0",
            Self::Order => b"search order\0",
            Self::Text => b"search text\0",
        }
    }
}

impl SearchKey {
    /// Marks a large message, so that retention finds it. No number has it, but for one in 2⁶⁴.
    pub const LARGE: Self = Self(0);

    pub(super) fn from_hash(hash: &[u8]) -> Option<Self> {
        hash.first_chunk().map(|bytes| Self(i64::from_be_bytes(*bytes)))
    }

    /// The number as the store has it.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for SearchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SearchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
