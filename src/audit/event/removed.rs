//! What a retention pass removed: enough to find out later whether something else was removed as well.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::audit::chain::MessageKind;
use crate::model::MessageId;

/// A limit by size that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeLimit {
    /// The kind of messages.
    pub kind: MessageKind,
    /// What the messages of the hours that ended take, in bytes.
    pub bytes: u64,
    /// The limit, in bytes.
    pub limit: u64,
    /// What was received before this time is removed.
    pub before: Timestamp,
}

/// Rows of the trail that there was no room to keep while the store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRows {
    /// How many.
    pub count: u64,
    /// When the first of their events happened.
    pub first: Timestamp,
    /// When the last one did.
    pub last: Timestamp,
}

/// Messages that were removed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemovedMessages {
    /// How many.
    pub count: u64,
    /// The lowest and the highest of their identifiers; messages between them may have stayed.
    pub range: Option<(MessageId, MessageId)>,
    /// The sum over all of them, modulo 2^128, of the first 16 bytes of the SHA-256 of the identifier (16
    /// bytes). It does not depend on their order, so that passes can be added up.
    pub digest: u128,
}

impl RemovedMessages {
    /// Adds a message.
    pub fn add(&mut self, id: MessageId) {
        let (first, last) = self.range.unwrap_or((id, id));
        self.count = self.count.saturating_add(1);
        self.range = Some((first.min(id), last.max(id)));
        let hash: [u8; 32] = Sha256::digest(id.as_bytes()).into();
        let half = hash.first_chunk::<16>().copied().unwrap_or_default();
        self.digest = self.digest.wrapping_add(u128::from_be_bytes(half));
    }

    /// Adds all messages of `other`.
    pub fn join(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.digest = self.digest.wrapping_add(other.digest);
        self.range = match (self.range, other.range) {
            (Some((first, last)), Some(more)) => Some((first.min(more.0), last.max(more.1))),
            (one, other) => one.or(other),
        };
    }

    /// The keys of the audit row.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("messages".to_owned(), self.count.into());
        if let Some((first, last)) = self.range {
            fields.insert("first".to_owned(), first.to_string().into());
            fields.insert("last".to_owned(), last.to_string().into());
            fields.insert("digest".to_owned(), json!(format!("{:032x}", self.digest)));
        }
        fields
    }

    /// Parses the details of an audit row. `None` for a row of an earlier version, which has only a number.
    pub(crate) fn parse(details: &Value) -> Option<Self> {
        let count = details.get("messages")?.as_u64()?;
        let text = |key: &str| details.get(key).and_then(Value::as_str);
        // Rows of earlier versions counted orders as messages.
        details.get("orders")?;
        if count == 0 {
            return Some(Self::default());
        }
        let range = (text("first")?.parse().ok()?, text("last")?.parse().ok()?);
        let digest = u128::from_str_radix(text("digest")?, 16).ok()?;
        Some(Self { count, range: Some(range), digest })
    }
}

impl FromIterator<MessageId> for RemovedMessages {
    fn from_iter<T: IntoIterator<Item = MessageId>>(ids: T) -> Self {
        let mut removed = Self::default();
        ids.into_iter().for_each(|id| removed.add(id));
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> MessageId {
        MessageId::from_bytes([n; 16])
    }

    #[test]
    fn passes_add_up_in_any_order_and_other_messages_differ() {
        let (mut one, other): (RemovedMessages, RemovedMessages) =
            ([id(3), id(1)].into_iter().collect(), [id(2)].into_iter().collect());
        one.join(&other);
        assert_eq!(one, [id(2), id(3), id(1)].into_iter().collect());
        assert_eq!((one.count, one.range), (3, Some((id(1), id(3)))));
        let others: RemovedMessages = [id(1), id(3), id(4)].into_iter().collect();
        assert_ne!(one.digest, others.digest);
    }

    #[test]
    fn a_row_records_what_was_removed_and_one_of_an_earlier_version_does_not() {
        let removed: RemovedMessages = [id(1), id(2)].into_iter().collect();
        let mut row = removed.fields();
        assert_eq!(RemovedMessages::parse(&row.clone().into()), None);
        row.insert("orders".to_owned(), 0.into());
        assert_eq!(RemovedMessages::parse(&row.into()), Some(removed));
        let none = json!({ "messages": 0, "orders": 3 });
        assert_eq!(RemovedMessages::parse(&none), Some(RemovedMessages::default()));
    }
}
