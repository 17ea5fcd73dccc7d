//! Queries the message that reported an alert first.

use crate::model::{DeviceId, MessageId};
use crate::pcd::AlertKey;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::alert::{AlertOrigin, former_report_digest, report_digest};
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
            .bind(former_report_digest(report).as_slice());
        self.fetch(statement).await?.first().map(origin).transpose()
    }
}

fn origin(row: &Row) -> Result<AlertOrigin, StoreError> {
    let bytes: Vec<u8> = row.get("first_message")?;
    let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("alert_report.first_message"))?;
    Ok(AlertOrigin { message: MessageId::from_bytes(bytes), control_id: row.get("first_control_id")? })
}

/// A report that an earlier version stored is found under its former key.
const SELECT_ORIGIN: &str = "
SELECT first_message, first_control_id FROM alert_report WHERE device = $1 AND report IN ($2, $3)
ORDER BY report = $2 DESC LIMIT 1";
