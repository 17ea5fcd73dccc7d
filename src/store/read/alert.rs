//! Queries the message that reported an alert first.

use crate::model::{DeviceId, MessageId};
use crate::pcd::AlertKey;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::alert::{
    AlertOrigin, LatestAlert, digest_without_equipment, former_report_digest, report_digest,
};
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn alert_origin(
        &self,
        device: &DeviceId,
        report: &AlertKey,
    ) -> Result<Option<AlertOrigin>, StoreError> {
        let statement = Statement::new(SELECT_ORIGIN)
            .bind(device.as_str())
            .bind(report_digest(report).as_slice())
            .bind(digest_without_equipment(report).as_slice())
            .bind(former_report_digest(report).as_slice());
        self.fetch(statement).await?.first().map(origin).transpose()
    }

    pub(in crate::store) async fn latest_alerts(&self, limit: u32) -> Result<Vec<LatestAlert>, StoreError> {
        let statement = Statement::new(SELECT_LATEST).bind(i64::from(limit));
        self.fetch(statement).await?.iter().map(latest).collect()
    }
}

fn latest(row: &Row) -> Result<LatestAlert, StoreError> {
    let device = row.get::<String>("device")?.parse();
    Ok(LatestAlert {
        device: device.map_err(|_| StoreError::unreadable("alert_report.device"))?,
        message: message_id(row, "last_message", "alert_report.last_message")?,
        first: message_id(row, "first_message", "alert_report.first_message")?,
    })
}

fn message_id(row: &Row, column: &str, name: &'static str) -> Result<MessageId, StoreError> {
    let bytes: Vec<u8> = row.get(column)?;
    let bytes = bytes.try_into().map_err(|_| StoreError::unreadable(name))?;
    Ok(MessageId::from_bytes(bytes))
}

fn origin(row: &Row) -> Result<AlertOrigin, StoreError> {
    let message = message_id(row, "first_message", "alert_report.first_message")?;
    Ok(AlertOrigin { message, control_id: row.get("first_control_id")? })
}

/// A report that an earlier version stored is found under its former key.
const SELECT_ORIGIN: &str = "
SELECT first_message, first_control_id FROM alert_report WHERE device = $1 AND report IN ($2, $3, $4)
ORDER BY report = $2 DESC, report = $3 DESC LIMIT 1";

/// By the index on `last_message`, from its end.
const SELECT_LATEST: &str = "
SELECT device, last_message, first_message FROM alert_report ORDER BY last_message DESC LIMIT $1";
