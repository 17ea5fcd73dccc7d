//! Queries that compare the stored messages with their digests and with the audit trail.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::audit::{Event, MessageKind, Permit, RemovedMessages, SignatureVerifier, begin_bytes};
use crate::model::{Fingerprint, MessageId, NodeName};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::read::message::key_of_text;
use crate::store::read::reader::Reader;
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

/// The size of a stored message.
pub(in crate::store) struct MessageSize {
    pub(in crate::store) id: MessageId,
    /// Stored bytes.
    pub(in crate::store) bytes: u64,
}

/// What was found of some messages.
#[derive(Default)]
pub(in crate::store) struct ReadMessages {
    /// Those whose bytes differ from their digest.
    pub(in crate::store) altered: Vec<MessageId>,
    /// What the index of identities has to have.
    pub(in crate::store) indexed: BTreeSet<(String, MessageId)>,
}

/// A row of the trail about a message that was stored.
pub(in crate::store) struct StoredRow {
    pub(in crate::store) sequence: u64,
    /// `None` when the row does not name it in a way that can be read.
    pub(in crate::store) message: Option<MessageId>,
    /// Its device.
    pub(in crate::store) device: Option<String>,
    /// The digest of its bytes; `None` in a row of an earlier version.
    pub(in crate::store) digest: Option<Fingerprint>,
    /// Whether the message was rejected or accepted, or is a large accepted one.
    pub(in crate::store) kind: MessageKind,
    /// It was stored before, and came again.
    pub(in crate::store) is_resend: bool,
    /// When it was written.
    pub(in crate::store) at: Timestamp,
}

/// An accepted message: its device, and the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Accepted {
    pub(in crate::store) device: String,
    pub(in crate::store) digest: Fingerprint,
}

impl StoredRow {
    /// Whether the row says this of its message, as far as it says anything.
    pub(in crate::store) fn is_about(&self, accepted: &Accepted) -> bool {
        self.device.as_ref() == Some(&accepted.device)
            && self.digest.is_none_or(|digest| digest == accepted.digest)
    }
}

/// A row of the trail about a retention pass.
pub(in crate::store) struct PrunedRow {
    pub(in crate::store) sequence: u64,
    /// The node whose chain has the row.
    pub(in crate::store) node: NodeName,
    /// Its number in that chain.
    pub(in crate::store) number: u64,
    /// When it was written.
    pub(in crate::store) at: Timestamp,
    /// What was removed; `None` in a row of an earlier version.
    pub(in crate::store) removed: Option<RemovedMessages>,
    /// All were received before this time; `None`: it cannot be read.
    pub(in crate::store) before: Option<Timestamp>,
    /// The permit, not verified; `None` in a row of an earlier version.
    pub(in crate::store) permit: Option<Permit>,
}

impl Reader {
    /// How many messages there are.
    pub(in crate::store) async fn message_count(&self) -> Result<u64, StoreError> {
        let rows =
            self.fetch(Statement::new("SELECT CAST(count(*) AS BIGINT) AS number FROM message")).await?;
        rows.first().map_or(Ok(0), |row| row.count("number", "a count"))
    }

    /// The messages after `after`, in the order of their identifiers.
    pub(in crate::store) async fn message_sizes(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<MessageSize>, StoreError> {
        let mut statement =
            Statement::new("SELECT id, CAST(octet_length(raw) AS BIGINT) AS bytes FROM message");
        if let Some(after) = after {
            statement.push(" WHERE id > ").push_bind(after.as_bytes().as_slice());
        }
        statement.push(" ORDER BY id LIMIT ").push_bind(limit);
        let size =
            |row: &Row| Ok(MessageSize { id: message_id(row)?, bytes: row.count("bytes", "message.raw")? });
        self.fetch(statement).await?.iter().map(size).collect()
    }

    /// The messages from `first` to `last` whose bytes do not have the stored digest, and what the index of
    /// identities has to have about all of them.
    pub(in crate::store) async fn read_messages(
        &self,
        first: MessageId,
        last: MessageId,
    ) -> Result<ReadMessages, StoreError> {
        let statement = Statement::new(SELECT_CONTENTS);
        let statement = statement.bind(first.as_bytes().as_slice()).bind(last.as_bytes().as_slice());
        let mut read = ReadMessages::default();
        for row in self.fetch(statement).await? {
            let id = message_id(&row)?;
            if !has_its_digest(&row)? {
                read.altered.push(id);
            }
            // A list that cannot be read names nothing that is in the index.
            let identities = row.list("identities", "message.identities");
            let identities = identities.unwrap_or_else(|_| vec!["?".to_owned()]);
            let sender: String = row.get("device").unwrap_or_default();
            // A message in which its sender names itself is found by the sender.
            let keys = identities.iter().map(|identity| key_of_text(identity)).filter(|key| *key != sender);
            read.indexed.extend(keys.map(|key| (key, id)));
        }
        Ok(read)
    }

    /// The messages of `pairs` that the index of identities does not have under that identity.
    pub(in crate::store) async fn not_indexed(
        &self,
        pairs: &BTreeSet<(String, MessageId)>,
    ) -> Result<BTreeSet<MessageId>, StoreError> {
        let pairs: Vec<_> = pairs.iter().collect();
        let mut missing = BTreeSet::new();
        for pairs in pairs.chunks(PAIRS) {
            // Each of them is looked up by the whole key.
            let mut statement = Statement::new("SELECT identity, message FROM message_identity WHERE FALSE");
            for (identity, id) in pairs {
                statement.push(" OR (identity = ").push_bind(identity.as_str());
                statement.push(" AND message = ").push_bind(id.as_bytes().as_slice()).push(")");
            }
            let mut found = HashSet::new();
            for row in self.fetch(statement).await? {
                found.insert((row.get::<String>("identity")?, row.get::<Vec<u8>>("message")?));
            }
            let is_missing = |(identity, id): &&&(String, MessageId)| {
                !found.contains(&(identity.clone(), id.as_bytes().to_vec()))
            };
            missing.extend(pairs.iter().filter(is_missing).map(|(_, id)| *id));
        }
        if missing.is_empty() {
            return Ok(missing);
        }
        // Retention may have removed both meanwhile.
        let ids: Vec<_> = missing.into_iter().collect();
        let mut stored = BTreeSet::new();
        for ids in ids.chunks(PAIRS) {
            stored.extend(self.stored_among(ids).await?.into_keys());
        }
        Ok(stored)
    }

    /// Those of `ids` that are the identifier of a stored message, with the digest that is stored with it.
    pub(in crate::store) async fn stored_among(
        &self,
        ids: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<u8>>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut statement = Statement::new("SELECT id, digest FROM message WHERE id IN (");
        for (place, id) in ids.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(")");
        let stored = |row: &Row| Ok((message_id(row)?, row.get("digest")?));
        self.fetch(statement).await?.iter().map(stored).collect()
    }

    /// The rows about stored messages after `sequence`, in order.
    pub(in crate::store) async fn stored_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_STORED).bind(sequence).bind(limit)).await?;
        let stored = |row: &Row| {
            let details = details(row).unwrap_or_default();
            let text = |key: &str| details.get(key).and_then(Value::as_str);
            let event: String = row.get("event")?;
            Ok(StoredRow {
                sequence: row.count("sequence", "audit.sequence")?,
                message: text("message").and_then(|id| id.parse().ok()),
                device: text("device").map(str::to_owned),
                digest: text("sha256").and_then(|digest| digest.parse().ok()),
                kind: match event.as_str() {
                    Event::MESSAGE_REJECTED => MessageKind::Rejected,
                    _ if details.get("large").and_then(Value::as_bool) == Some(true) => MessageKind::Large,
                    _ => MessageKind::Accepted,
                },
                is_resend: event == Event::MESSAGE_RESENT,
                at: row.nearest_time("at")?.0,
            })
        };
        rows.iter().map(stored).collect()
    }

    /// The rows about retention passes after `sequence`, in order.
    pub(in crate::store) async fn pruned_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<PrunedRow>, StoreError> {
        let mut statement = select_passes();
        statement.push(" AND sequence > ").push_bind(sequence);
        statement.push(" ORDER BY sequence LIMIT ").push_bind(limit);
        self.fetch(statement).await?.iter().map(pruned_row).collect()
    }

    /// The rows about retention passes before `sequence`, the newest first.
    pub(in crate::store) async fn newest_pruned_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<PrunedRow>, StoreError> {
        let mut statement = select_passes();
        statement.push(" AND sequence < ").push_bind(i64::try_from(sequence).unwrap_or(i64::MAX));
        statement.push(" ORDER BY sequence DESC LIMIT ").push_bind(limit);
        self.fetch(statement).await?.iter().map(pruned_row).collect()
    }

    /// The time of the first row that is left of a chain whose older rows retention removed; the latest of
    /// all chains. Only a beginning that the platform has signed counts: what rows of the trail say about it
    /// does not.
    pub(in crate::store) async fn trail_begins(
        &self,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut latest = None;
        for node in self.audit_nodes().await? {
            let Some(beginning) = self.audit_beginning(&node).await? else { continue };
            let message = begin_bytes(&node, &beginning.link);
            if signatures.verify(&message, &beginning.signature, beginning.at).is_err() {
                continue;
            }
            let after = i64::try_from(beginning.link.number).unwrap_or(i64::MAX);
            let first = self.audit_chain(&node, Some(after), 1).await?;
            let at = first.first().and_then(|row| Timestamp::from_microsecond(row.at).ok());
            latest = latest.max(at);
        }
        Ok(latest)
    }
}

fn pruned_row(row: &Row) -> Result<PrunedRow, StoreError> {
    // One that cannot be read is permitted by nothing.
    let details = details(row).unwrap_or_default();
    let before = details.get("before").and_then(Value::as_str);
    Ok(PrunedRow {
        sequence: row.count("sequence", "audit.sequence")?,
        node: NodeName::lossy(&row.get::<String>("node")?),
        number: row.count("number", "audit.number").unwrap_or_default(),
        at: row.nearest_time("at")?.0,
        removed: RemovedMessages::parse(&details),
        before: before.and_then(|time| time.parse().ok()),
        permit: Permit::parse(&details),
    })
}

/// Whether the bytes of the message have the digest that was stored with them; not when they cannot be
/// decompressed.
fn has_its_digest(row: &Row) -> Result<bool, StoreError> {
    match Content::decompress(row.get("raw")?, row.get("raw_size")?) {
        Ok(raw) => Ok(Fingerprint::sha256(&raw).as_bytes().as_slice() == row.get::<Vec<u8>>("digest")?),
        Err(StoreError::Corrupt { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn details(row: &Row) -> Result<Value, StoreError> {
    serde_json::from_str(&row.get::<String>("details")?).map_err(|_| StoreError::unreadable("audit.details"))
}

/// The name as a literal: SQLite uses a partial index only then.
fn select_passes() -> Statement {
    let mut statement =
        Statement::new("SELECT sequence, node, number, at, details FROM audit WHERE event = '");
    statement.push(Event::MESSAGES_PRUNED).push("'");
    statement
}

/// Rows of the index of identities that are looked up at once.
const PAIRS: usize = 100;

const SELECT_CONTENTS: &str = "
SELECT id, device, digest, raw_size, raw, identities FROM message WHERE id >= $1 AND id <= $2 ORDER BY id";

const SELECT_STORED: &str = "
SELECT sequence, at, event, details FROM audit
WHERE event IN ('message-accepted', 'message-rejected', 'message-reconsidered', 'message-resent') AND sequence > $1
ORDER BY sequence LIMIT $2";
