//! Messages that took the place of a copy: they explain that the copy is not there.
//!
//! Who writes to the database can append such a row. So it explains only what is not lost: the message that
//! it names is stored, accepted, with the device and the digest that the row about the copy names; or it was
//! stored, as a row of its own says, and then that row accounts for it.

use std::collections::HashMap;

use serde_json::Value;

use crate::audit::MessageKind;
use crate::model::{Fingerprint, MessageId};
use crate::store::error::StoreError;
use crate::store::read::contents::{Accepted, StoredRow, details};
use crate::store::read::reader::Reader;
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

/// The copies that were replaced, of those whose message is accounted for.
#[derive(Default)]
pub(in crate::store) struct Replacements {
    copies: HashMap<MessageId, Accepted>,
    /// The last of the rows, by its sequence.
    pub(in crate::store) last: u64,
}

/// A row of the trail about a copy that was replaced.
struct NumberedRow {
    sequence: u64,
    /// `None` when the row does not say it in a way that can be read.
    replaced: Option<ReplacedRow>,
}

/// What such a row says.
struct ReplacedRow {
    copy: MessageId,
    /// The message in its place.
    message: MessageId,
    /// What both are.
    accepted: Accepted,
}

impl Replacements {
    /// Reads them all.
    pub(in crate::store) async fn read(reader: &Reader) -> Result<Self, StoreError> {
        let mut read = Self::default();
        // Copies whose message is not there, by that message.
        let mut open: HashMap<MessageId, Vec<ReplacedRow>> = HashMap::new();
        loop {
            let rows = reader.replaced_rows(read.last, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            read.last = last.sequence;
            let rows: Vec<_> = rows.into_iter().filter_map(|row| row.replaced).collect();
            let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
            let stored = reader.accepted_among(&ids).await?;
            for row in rows {
                match stored.get(&row.message) {
                    Some(stored) if *stored == row.accepted => read.add(row),
                    Some(_) => {}
                    // Nothing that is older than the copy took its place.
                    None if row.message > row.copy => open.entry(row.message).or_default().push(row),
                    None => {}
                }
            }
        }
        let mut sequence = 0;
        while !open.is_empty() {
            let rows = reader.stored_rows(sequence, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            sequence = last.sequence;
            for row in rows.iter().filter(|row| !row.is_resend && row.kind == MessageKind::Accepted) {
                let Some(waiting) = row.message.and_then(|message| open.get_mut(&message)) else { continue };
                let (founded, others) =
                    std::mem::take(waiting).into_iter().partition(|copy| row.is_about(&copy.accepted));
                *waiting = others;
                Vec::into_iter(founded).for_each(|copy| read.add(copy));
            }
            open.retain(|_, copies| !copies.is_empty());
        }
        Ok(read)
    }

    /// Whether there are rows after this sequence.
    pub(in crate::store) async fn are_after(reader: &Reader, sequence: u64) -> Result<bool, StoreError> {
        Ok(!reader.replaced_rows(sequence, 1).await?.is_empty())
    }

    fn add(&mut self, row: ReplacedRow) {
        self.copies.insert(row.copy, row.accepted);
    }

    /// Whether a message is not there because another one, with the same bytes, took its place. `row` names
    /// it.
    pub(in crate::store) fn explain(&self, id: MessageId, row: &StoredRow) -> bool {
        let is_accepted = row.kind == MessageKind::Accepted;
        is_accepted && self.copies.get(&id).is_some_and(|accepted| row.is_about(accepted))
    }
}

impl ReplacedRow {
    fn parse(details: &Value) -> Option<Self> {
        let text = |key: &str| details.get(key).and_then(Value::as_str);
        let accepted = Accepted { device: text("device")?.to_owned(), digest: text("sha256")?.parse().ok()? };
        Some(Self { copy: text("copy")?.parse().ok()?, message: text("message")?.parse().ok()?, accepted })
    }
}

impl Reader {
    /// The rows about copies that were replaced, after `sequence`, in order.
    async fn replaced_rows(&self, sequence: u64, limit: u32) -> Result<Vec<NumberedRow>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_REPLACED).bind(sequence).bind(limit)).await?;
        let replaced = |row: &Row| {
            let sequence = row.count("sequence", "audit.sequence")?;
            Ok(NumberedRow { sequence, replaced: ReplacedRow::parse(&details(row).unwrap_or_default()) })
        };
        rows.iter().map(replaced).collect()
    }

    /// Those of `ids` that are the identifier of an accepted message which is stored.
    async fn accepted_among(&self, ids: &[MessageId]) -> Result<HashMap<MessageId, Accepted>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut statement =
            Statement::new("SELECT id, device, digest FROM message WHERE rejection IS NULL AND id IN (");
        for (place, id) in ids.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(")");
        let mut found = HashMap::new();
        for row in self.fetch(statement).await? {
            let digest: Vec<u8> = row.get("digest")?;
            // One that is no digest is that of no message.
            let Ok(digest) = digest.try_into() else { continue };
            let accepted = Accepted { device: row.get("device")?, digest: Fingerprint::from_bytes(digest) };
            found.insert(message_id(&row)?, accepted);
        }
        Ok(found)
    }
}

/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;

/// Along the index of the rows that are not about single accepted messages.
const SELECT_REPLACED: &str = "
SELECT sequence, details FROM audit
WHERE event <> 'message-accepted' AND event IN ('copy-replaced', 'copy-renewed') AND sequence > $1
ORDER BY sequence LIMIT $2";
