//! Which message reported an alert first. PCD-05 tells a device what has become of its alert, and names the alert in MSA-2 by
//! the MSH-10 of its *first* message (IHE PCD TF vol. 2, 3.5), while the device sends an alert again under a new MSH-10
//! when an outage is over, and reports each phase of it in a message of its own.

use jiff::Timestamp;

use crate::pcd::AlertReport;
use crate::store::error::StoreError;
use crate::store::records::alert::{filler_digest, report_digest};
use crate::store::records::message::first_id;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;

/// Notes what an accepted message reports, in the transaction that stores it. A report that came before keeps its origin.
pub(in crate::store) async fn remember(
    connection: &mut impl Connection,
    IncomingMessage { record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    if record.verdict.rejection().is_some() {
        return Ok(());
    }
    for report in &record.alerts {
        let (key, filler) = (report_digest(&report.key), filler_digest(&report.key.filler));
        // No alert begins under the empty name.
        let continued = report.continues.as_ref().map(filler_digest).map_or(Vec::new(), Vec::from);
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
pub(in crate::store) async fn probe(connection: &mut impl Connection) -> Result<(), StoreError> {
    connection.execute(Statement::new(INSERT_NO_REPORT)).await.map(drop)
}

/// Removes reports that no message carries which came at `before` or later: as many as `messages` messages can carry, so
/// that they go as fast as these.
pub(in crate::store) async fn forget(
    connection: &mut impl Connection,
    before: Timestamp,
    messages: u32,
) -> Result<u64, StoreError> {
    let limit = u64::from(messages) * AlertReport::MAX_PER_MESSAGE as u64;
    connection.execute(Statement::new(DELETE_REPORTS).bind(first_id(before).as_slice()).bind(limit)).await
}

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
