//! How far the index of searches by patient and order reaches.

use jiff::Timestamp;

use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    /// The time of the oldest message in the index.
    pub(in crate::store) async fn oldest_key(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_OLDEST)).await?;
        let oldest: Option<MessageId> = rows.first().map(|row: &Row| message_id(row)).transpose()?;
        Ok(oldest.map(|id| id.time()))
    }
}

const SELECT_OLDEST: &str = "SELECT message AS id FROM message_key ORDER BY message LIMIT 1";
