//! Queries of how many bytes messages take.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::message::first_id;
use crate::store::records::volume::{HourVolume, MAX_HOURS};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    /// The measured hours from `from` on, in their order; at most [`MAX_HOURS`] of the newest.
    pub(in crate::store) async fn volumes(&self, from: Timestamp) -> Result<Vec<HourVolume>, StoreError> {
        let mut statement = Statement::new(SELECT).bind(from);
        statement.push(" ORDER BY hour DESC LIMIT ").push_bind(u64::from(MAX_HOURS));
        let volume = |row: &Row| -> Result<HourVolume, StoreError> {
            Ok(HourVolume {
                hour: row.time("hour", "message_volume.hour")?,
                accepted: row.count("accepted", "message_volume.accepted")?,
                rejected: row.count("rejected", "message_volume.rejected")?,
                large: row.count("large", "message_volume.large")?,
            })
        };
        let mut volumes =
            self.fetch(statement).await?.iter().map(volume).collect::<Result<Vec<_>, StoreError>>()?;
        volumes.reverse();
        Ok(volumes)
    }

    /// The time of the oldest message.
    pub(in crate::store) async fn oldest_message(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_OLDEST)).await?;
        rows.first().map(|row| message_id(row).map(|id| id.time())).transpose()
    }

    /// The bytes of the messages whose identifiers are of these times: accepted, rejected, large. Reads the
    /// head of each row, and not its content.
    pub(in crate::store) async fn measure(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<[u64; 3], StoreError> {
        let between = |sql| Statement::new(sql).bind(first_id(from).as_slice()).bind(first_id(to).as_slice());
        let all = self.fetch(between(MEASURE)).await?;
        let large = self.fetch(between(MEASURE_LARGE)).await?;
        let sum = |rows: &[Row], column: &str| -> Result<u64, StoreError> {
            rows.first().map_or(Ok(0), |row| row.count(column, "a sum of bytes"))
        };
        Ok([sum(&all, "accepted")?, sum(&all, "rejected")?, sum(&large, "bytes")?])
    }
}

const SELECT: &str = "SELECT hour, accepted, rejected, large FROM message_volume WHERE hour >= $1";

const SELECT_OLDEST: &str = "SELECT id FROM message ORDER BY id LIMIT 1";

/// Of each message the content as it is stored, the acknowledgement, the identities, and 512 bytes for the
/// other columns and the indexes.
const MEASURE: &str = "
SELECT CAST(coalesce(sum(CASE WHEN rejection IS NULL THEN size ELSE 0 END), 0) AS BIGINT) AS accepted,
    CAST(coalesce(sum(CASE WHEN rejection IS NULL THEN 0 ELSE size END), 0) AS BIGINT) AS rejected
FROM (SELECT rejection, octet_length(raw) + octet_length(acknowledgement) + octet_length(identities) + 512 AS size
    FROM message WHERE id >= $1 AND id < $2) AS measured";

/// From the index to the messages: see `MessageKind::source`.
const MEASURE_LARGE: &str = "
SELECT CAST(coalesce(sum(octet_length(raw) + octet_length(acknowledgement) + octet_length(identities) + 512), 0) AS BIGINT)
    AS bytes
FROM message_key AS large CROSS JOIN message WHERE large.hash = 0 AND large.message >= $1 AND large.message < $2
    AND message.id = coalesce(large.message, large.message) AND rejection IS NULL";
