//! The reading side: a few connections that cannot write, and what is asked through them.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::{PgPool, SqlitePool};

use super::batch::json;
use super::content::Content;
use super::directory::{device_kind, device_status};
use super::message::{MessageSummary, StoredMessage, Verdict};
use super::query::{AuditFilter, AuditRow, MessageFilter, Page, SeenIdentity};
use super::statement::{Row, Statement};
use super::{StoreError, postgres, sqlite};
use crate::audit::{Beginning, ChainHead, ChainRow, Event, RowHash, Signature};
use crate::authz::Device;
use crate::model::{DeviceId, MessageId, NodeName};
use crate::pcd::{DeviceIdentity, IdentityPattern};

/// Connections that read; a long listing does not hold up a short one, nor the writer.
pub(super) enum Reader {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Waits for changes of the device directory, whichever process or node makes them.
#[derive(Debug)]
pub struct DirectoryChanges(Option<postgres::Listener>);

impl Reader {
    /// The rows that answer a statement.
    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite::fetch(pool, statement).await,
            Self::Postgres(pool) => postgres::fetch(pool, statement).await,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// What waits for changes of the device directory.
    pub(super) fn directory_changes(&self) -> DirectoryChanges {
        DirectoryChanges(match self {
            Self::Sqlite(_) => None,
            Self::Postgres(pool) => Some(postgres::Listener::new(pool.clone())),
        })
    }

    pub(super) async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let mut statement = Statement::new(SELECT_DEVICE);
        statement.push(" ORDER BY id");
        self.fetch(statement).await?.iter().map(device).collect()
    }

    pub(super) async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let mut statement = Statement::new(SELECT_DEVICE);
        statement.push(" WHERE id = ").push_bind(id.as_str());
        self.fetch(statement).await?.first().map(device).transpose()
    }

    pub(super) async fn seen_identities(&self, device: &DeviceId) -> Result<Vec<SeenIdentity>, StoreError> {
        let statement = Statement::new(
            "SELECT identity, messages, first_at, last_at FROM seen_identity WHERE device = $1 ORDER BY identity",
        );
        self.fetch(statement.bind(device.as_str())).await?.iter().map(seen_identity).collect()
    }

    pub(super) async fn device_revision(&self) -> Result<u64, StoreError> {
        let rows = self.fetch(Statement::new("SELECT value FROM device_revision")).await?;
        let row = rows.first().ok_or(StoreError::unreadable("device_revision"))?;
        row.count("value", "device_revision.value")
    }

    pub(super) async fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageSummary>, StoreError> {
        self.fetch(select_messages(filter)).await?.iter().map(summary).collect()
    }

    pub(super) async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        let mut statement = Statement::new(SELECT_SUMMARY);
        statement
            .push(", session, fingerprint, peer, identities, acknowledgement, raw_size, raw FROM message WHERE id = ");
        statement.push_bind(id.as_bytes().as_slice());
        self.fetch(statement).await?.first().map(stored_message).transpose()
    }

    pub(super) async fn audit_rows(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.fetch(select_audit_rows(filter)).await?.iter().map(audit_row).collect()
    }

    /// The nodes that have a chain, or had one.
    pub(super) async fn audit_nodes(&self) -> Result<Vec<NodeName>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_AUDIT_NODES)).await?;
        rows.iter().map(|row| row.parsed("node", "audit.node")).collect()
    }

    /// Where the chain of a node ends, as it was noted when its last row was written.
    pub(super) async fn audit_end(&self, node: &NodeName) -> Result<ChainHead, StoreError> {
        audit_end(&self.fetch(Statement::new(SELECT_AUDIT_END).bind(node.as_str())).await?)
    }

    /// Where the chain of a node begins, if rows were removed from it because of their age.
    pub(super) async fn audit_beginning(&self, node: &NodeName) -> Result<Option<Beginning>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_AUDIT_BEGIN).bind(node.as_str())).await?;
        rows.first().map(beginning).transpose()
    }

    /// The rows of a chain behind the row of number `after`, in their order.
    pub(super) async fn audit_chain(
        &self,
        node: &NodeName,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChainRow>, StoreError> {
        let statement = Statement::new(SELECT_AUDIT_CHAIN);
        let statement = statement.bind(node.as_str()).bind(after.unwrap_or(i64::MIN)).bind(limit);
        self.fetch(statement).await?.iter().map(chain_row).collect()
    }
}

impl DirectoryChanges {
    /// Returns when the directory may have changed; [`Store::device_revision`](super::Store::device_revision) says
    /// whether it has.
    pub async fn next(&mut self) {
        match &mut self.0 {
            None => tokio::time::sleep(POLL).await,
            Some(listener) => listener.changed().await,
        }
    }
}

/// The page of messages, newest first.
pub(super) fn select_messages(filter: &MessageFilter) -> Statement {
    let mut statement = Statement::new(SELECT_SUMMARY);
    let (mut id, mut device, mut rejection) = ("id", "device", "rejection");
    match &filter.identity {
        None => {
            statement.push(" FROM message WHERE TRUE");
        }
        Some(identity) => {
            // From the index to the messages, and not the other way round, by which the last message of a device that has
            // fallen silent is found after all of the others'. SQLite does not change the order of a CROSS JOIN; and where
            // the messages have only expressions, for which there is no index, PostgreSQL finds no other one.
            id = "named.message";
            device = "coalesce(device, device)";
            rejection = "coalesce(rejection, rejection)";
            statement.push(" FROM message_identity AS named CROSS JOIN message");
            statement.push(" WHERE message.id = coalesce(named.message, named.message)");
            statement.push(" AND named.identity = ").push_bind(identity_key(identity));
            // In the list, which is JSON, whole or followed by a type that was not asked for.
            let listed = json(&[identity.to_string()]);
            let begin = listed.trim_start_matches('[').trim_end_matches("\"]");
            statement.push(" AND (replace(identities, ").push_bind(format!("{begin}\""));
            statement.push(", '') <> identities OR replace(identities, ").push_bind(format!("{begin}^"));
            statement.push(", '') <> identities)");
        }
    }
    if let Some(wanted) = &filter.device {
        statement.push(" AND ").push(device).push(" = ").push_bind(wanted.as_str());
    }
    if let Some(kind) = &filter.kind {
        let kind = kind.to_ascii_lowercase();
        statement.push(" AND (lower(pcd_transaction) = ").push_bind(kind.as_str());
        statement.push(" OR lower(message_type) = ").push_bind(kind).push(")");
    }
    if let Some(since) = filter.since {
        // The identifiers are in the order of arrival, so that the index can stop there.
        statement.push(" AND received_at >= ").push_bind(since);
        statement.push(" AND ").push(id).push(" >= ").push_bind(first_id(since).as_slice());
    }
    if filter.rejected {
        statement.push(" AND ").push(rejection).push(" IS NOT NULL");
    }
    if let Some(before) = filter.before {
        statement.push(" AND ").push(id).push(" < ").push_bind(before.as_bytes().as_slice());
    }
    statement.push(" ORDER BY ").push(id).push(" DESC LIMIT ").push_bind(filter.limit);
    statement
}

/// What the table `message_identity` has of an identity; its triggers say the same, in JSON.
fn identity_key(identity: &DeviceIdentity) -> String {
    let text = identity.to_string().replace('\0', "\u{2400}").replace("\\u0000", "\\u2400");
    let id = text.split('^').next().unwrap_or_default();
    id.chars().take(64).collect()
}

/// The page of the audit trail.
pub(super) fn select_audit_rows(filter: &AuditFilter) -> Statement {
    let mut statement =
        Statement::new("SELECT sequence, node, number, hash, at, event, details FROM audit WHERE TRUE");
    if let Some(event) = &filter.event {
        match Event::NAMES.into_iter().find(|name| name == event) {
            // A partial index serves only who asks for its event by name (https://www.sqlite.org/partialindex.html).
            Some(name) => statement.push(" AND event = '").push(name).push("'"),
            None => statement.push(" AND event = ").push_bind(event.as_str()),
        };
    }
    if let Some(since) = filter.since {
        statement.push(" AND at >= ").push_bind(since);
    }
    let direction = match filter.page {
        Page::Latest => "DESC",
        Page::Before(sequence) => {
            statement.push(" AND sequence < ").push_bind(sequence);
            "DESC"
        }
        Page::After(sequence) => {
            statement.push(" AND sequence > ").push_bind(sequence);
            "ASC"
        }
    };
    statement.push(" ORDER BY sequence ").push(direction).push(" LIMIT ").push_bind(filter.limit);
    statement
}

/// The end of a chain, from the row that notes it.
pub(super) fn audit_end(rows: &[Row]) -> Result<ChainHead, StoreError> {
    let Some(row) = rows.first() else { return Ok(ChainHead::START) };
    let hash: Vec<u8> = row.get("hash")?;
    Ok(ChainHead {
        number: row.count("number", "audit_end.number")?,
        hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit_end.hash"))?,
    })
}

/// The column `id` of a message.
pub(super) fn message_id(row: &Row) -> Result<MessageId, StoreError> {
    let bytes: Vec<u8> = row.get("id")?;
    let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("message.id"))?;
    Ok(MessageId::from_bytes(bytes))
}

fn beginning(row: &Row) -> Result<Beginning, StoreError> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(Beginning {
        link: ChainHead {
            number: row.count("number", "audit_begin.number")?,
            hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit_begin.hash"))?,
        },
        signature: Signature {
            scheme: row.get("scheme")?,
            certificate: row.get("certificate")?,
            value: row.get("signature")?,
        },
        at: row.time("at", "audit_begin.at")?,
    })
}

fn chain_row(row: &Row) -> Result<ChainRow, StoreError> {
    Ok(ChainRow {
        sequence: row.get("sequence")?,
        number: row.get("number")?,
        at: row.get("at")?,
        event: row.get("event")?,
        details: row.get("details")?,
        hash: row.get("hash")?,
    })
}

fn device(row: &Row) -> Result<Device, StoreError> {
    let speaks_for = row.list("speaks_for", "device.speaks_for")?;
    Ok(Device {
        id: row.parsed("id", "device.id")?,
        kind: device_kind(&row.get::<String>("kind")?).ok_or(StoreError::unreadable("device.kind"))?,
        status: device_status(&row.get::<String>("status")?)
            .ok_or(StoreError::unreadable("device.status"))?,
        speaks_for: speaks_for
            .iter()
            .map(|pattern| {
                IdentityPattern::from_stored(pattern).map_err(|_| StoreError::unreadable("device.speaks_for"))
            })
            .collect::<Result<_, _>>()?,
        acknowledge: row.parsed("acknowledge", "device.acknowledge")?,
        note: row.get("note")?,
    })
}

fn seen_identity(row: &Row) -> Result<SeenIdentity, StoreError> {
    Ok(SeenIdentity {
        identity: row.get("identity")?,
        messages: row.count("messages", "seen_identity.messages")?,
        first: row.time("first_at", "seen_identity.first_at")?,
        last: row.time("last_at", "seen_identity.last_at")?,
    })
}

fn summary(row: &Row) -> Result<MessageSummary, StoreError> {
    let event_time: Option<i64> = row.get("event_time")?;
    Ok(MessageSummary {
        id: message_id(row)?,
        received_at: row.time("received_at", "message.received_at")?,
        event_time: event_time.map(|_| row.time("event_time", "message.event_time")).transpose()?,
        device: row.parsed("device", "message.device")?,
        transaction: row.get("pcd_transaction")?,
        message_type: row.get("message_type")?,
        control_id: row.get("control_id")?,
        sending_application: row.get("sending_application")?,
        verdict: row
            .get::<Option<String>>("rejection")?
            .map_or(Verdict::Accepted, |code| Verdict::Rejected { code }),
        warnings: row.list("warnings", "message.warnings")?,
        size: row.count("size", "message.raw")?,
    })
}

fn stored_message(row: &Row) -> Result<StoredMessage, StoreError> {
    Ok(StoredMessage {
        summary: summary(row)?,
        session: row.get("session")?,
        fingerprint: row.get("fingerprint")?,
        peer: row.parsed("peer", "message.peer")?,
        identities: row.list("identities", "message.identities")?,
        raw: Content::read(row.get("raw")?, row.get("raw_size")?)?,
        acknowledgement: Bytes::from(row.get::<Vec<u8>>("acknowledgement")?),
    })
}

fn audit_row(row: &Row) -> Result<AuditRow, StoreError> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(AuditRow {
        sequence: row.count("sequence", "audit.sequence")?,
        node: row.parsed("node", "audit.node")?,
        number: row.count("number", "audit.number")?,
        hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit.hash"))?,
        at: row.time("at", "audit.at")?,
        event: row.get("event")?,
        details: row.get("details")?,
    })
}

/// The lowest identifier that a message of that time can have: the first 48 bits of a UUID of version 7 are
/// milliseconds (RFC 9562 5.7).
pub(super) fn first_id(since: Timestamp) -> [u8; 16] {
    let milliseconds = u64::try_from(since.as_millisecond()).unwrap_or(0);
    (u128::from(milliseconds) << 80).to_be_bytes()
}

/// How often a file is looked at: it tells nobody by itself.
const POLL: Duration = Duration::from_millis(250);

/// How many listings can run at once.
pub(super) const READERS: u32 = 4;

const SELECT_DEVICE: &str = "SELECT id, kind, status, speaks_for, acknowledge, note FROM device";

const SELECT_AUDIT_END: &str = "SELECT number, hash FROM audit_end WHERE node = $1";

const SELECT_AUDIT_NODES: &str =
    "SELECT node FROM audit_end UNION SELECT DISTINCT node FROM audit ORDER BY node";

const SELECT_AUDIT_BEGIN: &str =
    "SELECT number, hash, at, scheme, certificate, signature FROM audit_begin WHERE node = $1";

const SELECT_AUDIT_CHAIN: &str = "
SELECT sequence, number, at, event, details, hash FROM audit
WHERE node = $1 AND number > $2 ORDER BY number, sequence LIMIT $3";

/// Ends where further columns may follow.
const SELECT_SUMMARY: &str = "
SELECT id, received_at, event_time, device, pcd_transaction, message_type, control_id, sending_application, rejection,
    warnings, CAST(coalesce(raw_size, length(raw)) AS BIGINT) AS size";
