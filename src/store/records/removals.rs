//! What retention removes.

use jiff::Timestamp;

use crate::audit::MessageKind;

impl MessageKind {
    /// Where the messages of this kind are that are before an identifier (`$1`) and were received before a
    /// time (`$2`): `FROM` and `WHERE`, and the column of identifiers by which they are found in order.
    pub(in crate::store) const fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::Accepted => (ACCEPTED, "id"),
            Self::Rejected => (REJECTED, "id"),
            Self::Large => (LARGE, "large.message"),
            Self::Any => (ANY, "id"),
        }
    }

    /// Whether settled orders go with it.
    pub(in crate::store) const fn has_orders(self) -> bool {
        matches!(self, Self::Accepted | Self::Any)
    }
}

/// What retention removes next of one kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextRemoval {
    /// The time of the oldest one.
    pub oldest: Timestamp,
    /// When it reaches its age; now, if it has.
    pub at: Timestamp,
    /// How many reach it within a day.
    pub within_a_day: u64,
    /// Whether there are more than were counted.
    pub are_more: bool,
}

/// The kinds of rows that retention removes, as configured. Each needs privileges in the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removals {
    /// Messages, their alert reports, and settled orders.
    pub messages: bool,
    /// Rows of the audit trail.
    pub audit: bool,
    /// Messages of a kind with a limit by size.
    pub by_size: bool,
}

const ANY: &str = " FROM message WHERE id < $1 AND received_at < $2";
const ACCEPTED: &str = " FROM message WHERE id < $1 AND received_at < $2 AND rejection IS NULL";
const REJECTED: &str = " FROM message WHERE id < $1 AND received_at < $2 AND rejection IS NOT NULL";
/// From the index to the messages: see `SearchKey::LARGE`.
const LARGE: &str =
    " FROM message_key AS large CROSS JOIN message WHERE large.hash = 0 AND large.message < $1
    AND message.id = coalesce(large.message, large.message) AND received_at < $2 AND rejection IS NULL";
