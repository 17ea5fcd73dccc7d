//! Resends: a message that came again is acknowledged as the stored copy only if the platform stored that
//! copy.
//!
//! Who writes to the database can put a row into `message` before a device sends the message, or have a
//! trigger put it there. The message would be taken for a resend, and acknowledged without a row in the audit
//! trail; nothing would show that the copy is removed later. So the trail has to name the stored copy, with
//! its device and its digest. And each acknowledgement of a resend gets a row of its own (`message-resent`)
//! in the chain of the node that gave it: whatever was in the trail before, and whatever becomes of it
//! afterwards, `store check` finds that an acknowledged message is missing, and that nothing else in the
//! trail names it. A message that comes again and again gets a further row after some minutes, as long as its
//! row is in the chain.
//!
//! What is acknowledged has to stay for its whole time. A copy that is old would be removed before, so it is
//! replaced ([`replace`](super::replace)): not even who knows the bytes beforehand, and puts an old copy into
//! the store together with a row that the platform later signs, has a new message removed.
//!
//! What is sent for the first time pays nothing for this.

use jiff::Timestamp;
use serde_json::Value;

use crate::audit::{ChainHead, ChainRow, Event, RowHash};
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::own_chain::OwnChain;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::{IncomingMessage, StoredCopy, WriteOutcome};

/// What a stored copy is to a message that comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The platform stored it, a short while ago.
    Sound,
    /// The platform stored it, so long ago that retention would remove it long before the time of what is
    /// acknowledged now.
    Old,
    /// The trail does not say that the platform stored it.
    Unfounded,
}

/// What `copy` is to `message`. `trail` has the rows of the transaction so far.
pub(super) async fn standing(
    connection: &mut impl Connection,
    chain: &OwnChain,
    message: &IncomingMessage<'_>,
    copy: &StoredCopy,
    trail: &[(Timestamp, Event)],
) -> Result<Standing, StoreError> {
    // An operator's command acknowledges nothing to a device. What this transaction stores has its row.
    if message.record.reconsideration.is_some() || trail.iter().any(|(_, event)| names(event, copy.id)) {
        return Ok(Standing::Sound);
    }
    if !is_founded(connection, message, copy).await? {
        return Ok(Standing::Unfounded);
    }
    Ok(if chain.is_old(copy.id, message.at) { Standing::Old } else { Standing::Sound })
}

/// Acknowledges `message` as a resend of `copy`, and appends the row about it to `trail`, which has the rows
/// of the transaction so far.
pub(super) async fn acknowledge(
    connection: &mut impl Connection,
    chain: &OwnChain,
    message: &IncomingMessage<'_>,
    copy: StoredCopy,
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<WriteOutcome, StoreError> {
    let StoredCopy { id: original, acknowledgement, .. } = copy;
    let IncomingMessage { at, record, digest, .. } = message;
    let is_named = record.reconsideration.is_some() || trail.iter().any(|(_, event)| names(event, original));
    let mut is_recorded = false;
    if !is_named {
        let row = chain.resent_row(original);
        let covering = row.as_ref().filter(|row| row.covers(*at, &record.device, digest));
        // The store may have lost it since.
        if let Some(row) = covering
            && connection.has_audit_row(chain.node(), &row.head).await?
        {
            chain.resent_again(original);
        } else {
            let event = Event::MessageResent {
                message: original,
                session: record.session,
                device: record.device.clone(),
                digest: **digest,
                times: row.map_or(1, |row| row.times.saturating_add(1)),
            };
            trail.push((*at, event));
            is_recorded = true;
        }
    }
    Ok(WriteOutcome::Resend { original, acknowledgement, is_recorded })
}

/// Whether the event says that this message is stored.
fn names(event: &Event, id: MessageId) -> bool {
    match event {
        Event::MessageAccepted { message, .. }
        | Event::MessageReconsidered { message, .. }
        | Event::MessageResent { message, .. } => *message == id,
        _ => false,
    }
}

/// Whether the trail says of the stored copy what `message` is; or retention may have removed the row.
async fn is_founded(
    connection: &mut impl Connection,
    message: &IncomingMessage<'_>,
    StoredCopy { id: original, recorded_at, .. }: &StoredCopy,
) -> Result<bool, StoreError> {
    let (original, recorded_at) = (*original, *recorded_at);
    let mut is_named = false;
    let pattern = format!("%\"message\":\"{original}\"%");
    let late = (recorded_at, recorded_at.saturating_add(SEARCHED_MICROSECONDS), "");
    // Where the clock has been set back between the receipt and the row.
    let early = (recorded_at.saturating_sub(SEARCHED_MICROSECONDS), recorded_at, "DESC ");
    for (first, last, direction) in [late, early] {
        let mut statement = Statement::new(SELECT_NEAR);
        statement.push_bind(first).push(" AND at <= ").push_bind(last).push(" ORDER BY at ");
        statement.push(direction).push(SELECT_NAMING).push_bind(pattern.as_str());
        statement.push(" LIMIT ").push_bind(MAX_NAMING);
        for row in connection.trail_rows(statement).await? {
            is_named = true;
            if says(&row, message, original) && continues(connection, &row).await? {
                return Ok(true);
            }
        }
    }
    Ok(!is_named && may_be_pruned(connection, recorded_at).await?)
}

/// Whether the row is about this copy. Rows of earlier versions have no digest.
fn says(row: &ChainRow, message: &IncomingMessage<'_>, original: MessageId) -> bool {
    let Ok(details) = serde_json::from_str::<Value>(&row.details) else { return false };
    let text = |key: &str| details.get(key).and_then(Value::as_str);
    text("message") == Some(&original.to_string())
        && text("device") == Some(message.record.device.as_str())
        && text("sha256").is_none_or(|digest| digest == message.digest.to_string())
}

/// Whether the row continues the one before it in its chain, of whichever node: who appends a row without its
/// hash has written nothing that counts.
async fn continues(connection: &mut impl Connection, row: &ChainRow) -> Result<bool, StoreError> {
    let Some(number) = u64::try_from(row.number).ok().and_then(|number| number.checked_sub(1)) else {
        return Ok(false);
    };
    let rows = connection.trail_rows(Statement::new(SELECT_BEFORE).bind(row.sequence)).await?;
    let Some((before, node)) = rows.first().and_then(|found| Some((found, found.event.parse().ok()?))) else {
        return Ok(false);
    };
    let before = match number {
        0 => Some(ChainHead::START),
        _ => RowHash::from_bytes(&before.hash).map(|hash| ChainHead { number, hash }),
    };
    Ok(before.is_some_and(|before| row.continues(&node, &before).is_some()))
}

/// Whether retention has removed rows of the trail that were written a day after this time, or later.
async fn may_be_pruned(connection: &mut impl Connection, recorded_at: i64) -> Result<bool, StoreError> {
    let statement = Statement::new(SELECT_BEGUN_LATER).bind(recorded_at.saturating_sub(TRAIL_MARGIN));
    Ok(connection.count(statement).await? > 0)
}

/// Rows that name one message, of which one has to count.
const MAX_NAMING: u32 = 1_000;
/// How far from the receipt the row about a message is sought. It is written at the receipt.
const SEARCHED_MICROSECONDS: i64 = 600 * 1_000_000;
/// How much older than the beginning of the trail a message is whose row may be gone: as `store check` has
/// it.
const TRAIL_MARGIN: i64 = 24 * 3600 * 1_000_000;
/// Along the index of times. Nearly always the first rows have it; the limit bounds what a row that the
/// platform has not stored costs.
const SELECT_NEAR: &str = "
SELECT sequence, number, at, event, details, hash FROM (
    SELECT sequence, number, at, event, details, hash FROM audit WHERE at >= ";
const SELECT_NAMING: &str = "LIMIT 100000
) AS near
WHERE event IN ('message-accepted', 'message-reconsidered') AND details LIKE ";

/// The name of the node of a row, in the place of the event, and the hash of the row before it. Without such
/// a row it is its own, which it does not continue.
const SELECT_BEFORE: &str = "
SELECT audit.sequence, audit.number, audit.at, audit.node AS event, audit.details,
    coalesce(before.hash, audit_begin.hash, audit.hash) AS hash
FROM audit
LEFT JOIN audit AS before ON before.node = audit.node AND before.number = audit.number - 1
LEFT JOIN audit_begin ON audit_begin.node = audit.node AND audit_begin.number = audit.number - 1
WHERE audit.sequence = $1";

const SELECT_BEGUN_LATER: &str = "
SELECT 1 FROM audit_begin WHERE (
    SELECT at FROM audit WHERE audit.node = audit_begin.node AND audit.number > audit_begin.number
    ORDER BY number LIMIT 1
) >= $1";
