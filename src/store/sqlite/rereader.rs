//! The connection that reads committed rows back, as another program would find them.

use rusqlite::{Connection as Sqlite, Row, params};

use super::failure::write_error;
use super::integrity;
use super::location::Location;
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::write::reread::{Found, FoundMessage, FoundRow, Reread, Wanted};

/// Reads through a connection of its own, which is opened when it is needed.
pub(in crate::store) struct Rereader {
    location: Location,
    connection: Option<Sqlite>,
    /// The schema in the file when the connection read it last.
    schema: Vec<integrity::Object>,
}

impl Rereader {
    pub(super) const fn new(location: Location) -> Self {
        Self { location, connection: None, schema: Vec::new() }
    }

    /// Reads everything as of one moment, from the tables that the file names in that moment.
    fn read_at_once(&mut self, connection: &Sqlite, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
        let transaction = connection.unchecked_transaction().map_err(write_error)?;
        if !integrity::is_schema(connection, &self.schema)? {
            // Also where only the root pages are others: the number of the schema can be the same.
            let schema = integrity::schema(connection)?;
            integrity::forget_schema(connection)?;
            self.schema = schema;
        }
        let found = found(connection, wanted)?;
        transaction.commit().map_err(write_error)?;
        Ok(found)
    }
}

/// These methods wait for the disk only.
impl Reread for Rereader {
    async fn read(&mut self, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.schema.clear();
                self.location.connect_to_read_back()?
            }
        };
        let found = self.read_at_once(&connection, wanted)?;
        self.connection = Some(connection);
        Ok(found)
    }

    async fn close(&mut self) {
        self.connection = None;
    }
}

fn found(connection: &Sqlite, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let mut select = connection.prepare_cached(SELECT_MESSAGE).map_err(write_error)?;
    for id in &wanted.messages {
        let mut rows = select.query([id.as_bytes()]).map_err(write_error)?;
        if let Some(row) = rows.next().map_err(write_error)?
            && let Ok((id, message)) = message(row)
        {
            found.messages.insert(id, message);
        }
    }
    let Some((first, last)) = wanted.rows else { return Ok(found) };
    let mut select = connection.prepare_cached(SELECT_ROWS).map_err(write_error)?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let range = params![wanted.node.as_str(), number(first), number(last)];
    let mut rows = select.query(range).map_err(write_error)?;
    while let Some(row) = rows.next().map_err(write_error)? {
        found.rows.extend(audit_row(row).ok());
    }
    Ok(found)
}

/// The columns by their place: by their name each of them would be searched for in every row.
fn message(row: &Row<'_>) -> rusqlite::Result<(MessageId, FoundMessage)> {
    let found = FoundMessage {
        received_at: row.get(1)?,
        event_time: row.get(2)?,
        device: row.get(3)?,
        session: row.get(4)?,
        fingerprint: row.get(5)?,
        peer: row.get(6)?,
        transaction: row.get(7)?,
        message_type: row.get(8)?,
        control_id: row.get(9)?,
        sending_application: row.get(10)?,
        digest: row.get(11)?,
        rejection: row.get(12)?,
        warnings: row.get(13)?,
        identities: row.get(14)?,
        raw_size: row.get(15)?,
        acknowledgement: row.get(16)?,
        raw: row.get(17)?,
    };
    Ok((MessageId::from_bytes(row.get(0)?), found))
}

fn audit_row(row: &Row<'_>) -> rusqlite::Result<FoundRow> {
    Ok(FoundRow {
        number: row.get(0)?,
        at: row.get(1)?,
        event: row.get(2)?,
        details: row.get(3)?,
        hash: row.get(4)?,
    })
}

/// The columns in the order of [`message`].
const SELECT_MESSAGE: &str = "
SELECT id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, raw_size, acknowledgement, raw
FROM main.message WHERE id = ?";

/// The columns in the order of [`audit_row`].
const SELECT_ROWS: &str = "
SELECT number, at, event, details, hash FROM main.audit WHERE node = ? AND number >= ? AND number <= ?
ORDER BY number";
