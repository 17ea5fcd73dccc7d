//! Fast path: the common batch in a single round trip. One statement stores messages, appends to the audit
//! trail and moves the head of the chain; it is a transaction by itself.
//!
//! It assumes the common case: the chain of the node ends where this process left it, and no message was
//! stored before. If that is wrong, the statement writes nothing, and the batch is written statement by
//! statement.
//!
//! **The lock of the chain comes first.** The statement locks the node's row of `audit_end`, and everything
//! that it stores depends on the row which that lock returns. So with any query plan the row is locked before
//! anything is inserted, as the transaction of the slow path does
//! ([`Connection::begin`](crate::store::write::connection::Connection::begin)). Two processes of one node
//! compete for that row only: the second process waits without holding a lock that the first one needs. It
//! then goes on with the snapshot from before its wait, does not see the rows of the first process, and fails
//! at the unique index of `audit`, because the number of its first row is taken. Two nodes have different
//! rows and compete only for the unique index of `message`, into which both insert in the order of the keys:
//! one waits for the other, and they do not deadlock.
//!
//! **No row is updated.** A lock leaves no version of a row behind. An updated row would: while any snapshot
//! is open (`pg_dump`), the server cannot remove old versions, and each batch would read all of them.
//!
//! **All or nothing.** If a message is already stored, nothing is written: no
//! error, which the server would log with the statement. A message that another node stores in the same
//! moment violates that index, and the statement fails as a whole; that is logged. `ON CONFLICT DO NOTHING`
//! would store the rest without that message, and its audit row is part of the chain: only an error takes the
//! rest back within one statement. Its triggers run as part of it. It is committed when the server reports
//! that it is ready for the next query, not when it returns the number of inserted rows, which comes earlier;
//! sqlx waits for the former at the end of the rows.
//!
//! **Durability.** The lock also sets the level of this commit, and finds no row when the server has got a
//! setting with which it can lose commits: see [`super::durability`].
//!
//! **A lost connection** leaves the commit in doubt. The hash of the last row decides it afterwards. If the
//! server executes the statement later than that check, it writes nothing, because the chain has moved on or
//! because the messages are already stored: see `begin` in [`crate::store::write::batch`].

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::address::search_path;
use super::durability::{own_path, set_level, unaccepted_risks};
use super::failure::{classify, is_conflict};
use super::rows::{
    NewRow, any_is_stored, bind_events, bind_keys, bind_rows, insert_messages, is_holder, sorted_by_key,
    stored_number,
};
use crate::audit::{ChainHead, Event};
use crate::model::SchemaName;
use crate::store::own_chain::OwnChain;
use crate::store::write::batch::{CommitError, Committed};
use crate::store::write::chain::link_events;
use crate::store::write::entry::{Entry, Write};
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::search_key::keys_of;
use crate::store::write::unfit_certificate;

/// Writes `entries` behind `end`. Returns `None`, and has written nothing, when the fast path does not apply.
pub(super) async fn write(
    connection: &mut PgConnection,
    schema: &SchemaName,
    chain: &OwnChain,
    end: &ChainHead,
    entries: &[Entry],
) -> Result<Option<Committed>, CommitError> {
    let node = chain.node();
    let mut trail = Vec::with_capacity(entries.len());
    for Entry { at, write } in entries {
        match write {
            Write::Message { record, digest, .. } if record.is_plain() => {
                trail.push((*at, record.event(*digest)));
            }
            // What it says of the certificate of a device is kept beside the trail.
            Write::Audit(event) if unfit_certificate::concerns(event) => return Ok(None),
            // A signature also moves the recorded end of the chain, and what an operator does is read back.
            Write::Audit(event) if event.name() != Event::AUDIT_SIGNED && !event.is_by_operator() => {
                trail.push((*at, event.clone()));
            }
            _ => return Ok(None),
        }
    }
    let mut moved = *end;
    let events = link_events(node, &mut moved, &trail);
    let messages: Vec<_> = entries.iter().filter_map(Entry::incoming).collect();
    let rows = sorted_by_key(&messages);
    if has_copies(&rows) {
        return Ok(None);
    }
    let keys = keys_of(&messages);
    let all_applied = || vec![Ok(WriteOutcome::Applied); entries.len()];
    let query = bind_events(bind_rows(sqlx::query(WRITE), &rows), &events)
        .bind(node.as_str())
        .bind(stored_number(end.number))
        .bind(end.hash.as_bytes().as_slice())
        .bind(search_path(schema));
    let query = bind_keys(query, &keys);
    chain.attempt(events.iter().map(|row| row.head.hash));
    // All rows, and not one: only the end of the result says that it is committed.
    let appended = query.fetch_all(connection).await.map_err(classify);
    let appended =
        appended.and_then(|rows| rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(classify)));
    match appended {
        // The chain has another head.
        Ok(0_i64) => Ok(None),
        Ok(_) => Ok(Some(Committed { outcomes: all_applied(), rows: events, end: moved })),
        // Another process has written meanwhile, an entry cannot be stored, or a row was dropped; the
        // statement is rolled back.
        Err(error) if error.concerns_one_entry() || is_conflict(&error) => Ok(None),
        Err(error) => {
            let done = Committed { outcomes: all_applied(), rows: events, end: moved };
            Err(CommitError { error, in_doubt: Some(done) })
        }
    }
}

/// Whether a message is there twice: the second copy is a resend of the first.
fn has_copies(rows: &[NewRow<'_>]) -> bool {
    let accepted = rows.iter().filter(|row| row.message.record.verdict.rejection().is_none());
    let keys = accepted.map(|row| (&row.message.record.device, &row.correlation, row.message.digest));
    keys.clone().zip(keys.skip(1)).any(|(one, next)| one == next)
}

/// Returns how many rows it appends to the trail: all, or none. A trigger or a rule can drop rows without an
/// error, and what a table computes by itself can change the session. When less were inserted than given, or
/// the level of the commit or the search path is another one afterwards, the division by zero rolls
/// everything back.
///
/// The functions are the server's, whatever stands beside the tables: one for exactly these types would be
/// preferred to one of the server's for any array. The operators are for exactly the types that they have
/// here, and `unnest` of several arrays is a part of the language.
const WRITE: &str = concat!(
    "
WITH locked AS (
    SELECT node, ",
    set_level!(),
    " AS level FROM audit_end WHERE node = $26 AND ",
    is_holder!(),
    " AND ",
    unaccepted_risks!(),
    " = 0 AND ",
    own_path!("$29"),
    " FOR UPDATE
), chain AS (
    SELECT locked.node FROM locked CROSS JOIN LATERAL (
        SELECT number, hash FROM audit WHERE audit.node = locked.node ORDER BY number DESC LIMIT 1
    ) AS last
    WHERE last.number = $27 AND last.hash = $28 AND locked.level IS NOT NULL AND NOT ",
    any_is_stored!(),
    "
), stored AS (",
    insert_messages!(),
    "
    CROSS JOIN chain ORDER BY place RETURNING id
), appended AS (
    INSERT INTO audit (node, number, at, event, details, hash)
    SELECT chain.node, new.number, new.at, new.event, new.details, new.hash
    FROM chain CROSS JOIN unnest($21::bigint[], $22::bigint[], $23::text[], $24::text[], $25::bytea[])
        AS new (number, at, event, details, hash)
    ORDER BY new.number RETURNING number
), keyed AS (
    INSERT INTO message_key (hash, message)
    SELECT new.hash, new.message FROM chain CROSS JOIN unnest($30::bigint[], $31::bytea[]) AS new (hash, message)
    ON CONFLICT DO NOTHING
), counted AS (
    SELECT (SELECT pg_catalog.count(*) FROM chain) AS chains, (SELECT pg_catalog.count(*) FROM stored) AS messages,
        (SELECT pg_catalog.count(*) FROM appended) AS rows, (SELECT level FROM locked) AS level
)
SELECT CASE WHEN messages = chains * pg_catalog.cardinality($1::bytea[])
        AND rows = chains * pg_catalog.cardinality($21::bigint[])
        AND coalesce(level = pg_catalog.current_setting('synchronous_commit'), true)
        AND (level IS NULL OR ",
    own_path!("$29"),
    ")
    THEN rows ELSE 1 / least(rows, 0) END
FROM counted"
);
