//! Messages by their control id, of all devices, without an index on control ids alone.
//!
//! The index that recognises resends begins with device, application and control id. So a search goes from
//! one device to the next, from one application of it to the next, and looks up the control id behind each:
//! some microseconds for each, and nothing for a message that is stored.

use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::read::message::{select_messages_among, summary};
use crate::store::read::reader::Reader;
use crate::store::records::message::{MessageFilter, MessageSummary};
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    /// A page of the messages with a control id; `None` where this takes too long, or the database has
    /// another index.
    pub(in crate::store) async fn messages_by_control_id(
        &self,
        filter: &MessageFilter,
    ) -> Result<Option<Vec<MessageSummary>>, StoreError> {
        let (Self::Sqlite(_), Some(control_id), None) = (self, &filter.control_id, &filter.identity) else {
            return Ok(None);
        };
        if filter.is_for_rejected() || filter.key.is_some() {
            return Ok(None);
        }
        let device = filter.device.as_ref().map(|device| device.as_str());
        let rows = self.fetch(select_candidates(control_id, device)).await?;
        let id = |row: &Row| {
            let bytes: Option<Vec<u8>> = row.get("id")?;
            let bytes = bytes.map(|bytes| bytes.try_into().map_err(|_| StoreError::unreadable("message.id")));
            Ok::<_, StoreError>(bytes.transpose()?.map(MessageId::from_bytes))
        };
        let ids: Option<Vec<MessageId>> = rows.iter().map(id).collect::<Result<_, _>>()?;
        let Some(ids) = ids.filter(|ids| ids.len() < MAX_CANDIDATES) else { return Ok(None) };
        if ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let rows = self.fetch(select_messages_among(filter, &ids)).await?;
        rows.iter().map(summary).collect::<Result<_, _>>().map(Some)
    }
}

/// The statement that selects the messages of all devices, or of one, with a control id; a NULL among them
/// when there are too many applications to look behind each.
pub(in crate::store) fn select_candidates(control_id: &str, device: Option<&str>) -> Statement {
    let first = match device {
        Some(_) => "SELECT $2",
        None => {
            "SELECT (SELECT device FROM message INDEXED BY message_resend WHERE rejection IS NULL ORDER BY device LIMIT 1)"
        }
    };
    let next = if device.is_some() { "AND FALSE" } else { "" };
    let sql = SELECT_CANDIDATES.replace("{first}", first).replace("{next}", next);
    let statement = Statement::new(&sql).bind(control_id);
    match device {
        Some(device) => statement.bind(device),
        None => statement,
    }
}

const SELECT_CANDIDATES: &str = "
WITH RECURSIVE sender (device) AS (
    {first}
    UNION ALL SELECT (
        SELECT device FROM message INDEXED BY message_resend
        WHERE rejection IS NULL AND device > sender.device ORDER BY device LIMIT 1
    ) FROM sender WHERE sender.device IS NOT NULL {next}
), application (device, name) AS (
    SELECT device, (
        SELECT sending_application FROM message INDEXED BY message_resend
        WHERE rejection IS NULL AND message.device = sender.device ORDER BY sending_application LIMIT 1
    ) FROM sender WHERE device IS NOT NULL
    UNION ALL SELECT device, (
        SELECT sending_application FROM message INDEXED BY message_resend
        WHERE rejection IS NULL AND message.device = application.device
            AND message.sending_application > application.name ORDER BY sending_application LIMIT 1
    ) FROM application WHERE name IS NOT NULL LIMIT 20000
)
SELECT NULL AS id WHERE (SELECT count(*) FROM application) >= 20000
UNION ALL SELECT message.id FROM application CROSS JOIN message INDEXED BY message_resend
WHERE message.rejection IS NULL AND message.device = application.device
    AND message.sending_application = application.name AND message.control_id = $1
UNION ALL SELECT id FROM message INDEXED BY message_rejected_control_id
WHERE rejection IS NOT NULL AND substr(control_id, 1, 256) = $1
LIMIT 10000";

/// As in the statement: more messages have the control id than one search orders.
const MAX_CANDIDATES: usize = 10_000;
