//! The usual batch in one way to the server and back: one statement that stores messages, appends to the audit trail and
//! moves its end on, and is a transaction by itself.
//!
//! It assumes what usually is so: that the chain of the node ends where this process left it, and that no message was
//! stored before. Where that is wrong it does nothing, and the batch goes the longer way, on which the server is asked.
//!
//! **The end of the chain first.** The statement moves it on if it is the expected one, and what it stores depends on the row
//! which that returns; so whatever plan the server makes, the row of `audit_end` is locked before anything is inserted, as
//! it is by the transaction of the longer way ([`Connection::begin`](crate::store::write::connection::Connection::begin)). Two processes
//! of one node meet there and nowhere else: whoever comes second waits, without having anything that the first one wants,
//! and then sees the row as it is by then (READ COMMITTED evaluates the condition again; under a stricter level the server
//! reports a serialization failure). Two nodes have ends of their own and meet only in the unique index of `message`, in
//! which both insert in the order of the keys: there one waits for the other and never both.
//!
//! **All or nothing.** A message that is there already hits that index, and the statement fails as a whole. Its triggers run as
//! part of it. It is committed when the server has answered that it is ready for the next one, not when it says that
//! rows were inserted, which comes before; the library waits for the former.
//!
//! **A connection that breaks** leaves unknown whether it was committed. The hash of the last row says so afterwards, and a
//! statement that the server begins later than that does nothing any more, because the chain has gone on, or because
//! what it would store is there: see `begin` in [`crate::store::batch`].

use sqlx::postgres::PgConnection;

use super::failure::failure;
use super::rows::{bind_events, bind_rows, insert_messages, ordered, stored_number};
use crate::audit::ChainHead;
use crate::model::NodeName;
use crate::store::write::batch::{CommitError, Committed};
use crate::store::write::chain::chained;
use crate::store::write::entry::{Entry, Write};
use crate::store::write::incoming::WriteOutcome;

/// Writes `entries` behind `end`; none when that takes more than this way offers, and then nothing was kept.
pub(super) async fn write(
    connection: &mut PgConnection,
    node: &NodeName,
    end: &ChainHead,
    entries: &[Entry],
) -> Result<Option<Committed>, CommitError> {
    let mut trail = Vec::with_capacity(entries.len());
    for Entry { at, write } in entries {
        match write {
            Write::Message { record, .. } if record.alerts.is_empty() && record.not_allowed.is_empty() => {
                trail.push((*at, record.event()));
            }
            Write::Audit(event) => trail.push((*at, event.clone())),
            _ => return Ok(None),
        }
    }
    let mut moved = *end;
    let events = chained(node, &mut moved, &trail);
    let messages: Vec<_> = entries.iter().filter_map(Entry::incoming).collect();
    let rows = ordered(&messages);
    let query = bind_events(bind_rows(sqlx::query(WRITE), &rows), &events)
        .bind(node.as_str())
        .bind(stored_number(end.number))
        .bind(end.hash.as_bytes().as_slice())
        .bind(stored_number(moved.number))
        .bind(moved.hash.as_bytes().as_slice());
    match query.execute(connection).await.map_err(failure) {
        // The chain does not end there.
        Ok(done) if done.rows_affected() == 0 => Ok(None),
        Ok(_) => Ok(Some(Committed { outcomes: vec![Ok(WriteOutcome::Applied); entries.len()], end: moved })),
        Err(error) if error.concerns_one_entry() => Ok(None),
        Err(error) => {
            let done = Committed { outcomes: vec![Ok(WriteOutcome::Applied); entries.len()], end: moved };
            Err(CommitError { error, in_doubt: Some(done) })
        }
    }
}

/// Says how many rows of the trail it has appended: all, or none.
const WRITE: &str = concat!(
    "
WITH chain AS (
    UPDATE audit_end SET number = $29, hash = $30 WHERE node = $26 AND number = $27 AND hash = $28 RETURNING node
), stored AS (",
    insert_messages!(),
    "
    CROSS JOIN chain ORDER BY place
)
INSERT INTO audit (node, number, at, event, details, hash)
SELECT chain.node, new.number, new.at, new.event, new.details, new.hash
FROM chain CROSS JOIN unnest($21::bigint[], $22::bigint[], $23::text[], $24::text[], $25::bytea[])
    AS new (number, at, event, details, hash)
ORDER BY new.number"
);
