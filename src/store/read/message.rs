//! Queries of messages.

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::MessageKind;
use crate::model::{DeviceId, Fingerprint, MessageId};
use crate::pcd::DeviceIdentity;
use crate::store::content::{Content, Opened};
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::forward::ForwardFilter;
use crate::store::records::message::{
    MessageFilter, MessageSummary, MessageWeight, Reconsidered, RejectedMessages, SearchBase, SearchEnd,
    StoredMessage, Verdict, first_id,
};
use crate::store::row::{Row, message_id};
use crate::store::statement::{Statement, Value, json};

impl Reader {
    pub(in crate::store) async fn messages(
        &self,
        filter: &MessageFilter,
    ) -> Result<Vec<MessageSummary>, StoreError> {
        self.listed(filter, None).await
    }

    /// A page of messages, searched no further back than a search takes some milliseconds. The second value
    /// says where it stopped before the page was full.
    pub(in crate::store) async fn search_messages(
        &self,
        filter: &MessageFilter,
    ) -> Result<(Vec<MessageSummary>, Option<SearchEnd>), StoreError> {
        if let Some(found) = self.messages_by_control_id(filter).await? {
            return Ok((found, None));
        }
        let Some(missing_index) = filter.missing_index() else {
            return Ok((self.messages(filter).await?, None));
        };
        let floor = self.floor(filter).await?;
        let found = self.listed(filter, floor).await?;
        let is_full = found.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let end = floor.filter(|_| !is_full).map(|floor| SearchEnd { missing_index, floor });
        Ok((found, end))
    }

    /// A page of messages of about `max_bytes` at most, and whether it ends before the limit of the filter,
    /// which asks for no identity.
    pub(in crate::store) async fn message_page(
        &self,
        filter: &MessageFilter,
        max_bytes: usize,
    ) -> Result<(Vec<MessageSummary>, bool), StoreError> {
        let statement = select_messages(filter, None, Lookup::Named);
        self.fetch_page(statement, max_bytes, summary, MessageSummary::shown_bytes).await
    }

    /// The rejected messages of a device since a time, of which at most `limit` are counted.
    pub(in crate::store) async fn rejected_since(
        &self,
        device: &DeviceId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Option<RejectedMessages>, StoreError> {
        let statement = Statement::new(SELECT_REJECTED).bind(device.as_str());
        let rows = self.fetch(statement.bind(first_id(since).as_slice()).bind(limit)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let rejected = RejectedMessages {
            first: row.time("first_at", "message.received_at")?,
            messages: row.count("messages", "messages")?,
            bytes: row.count("bytes", "bytes")?,
        };
        Ok((rejected.messages > 0).then_some(rejected))
    }

    /// What deleting the oldest messages before this time costs, for each of them.
    pub(in crate::store) async fn oldest_message_weights(
        &self,
        kind: MessageKind,
        from: Option<Timestamp>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<MessageWeight>, StoreError> {
        let (source, id) = kind.source();
        let mut statement = Statement::new(SELECT_WEIGHTS).bind(first_id(before).as_slice()).bind(before);
        statement.push(source);
        if let Some(from) = from {
            statement.push(" AND ").push(id).push(" >= ").push_bind(first_id(from).as_slice());
        }
        statement.push(" ORDER BY ").push(id).push(" LIMIT ").push_bind(limit);
        let weight = |row: &Row| {
            Ok(MessageWeight {
                id: message_id(row)?,
                bytes: row.count("bytes", "message.raw")?,
                identity_bytes: row.count("identity_bytes", "message.identities")?,
            })
        };
        self.fetch(statement).await?.iter().map(weight).collect()
    }

    pub(in crate::store) async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        let mut statement = Statement::new(SELECT_SUMMARY);
        statement.push(
            ", session, fingerprint, peer, identities, digest, acknowledgement, raw_size, raw FROM message WHERE id = ",
        );
        statement.push_bind(id.as_bytes().as_slice());
        let found = self.fetch(statement).await?.first().map(stored_message).transpose()?;
        let Some(message) = found else { return Ok(None) };
        let (envelope, reconsidered) = (self.envelope(id).await?, self.reconsidered(id).await?);
        Ok(Some(StoredMessage { envelope, reconsidered, ..message }))
    }

    /// The lines of the batch that this message came in.
    async fn envelope(&self, id: MessageId) -> Result<Bytes, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_ENVELOPE).bind(id.as_bytes().as_slice())).await?;
        let lines = rows.first().map(|row| row.get::<Vec<u8>>("lines")).transpose()?;
        Ok(lines.unwrap_or_default().into())
    }

    /// What this message became, or what it was, if it was rejected and accepted later.
    async fn reconsidered(&self, id: MessageId) -> Result<Option<Reconsidered>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_RECONSIDERED).bind(id.as_bytes().as_slice())).await?;
        let column = |row: &Row, name: &str| {
            let bytes: Vec<u8> = row.get(name)?;
            let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("reconsidered.message"))?;
            Ok::<_, StoreError>(MessageId::from_bytes(bytes))
        };
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Reconsidered {
            original: column(row, "original")?,
            message: column(row, "message")?,
            at: row.time("at", "reconsidered.at")?,
            actor: row.get("actor")?,
        }))
    }
}

/// The statement that selects the last message that a search reads; no row when it reads all of them. Its
/// conditions are those that an index has, so it reads only the index.
pub(in crate::store) fn select_floor(filter: &MessageFilter) -> Statement {
    let (mut statement, id, searched) = match named(filter, Lookup::Named) {
        None => (Statement::new("SELECT id FROM message WHERE TRUE"), "id", SEARCHED_MESSAGES),
        Some(Named::Key { table, column, value }) => {
            let mut statement = Statement::new("SELECT message AS id FROM ");
            statement.push(table).push(" WHERE ").push(column).push(" = ").push_bind(value);
            (statement, "message", SEARCHED_NAMED_MESSAGES)
        }
        Some(Named::Forward(forward)) => {
            let mut statement = Statement::new("SELECT message AS id FROM forward WHERE ");
            statement.push(condition(forward));
            if let (Some(wanted), false) = (&filter.device, forward == ForwardFilter::Waiting) {
                statement.push(" AND device = ").push_bind(wanted.as_str());
            }
            (statement, "message", SEARCHED_NAMED_MESSAGES)
        }
    };
    let base = filter.base();
    if let (SearchBase::ControlId, Some(wanted)) = (base, &filter.control_id) {
        statement.push(CONTROL_ID).push_bind(wanted.as_str());
    }
    if let (SearchBase::Reason, Some(code)) = (base, &filter.reason) {
        statement.push(" AND rejection = ").push_bind(code.as_str());
    }
    if filter.identity.is_none() && filter.key.is_none() && filter.forward.is_none() {
        if let (SearchBase::Others, Some(wanted)) = (base, &filter.device) {
            statement.push(" AND device = ").push_bind(wanted.as_str());
        }
        if filter.is_for_rejected() {
            statement.push(" AND rejection IS NOT NULL");
        }
    }
    if let Some(since) = filter.since {
        statement.push(" AND ").push(id).push(" >= ").push_bind(first_id(since).as_slice());
    }
    if let Some(before) = filter.before {
        statement.push(" AND ").push(id).push(" < ").push_bind(before.as_bytes().as_slice());
    }
    let others = searched.max(filter.limit) - 1;
    statement.push(" ORDER BY ").push(id).push(" DESC LIMIT 1 OFFSET ").push_bind(others);
    statement
}

/// The statement that selects a page of messages, newest first, none before `floor`.
pub(in crate::store) fn select_messages(
    filter: &MessageFilter,
    floor: Option<MessageId>,
    lookup: Lookup,
) -> Statement {
    ordered(selected(SELECT_SUMMARY, filter, floor, lookup), filter, lookup)
}

/// The same among some messages.
pub(in crate::store) fn select_messages_among(filter: &MessageFilter, ids: &[MessageId]) -> Statement {
    let mut statement = selected(SELECT_SUMMARY, filter, None, Lookup::Named);
    statement.push(" AND id IN (");
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            statement.push(", ");
        }
        statement.push_bind(id.as_bytes().as_slice());
    }
    statement.push(")");
    ordered(statement, filter, Lookup::Named)
}

fn ordered(mut statement: Statement, filter: &MessageFilter, lookup: Lookup) -> Statement {
    let id = if named(filter, lookup).is_some() { "named.message" } else { "id" };
    statement.push(" ORDER BY ").push(id).push(" DESC LIMIT ").push_bind(filter.limit);
    statement
}

/// By what the messages of a filter are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Lookup {
    /// By what the filter names: the index of identities, if it names one.
    Named,
    /// By their sender, which has the identity that the filter names.
    Sender,
}

/// The rows of a table beside that of messages by which they are looked up.
enum Named {
    Key { table: &'static str, column: &'static str, value: Value },
    Forward(ForwardFilter),
}

/// By what the messages of a filter are looked up, if not in their own table.
fn named(filter: &MessageFilter, lookup: Lookup) -> Option<Named> {
    if lookup == Lookup::Sender {
        return None;
    }
    if let Some(key) = filter.key {
        return Some(Named::Key { table: "message_key", column: "hash", value: key.number().into() });
    }
    if let Some(identity) = &filter.identity {
        let value = identity_key(identity).into();
        return Some(Named::Key { table: "message_identity", column: "identity", value });
    }
    filter.forward.map(Named::Forward)
}

/// The condition on the rows of `forward`, as its indexes have it.
const fn condition(forward: ForwardFilter) -> &'static str {
    match forward {
        ForwardFilter::Waiting => "settled_at IS NULL",
        ForwardFilter::Refused | ForwardFilter::RefusedSince(_) => "outcome = 'refused'",
    }
}

/// Pushes the messages of a filter on their way to the platform, as a table with their identifiers.
fn push_forward(statement: &mut Statement, filter: &MessageFilter, forward: ForwardFilter) {
    statement.push("(SELECT message FROM forward WHERE ").push(condition(forward));
    if let Some(wanted) = &filter.device {
        statement.push(" AND device = ").push_bind(wanted.as_str());
    }
    if let ForwardFilter::RefusedSince(since) = forward {
        statement.push(" AND settled_at >= ").push_bind(since);
    }
    statement.push(")");
}

/// The statement that selects messages, newest first, with their bytes; none before `floor`.
pub(in crate::store) fn select_contents(
    filter: &MessageFilter,
    floor: Option<MessageId>,
    lookup: Lookup,
) -> Statement {
    ordered(selected(&format!("{SELECT_SUMMARY}, raw_size, raw"), filter, floor, lookup), filter, lookup)
}

fn selected(columns: &str, filter: &MessageFilter, floor: Option<MessageId>, lookup: Lookup) -> Statement {
    let mut statement = Statement::new(columns);
    let (mut id, mut device, mut rejection) = ("id", "device", "rejection");
    let named = named(filter, lookup);
    let is_by_forward = matches!(named, Some(Named::Forward(_)));
    match named {
        None => {
            statement.push(" FROM message WHERE TRUE");
        }
        Some(named) => {
            // Join from the index to the messages. The opposite order reads the messages of all other devices
            // before it finds the last message of a device that has fallen silent. SQLite keeps the order of
            // a CROSS JOIN; for PostgreSQL the expressions on the message have no index, so it has no other
            // order.
            id = "named.message";
            device = "coalesce(device, device)";
            rejection = "coalesce(rejection, rejection)";
            push_named(&mut statement, filter, named);
        }
    }
    if let (Some(forward), false) = (filter.forward, is_by_forward) {
        statement.push(" AND message.id IN ");
        push_forward(&mut statement, filter, forward);
    }
    identified(&mut statement, filter);
    if let Some(wanted) = &filter.device {
        statement.push(" AND ").push(device).push(" = ").push_bind(wanted.as_str());
    }
    if let Some(kind) = &filter.kind {
        let kind = kind.to_ascii_lowercase();
        statement.push(" AND (lower(pcd_transaction) = ").push_bind(kind.as_str());
        statement.push(" OR lower(message_type) = ").push_bind(kind).push(")");
    }
    if let Some(since) = filter.since {
        // Identifiers are in the order of receipt, so that the index scan can stop there.
        statement.push(" AND received_at >= ").push_bind(since);
        statement.push(" AND ").push(id).push(" >= ").push_bind(first_id(since).as_slice());
    }
    if filter.is_for_rejected() {
        statement.push(" AND ").push(rejection).push(" IS NOT NULL");
    }
    if let Some(code) = &filter.reason {
        statement.push(" AND ").push(rejection).push(" = ").push_bind(code.as_str());
    }
    if let Some(wanted) = &filter.control_id {
        statement.push(CONTROL_ID).push_bind(wanted.as_str());
    }
    warned(&mut statement, filter);
    if let Some(before) = filter.before {
        statement.push(" AND ").push(id).push(" < ").push_bind(before.as_bytes().as_slice());
    }
    if let Some(floor) = floor {
        statement.push(" AND ").push(id).push(" >= ").push_bind(floor.as_bytes().as_slice());
    }
    statement
}

/// Pushes the table by which messages are looked up, and its join with that of messages.
fn push_named(statement: &mut Statement, filter: &MessageFilter, named: Named) {
    statement.push(" FROM ");
    match named {
        Named::Key { table, column, value } => {
            statement.push(table).push(JOINED).push(" AND named.");
            statement.push(column).push(" = ").push_bind(value);
        }
        Named::Forward(forward) => {
            push_forward(statement, filter, forward);
            statement.push(JOINED);
        }
    }
}

/// The condition that a message names a device.
fn identified(statement: &mut Statement, filter: &MessageFilter) {
    if let Some(identity) = &filter.identity {
        // Match the identity in the JSON list: as a whole, or followed by a type that the filter does not
        // have.
        let listed = json(&[identity.to_string()]);
        let begin = listed.trim_start_matches('[').trim_end_matches("\"]");
        statement.push(" AND (replace(identities, ").push_bind(format!("{begin}\""));
        statement.push(", '') <> identities OR replace(identities, ").push_bind(format!("{begin}^"));
        statement.push(", '') <> identities)");
    }
}

/// The condition that a message has a warning.
fn warned(statement: &mut Statement, filter: &MessageFilter) {
    if let Some(warning) = &filter.warning {
        // A whole entry of the JSON list.
        let listed = json(std::slice::from_ref(warning));
        let entry = listed.trim_start_matches('[').trim_end_matches(']');
        statement.push(" AND replace(warnings, ").push_bind(entry).push(", '') <> warnings");
    }
}

/// The key of an identity in the table `message_identity`. The triggers of the table compute the same key
/// from JSON.
pub(super) fn identity_key(identity: &DeviceIdentity) -> String {
    key_of_text(&identity.to_string())
}

/// The same of an identity as the list of a message has it.
pub(in crate::store) fn key_of_text(identity: &str) -> String {
    let text = identity.replace('\0', "\u{2400}").replace("\\u0000", "\\u2400");
    let id = text.split('^').next().unwrap_or_default();
    id.chars().take(64).collect()
}

pub(in crate::store) fn summary(row: &Row) -> Result<MessageSummary, StoreError> {
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
    let Opened { raw, acknowledgement } =
        Content::open_or_stored(row.get("raw")?, row.get("raw_size")?, row.get("acknowledgement")?)?;
    let digest: Vec<u8> = row.get("digest")?;
    Ok(StoredMessage {
        is_intact: Fingerprint::sha256(&raw).as_bytes().as_slice() == digest,
        summary: summary(row)?,
        session: row.get("session")?,
        fingerprint: row.get("fingerprint")?,
        peer: row.parsed("peer", "message.peer")?,
        identities: row.list("identities", "message.identities")?,
        raw,
        acknowledgement,
        envelope: Bytes::new(),
        reconsidered: None,
    })
}

const JOINED: &str = " AS named CROSS JOIN message WHERE message.id = coalesce(named.message, named.message)";

const CONTROL_ID: &str = " AND substr(control_id, 1, 256) = ";

const SELECT_ENVELOPE: &str = "SELECT lines FROM envelope WHERE message = $1";

const SELECT_RECONSIDERED: &str =
    "SELECT original, message, at, actor FROM reconsidered WHERE original = $1 OR message = $1";

/// Messages that a search without an index reads: some milliseconds.
const SEARCHED_MESSAGES: u32 = 10_000;
/// The same where each message is looked up by its identifier.
const SEARCHED_NAMED_MESSAGES: u32 = 4_000;

const SELECT_WEIGHTS: &str = "
SELECT id, CAST(octet_length(raw) AS BIGINT) AS bytes, CAST(octet_length(identities) AS BIGINT) AS identity_bytes";

/// Open-ended: further columns may follow. Rows of earlier versions may have texts of any length.
const SELECT_SUMMARY: &str = "
SELECT id, received_at, event_time, device, pcd_transaction, substr(message_type, 1, 256) AS message_type,
    substr(control_id, 1, 256) AS control_id, substr(sending_application, 1, 256) AS sending_application, rejection,
    warnings, CAST(coalesce(raw_size, length(raw)) AS BIGINT) AS size";

const SELECT_REJECTED: &str = "
SELECT CAST(count(*) AS BIGINT) AS messages, CAST(coalesce(sum(size), 0) AS BIGINT) AS bytes,
    CAST(coalesce(min(received_at), 0) AS BIGINT) AS first_at
FROM (
    SELECT received_at, CAST(coalesce(raw_size, length(raw)) AS BIGINT) AS size FROM message
    WHERE device = $1 AND id >= $2 AND rejection IS NOT NULL ORDER BY id LIMIT $3
) AS recent";
