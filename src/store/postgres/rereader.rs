//! The session that reads committed rows back.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::failure::classify;
use super::location::Location;
use super::rows::{correlation, stored_number};
use crate::model::{MessageId, SchemaName};
use crate::store::error::StoreError;
use crate::store::write::reread::{Found, FoundMessage, FoundRow, Reread, Wanted};

/// Reads through a connection of its own, which is opened when it is needed.
pub(in crate::store) struct Rereader {
    location: Location,
    connection: Option<PgConnection>,
    statements: Statements,
}

/// With the schema of the tables, and the operators of the server: whatever the session searches.
struct Statements {
    messages: String,
    rows: String,
}

impl Rereader {
    pub(super) fn new(location: Location) -> Self {
        let statements = Statements::new(location.schema());
        Self { location, connection: None, statements }
    }
}

impl Reread for Rereader {
    async fn read(&mut self, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.location.connect_to_read_back().await?),
        };
        let Statements { messages, rows } = &self.statements;
        let ids: Vec<&[u8]> = wanted.messages.iter().map(|id| id.as_bytes().as_slice()).collect();
        let select = sqlx::query(AssertSqlSafe(messages.as_str())).bind(ids);
        let found = select.fetch_all(&mut *connection).await.map_err(classify)?;
        let messages = found.iter().filter_map(|row| message(row).ok().flatten()).collect();
        let Some((first, last)) = wanted.rows else { return Ok(Found { messages, rows: Vec::new() }) };
        let select = sqlx::query(AssertSqlSafe(rows.as_str())).bind(wanted.node.as_str());
        let select = select.bind(stored_number(first)).bind(stored_number(last));
        let found = select.fetch_all(connection).await.map_err(classify)?;
        Ok(Found { messages, rows: found.iter().filter_map(|row| audit_row(row).ok()).collect() })
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Do not wait for a server that does not respond.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close_hard()).await;
        }
    }
}

impl Statements {
    fn new(schema: &SchemaName) -> Self {
        Self {
            messages: format!(
                "SELECT id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type,
                    control_id, sending_application, correlation, digest, rejection, warnings, identities, raw_size,
                    acknowledgement, raw
                FROM {schema}.message WHERE id OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.bytea[])"
            ),
            rows: format!(
                "SELECT number, at, event, details, hash FROM {schema}.audit
                WHERE node OPERATOR(pg_catalog.=) $1::pg_catalog.text
                    AND number OPERATOR(pg_catalog.>=) $2::pg_catalog.int8
                    AND number OPERATOR(pg_catalog.<=) $3::pg_catalog.int8
                ORDER BY number"
            ),
        }
    }
}

/// `None` when a resend of the message would not find it.
fn message(row: &PgRow) -> Result<Option<(MessageId, FoundMessage)>, sqlx::Error> {
    let Ok(id) = row.try_get::<Vec<u8>, _>("id")?.try_into() else { return Ok(None) };
    let found = FoundMessage {
        received_at: row.try_get("received_at")?,
        event_time: row.try_get("event_time")?,
        device: row.try_get("device")?,
        session: row.try_get("session")?,
        fingerprint: row.try_get("fingerprint")?,
        peer: row.try_get("peer")?,
        transaction: row.try_get("pcd_transaction")?,
        message_type: row.try_get("message_type")?,
        control_id: row.try_get("control_id")?,
        sending_application: row.try_get("sending_application")?,
        digest: row.try_get("digest")?,
        rejection: row.try_get("rejection")?,
        warnings: row.try_get("warnings")?,
        identities: row.try_get("identities")?,
        raw_size: row.try_get("raw_size")?,
        acknowledgement: row.try_get("acknowledgement")?,
        raw: row.try_get("raw")?,
    };
    let key = correlation(&found.sending_application, &found.control_id);
    let is_key = row.try_get::<Vec<u8>, _>("correlation")? == key;
    Ok(is_key.then_some((MessageId::from_bytes(id), found)))
}

fn audit_row(row: &PgRow) -> Result<FoundRow, sqlx::Error> {
    Ok(FoundRow {
        number: row.try_get("number")?,
        at: row.try_get("at")?,
        event: row.try_get("event")?,
        details: row.try_get("details")?,
        hash: row.try_get("hash")?,
    })
}

/// How long closing the connection may take.
const CLOSE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
