//! Parameters of statements that insert many messages or audit rows.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;

use crate::model::{Fingerprint, MessageId, SearchKey};
use crate::store::records::message::CONTROL_ID_REUSED;
use crate::store::statement::json;
use crate::store::write::chain::ChainedEvent;
use crate::store::write::incoming::IncomingMessage;

/// A message to insert.
pub(super) struct NewRow<'a> {
    /// The position in the batch.
    pub(super) place: usize,
    pub(super) message: &'a IncomingMessage<'a>,
    /// SHA-256 over MSH-3 and MSH-10.
    pub(super) correlation: [u8; 32],
    /// An earlier message of the batch has the same control id and other bytes.
    reused: bool,
}

impl NewRow<'_> {
    pub(super) const fn id(&self) -> MessageId {
        self.message.record.id
    }

    fn warnings(&self, reused: bool) -> String {
        let mut warnings = self.message.record.warnings.clone();
        warnings.extend(reused.then(|| CONTROL_ID_REUSED.to_owned()));
        json(&warnings)
    }
}

/// The messages in the order of their keys: two nodes that insert the same messages then wait for each other
/// and do not deadlock.
pub(super) fn sorted_by_key<'a>(messages: &'a [IncomingMessage<'a>]) -> Vec<NewRow<'a>> {
    let mut used: HashMap<(&str, [u8; 32]), Vec<&Fingerprint>> = HashMap::new();
    let mut rows = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        let record = message.record;
        let correlation = correlation(&record.sending_application, &record.control_id);
        let key = (record.device.as_str(), correlation);
        let reused =
            used.get(&key).is_some_and(|digests| digests.iter().any(|other| *other != message.digest));
        if record.verdict.rejection().is_none() {
            used.entry(key).or_default().push(message.digest);
        }
        rows.push(NewRow { place, message, correlation, reused });
    }
    rows.sort_by_key(|row| {
        (row.message.record.device.clone(), row.correlation, *row.message.digest, row.place)
    });
    rows
}

pub(super) fn correlation(sending_application: &str, control_id: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in [sending_application, control_id] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// The parameters of [`insert_messages`].
pub(super) fn bind_rows<'q>(
    query: Query<'q, Postgres, PgArguments>,
    rows: &'q [NewRow<'q>],
) -> Query<'q, Postgres, PgArguments> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    query
        .bind(column!(row => row.message.record.id.as_bytes().as_slice()))
        .bind(column!(row => row.message.record.received_at.as_microsecond()))
        .bind(column!(row => row.message.record.event_time.map(|time| time.as_microsecond())))
        .bind(column!(row => row.message.record.device.as_str()))
        .bind(column!(row => row.message.record.session.to_string()))
        .bind(column!(row => row.message.record.fingerprint.to_string()))
        .bind(column!(row => row.message.record.peer.to_string()))
        .bind(column!(row => row.message.record.transaction.as_deref()))
        .bind(column!(row => row.message.record.message_type.as_str()))
        .bind(column!(row => row.message.record.control_id.as_str()))
        .bind(column!(row => row.message.record.sending_application.as_str()))
        .bind(column!(row => row.correlation.as_slice()))
        .bind(column!(row => row.message.digest.as_bytes().as_slice()))
        .bind(column!(row => row.message.record.verdict.rejection()))
        .bind(column!(row => row.warnings(row.reused)))
        .bind(column!(row => row.warnings(true)))
        .bind(column!(row => json(&row.message.record.identities)))
        .bind(column!(row => row.message.content.acknowledgement.as_ref()))
        .bind(column!(row => row.message.content.bytes.as_ref()))
        .bind(column!(row => row.message.content.size.map(i64::from)))
}

/// Binds number, time, event, details and hash of the rows.
pub(super) fn bind_events<'q>(
    query: Query<'q, Postgres, PgArguments>,
    rows: &'q [ChainedEvent],
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(rows.iter().map(|row| stored_number(row.head.number)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.at.as_microsecond()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.details.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.head.hash.as_bytes().as_slice()).collect::<Vec<_>>())
}

/// Binds keys of messages, and the identifiers of the messages.
pub(super) fn bind_keys<'q>(
    query: Query<'q, Postgres, PgArguments>,
    rows: &'q [(SearchKey, MessageId)],
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(rows.iter().map(|(key, _)| key.number()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, message)| message.as_bytes().as_slice()).collect::<Vec<_>>())
}

/// The number as a signed column. Saturates: no store reaches the end of these numbers.
pub(super) fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The statement that inserts messages from its parameters $1 to $20, up to its FROM clause. `place` is their
/// order.
macro_rules! insert_messages {
    () => {
        "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, correlation, digest, rejection, warnings, identities, acknowledgement, raw,
    raw_size
)
SELECT new.id, new.received_at, new.event_time, new.device, new.session, new.fingerprint, new.peer, new.pcd_transaction,
    new.message_type, new.control_id, new.sending_application, new.correlation, new.digest, new.rejection,
    CASE WHEN EXISTS (
        SELECT 1 FROM message AS old
        WHERE old.device = new.device AND old.correlation = new.correlation AND old.digest <> new.digest
            AND old.rejection IS NULL
    ) THEN new.warnings_if_reused ELSE new.warnings END,
    new.identities, new.acknowledgement, new.raw, new.raw_size
FROM unnest(
    $1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::text[], $15::text[], $16::text[], $17::text[],
    $18::bytea[], $19::bytea[], $20::bigint[]
) WITH ORDINALITY AS new (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, correlation, digest, rejection, warnings, warnings_if_reused, identities, acknowledgement, raw,
    raw_size, place
)"
    };
}
pub(super) use insert_messages;

/// Whether one of the messages of the parameters of [`insert_messages`] is a resend. Each is looked up by the
/// whole key of the index `message_resend`; as a join the planner could read the table.
macro_rules! any_is_stored {
    () => {
        "
(SELECT coalesce(pg_catalog.bool_or(CASE WHEN new.rejection IS NULL THEN EXISTS (
        SELECT 1 FROM message AS old
        WHERE old.device = new.device AND old.correlation = new.correlation AND old.digest = new.digest
            AND old.rejection IS NULL
    ) ELSE FALSE END), FALSE)
    FROM unnest($4::text[], $12::bytea[], $13::bytea[], $14::text[]) AS new (device, correlation, digest, rejection))"
    };
}
pub(super) use any_is_stored;

/// Whether this connection may write as the node of a row of `audit_end`: no other process has taken the node
/// over. A connection that names no process is a command's, which may always write.
macro_rules! is_holder {
    () => {
        "(holder IS NULL OR holder = coalesce(nullif(pg_catalog.current_setting('pcd.process', true), ''), holder))"
    };
}
pub(super) use is_holder;
