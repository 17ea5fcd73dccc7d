//! Records which message reported an alert first. A PCD-05 informs the device of the outcome of its alert and
//! refers to the alert in MSA-2 by the MSH-10 of its *first* message (IHE PCD TF vol. 2, 3.5). The device,
//! however, resends an alert under a new MSH-10 after an outage, and reports each phase of the alert in a
//! message of its own.

use jiff::Timestamp;

use crate::pcd::{AlertReport, Filler};
use crate::store::error::StoreError;
use crate::store::records::alert::{
    continued_digest, filler_digest, former_filler_digest, latest_digest, report_digest,
};
use crate::store::records::message::first_id;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;

/// Records the alert reports of an accepted message, in the transaction that stores it. A report that is
/// already known keeps its origin.
pub(in crate::store) async fn record_reports(
    connection: &mut impl Connection,
    IncomingMessage { record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    if record.verdict.rejection().is_some() {
        return Ok(());
    }
    for report in &record.alerts {
        let device = report.device.as_slice();
        let statement = |sql: &str, key: [u8; 32], filler: &Filler| {
            // Without a previous alert: the empty key, which no alert has.
            let [continued, unnamed, former, latest] =
                report.continues.as_ref().map_or_else(Default::default, |filler| {
                    let digests = [filler_digest(filler, device), filler_digest(filler, b"")];
                    let [continued, unnamed] = digests.map(|digest| digest.to_vec());
                    let latest = if device.is_empty() { latest_digest(filler).to_vec() } else { Vec::new() };
                    [continued, unnamed, former_filler_digest(filler).to_vec(), latest]
                });
            Statement::new(sql)
                .bind(record.device.as_str())
                .bind(key.as_slice())
                .bind(filler_digest(filler, device).as_slice())
                .bind(record.id.as_bytes().as_slice())
                .bind(record.control_id.as_str())
                .bind(continued.as_slice())
                .bind(former.as_slice())
                .bind(unnamed.as_slice())
                .bind(latest.as_slice())
        };
        if let Some(alert) = report.continues.as_ref().filter(|alert| **alert != report.key.filler) {
            connection.execute(statement(UPSERT_ALERT, continued_digest(alert, device), alert)).await?;
        }
        let (key, filler) = (report_digest(&report.key), &report.key.filler);
        connection.execute(statement(INSERT_REPORT, key, filler)).await?;
        if !device.is_empty() {
            let latest = Statement::new(UPSERT_LATEST)
                .bind(record.device.as_str())
                .bind(latest_digest(filler).as_slice())
                .bind(key.as_slice())
                .bind(record.id.as_bytes().as_slice());
            connection.execute(latest).await?;
        }
    }
    Ok(())
}

/// Deletes reports of which no message was received at `before` or later, and that are older than every
/// message in the store. Deletes at most as many as
/// `messages` messages can carry, so that reports are deleted as fast as messages.
pub(in crate::store) async fn delete_reports(
    connection: &mut impl Connection,
    before: Timestamp,
    messages: u32,
) -> Result<u64, StoreError> {
    let limit = u64::from(messages) * AlertReport::MAX_PER_MESSAGE as u64 * ROWS_PER_REPORT;
    connection.execute(Statement::new(DELETE_REPORTS).bind(first_id(before).as_slice()).bind(limit)).await
}

/// A device that resets its counters uses numbers again. A report therefore continues the alert that was
/// first reported last under the number; a resent report does not count.
///
/// Of two devices behind a gateway with the same numbers, each continues its own alerts: $6 is the number
/// that the report continues, with the device. $8 is the number alone, of a beginning that names no device,
/// and $7 the number as earlier versions stored it. A report that names no device continues the latest alert
/// with the number, of whichever device ($9).
const INSERT_REPORT: &str = "
INSERT INTO alert_report (device, report, filler, message, last_message, first_message, first_control_id)
SELECT $1, $2, $3, $4, $4,
    coalesce(begun.first_message, unnamed.first_message, former.first_message, $4),
    coalesce(begun.first_control_id, unnamed.first_control_id, former.first_control_id, $5)
FROM (SELECT 1 AS one) AS this LEFT JOIN (
    SELECT * FROM (
        SELECT message, first_message, first_control_id FROM alert_report
        WHERE device = $1 AND filler = $6 ORDER BY message DESC LIMIT 1
    ) AS own UNION ALL SELECT * FROM (
        SELECT message, first_message, first_control_id FROM alert_report
        WHERE device = $1 AND filler = $9 ORDER BY message DESC LIMIT 1
    ) AS latest ORDER BY message DESC LIMIT 1
) AS begun ON TRUE LEFT JOIN (
    SELECT first_message, first_control_id FROM alert_report
    WHERE device = $1 AND filler = $8 ORDER BY message DESC LIMIT 1
) AS unnamed ON TRUE LEFT JOIN (
    SELECT first_message, first_control_id FROM alert_report
    WHERE device = $1 AND filler = $7 ORDER BY message DESC LIMIT 1
) AS former ON TRUE
WHERE TRUE
ON CONFLICT (device, report) DO UPDATE SET last_message = CASE
    WHEN excluded.last_message > alert_report.last_message THEN excluded.last_message
    ELSE alert_report.last_message
END";

/// The row of the latest alert with the number of a report, for reports that name no device. A report that is
/// sent again changes nothing.
const UPSERT_LATEST: &str = "
INSERT INTO alert_report (device, report, filler, message, last_message, first_message, first_control_id)
SELECT $1, $2, $2, message, $4, first_message, first_control_id
FROM alert_report WHERE device = $1 AND report = $3
ON CONFLICT (device, report) DO UPDATE SET message = excluded.message,
    last_message = excluded.last_message, first_message = excluded.first_message,
    first_control_id = excluded.first_control_id
WHERE excluded.message > alert_report.message";

/// The alert that a report with another number continues has a row of its own: if its onset was not received,
/// the number that the report names becomes the alert's (B.7, OBR-29), and all later reports that name it
/// belong to one alert. The row lives as long as such reports come, also when the onset is deleted.
const UPSERT_ALERT: &str = "
INSERT INTO alert_report (device, report, filler, message, last_message, first_message, first_control_id)
SELECT $1, $2, $3, coalesce(begun.message, $4), $4,
    coalesce(begun.first_message, unnamed.first_message, former.first_message, $4),
    coalesce(begun.first_control_id, unnamed.first_control_id, former.first_control_id, $5)
FROM (SELECT 1 AS one) AS this LEFT JOIN (
    SELECT * FROM (
        SELECT message, first_message, first_control_id FROM alert_report
        WHERE device = $1 AND filler = $6 ORDER BY message DESC LIMIT 1
    ) AS own UNION ALL SELECT * FROM (
        SELECT message, first_message, first_control_id FROM alert_report
        WHERE device = $1 AND filler = $9 ORDER BY message DESC LIMIT 1
    ) AS latest ORDER BY message DESC LIMIT 1
) AS begun ON TRUE LEFT JOIN (
    SELECT first_message, first_control_id FROM alert_report
    WHERE device = $1 AND filler = $8 ORDER BY message DESC LIMIT 1
) AS unnamed ON TRUE LEFT JOIN (
    SELECT first_message, first_control_id FROM alert_report
    WHERE device = $1 AND filler = $7 ORDER BY message DESC LIMIT 1
) AS former ON TRUE
WHERE TRUE
ON CONFLICT (device, report) DO UPDATE SET message = excluded.message,
    last_message = excluded.last_message, first_message = excluded.first_message,
    first_control_id = excluded.first_control_id";

const DELETE_REPORTS: &str = "
DELETE FROM alert_report WHERE (device, report) IN (
    SELECT device, report FROM alert_report
    WHERE last_message < $1 AND last_message < coalesce((SELECT id FROM message ORDER BY id LIMIT 1), $1)
    ORDER BY last_message LIMIT $2
)";

/// [`INSERT_REPORT`], [`UPSERT_ALERT`] and [`UPSERT_LATEST`].
const ROWS_PER_REPORT: u64 = 3;
