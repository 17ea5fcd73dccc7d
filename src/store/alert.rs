//! Which message reported an alert first. PCD-05 tells a device what has become of its alert, and names the alert in MSA-2 by
//! the MSH-10 of its *first* message (IHE PCD TF vol. 2, 3.5), while the device sends an alert again under a new MSH-10
//! when an outage is over, and reports each phase of it in a message of its own.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::batch::Connection;
use super::read::{Reader, first_id};
use super::statement::{Row, Statement};
use super::writer::Incoming;
use super::{Store, StoreError};
use crate::model::{DeviceId, MessageId};
use crate::pcd::{AlertKey, AlertReport, Filler};

/// The first message of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOrigin {
    /// Its name in the store. Retention may have taken it out since.
    pub message: MessageId,
    /// Its MSH-10.
    pub control_id: String,
}

impl Store {
    /// The first message of the alert that `device` reported so; none when no accepted message did.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn alert_origin(
        &self,
        device: &DeviceId,
        report: &AlertKey,
    ) -> Result<Option<AlertOrigin>, StoreError> {
        self.0.reader.alert_origin(device, report).await
    }
}

impl Reader {
    async fn alert_origin(
        &self,
        device: &DeviceId,
        report: &AlertKey,
    ) -> Result<Option<AlertOrigin>, StoreError> {
        let statement =
            Statement::new(SELECT_ORIGIN).bind(device.as_str()).bind(digest_of(report).as_slice());
        self.fetch(statement).await?.first().map(origin).transpose()
    }
}

fn origin(row: &Row) -> Result<AlertOrigin, StoreError> {
    let bytes: Vec<u8> = row.get("first_message")?;
    let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("alert_report.first_message"))?;
    Ok(AlertOrigin { message: MessageId::from_bytes(bytes), control_id: row.get("first_control_id")? })
}

/// Notes what an accepted message reports, in the transaction that stores it. A report that came before keeps its origin.
pub(super) async fn remember(
    connection: &mut impl Connection,
    Incoming { record, .. }: &Incoming<'_>,
) -> Result<(), StoreError> {
    if record.verdict.rejection().is_some() {
        return Ok(());
    }
    for report in &record.alerts {
        let (key, filler) = (digest_of(&report.key), digest_of_filler(&report.key.filler));
        // No alert begins under the empty name.
        let continued = report.continues.as_ref().map(digest_of_filler).map_or(Vec::new(), Vec::from);
        let statement = Statement::new(INSERT_REPORT)
            .bind(record.device.as_str())
            .bind(key.as_slice())
            .bind(filler.as_slice())
            .bind(record.id.as_bytes().as_slice())
            .bind(record.control_id.as_str())
            .bind(continued.as_slice());
        connection.execute(statement).await?;
    }
    Ok(())
}

/// Writes nothing, and fails where an alert could not be stored: a server whose owner forgot to grant a table that came
/// with an update would otherwise refuse alerts alone, and seem well.
pub(super) async fn probe(connection: &mut impl Connection) -> Result<(), StoreError> {
    connection.execute(Statement::new(INSERT_NO_REPORT)).await.map(drop)
}

/// Removes reports that no message carries which came at `before` or later: as many as `messages` messages can carry, so
/// that they go as fast as these.
pub(super) async fn forget(
    connection: &mut impl Connection,
    before: Timestamp,
    messages: u32,
) -> Result<u64, StoreError> {
    let limit = u64::from(messages) * AlertReport::MOST as u64;
    connection.execute(Statement::new(DELETE_REPORTS).bind(first_id(before).as_slice()).bind(limit)).await
}

fn digest_of(key: &AlertKey) -> [u8; 32] {
    let Filler { number, assigner } = &key.filler;
    digest(&[number, assigner, &key.phase, &key.time])
}

fn digest_of_filler(Filler { number, assigner }: &Filler) -> [u8; 32] {
    digest(&[number, assigner])
}

/// Of any length, where an index has room for 32 bytes.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

const SELECT_ORIGIN: &str =
    "SELECT first_message, first_control_id FROM alert_report WHERE device = $1 AND report = $2";

/// Numbers come again when a device has reset its counters: what is continued is the alert that came last under the
/// number, and a report that is only sent again does not count as having come last.
const INSERT_REPORT: &str = "
INSERT INTO alert_report (device, report, filler, message, last_message, first_message, first_control_id)
SELECT $1, $2, $3, $4, $4, coalesce(begun.first_message, $4), coalesce(begun.first_control_id, $5)
FROM (SELECT 1 AS one) AS this LEFT JOIN (
    SELECT first_message, first_control_id FROM alert_report
    WHERE device = $1 AND filler = $6 ORDER BY message DESC LIMIT 1
) AS begun ON TRUE
WHERE TRUE
ON CONFLICT (device, report) DO UPDATE SET last_message = CASE
    WHEN excluded.last_message > alert_report.last_message THEN excluded.last_message
    ELSE alert_report.last_message
END";

const INSERT_NO_REPORT: &str = "
INSERT INTO alert_report (device, report, filler, message, last_message, first_message, first_control_id)
SELECT device, report, filler, message, last_message, first_message, first_control_id FROM alert_report WHERE FALSE
ON CONFLICT (device, report) DO UPDATE SET last_message = excluded.last_message";

const DELETE_REPORTS: &str = "
DELETE FROM alert_report WHERE (device, report) IN (
    SELECT device, report FROM alert_report WHERE last_message < $1 ORDER BY last_message LIMIT $2
)";
