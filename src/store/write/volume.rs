//! Records how many bytes the messages of each hour take.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::records::volume::HourVolume;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Records measured hours, and forgets those before `forget`, whose messages are removed.
pub(in crate::store) async fn record(
    connection: &mut impl Connection,
    measured: &[HourVolume],
    forget: Timestamp,
) -> Result<(), StoreError> {
    for HourVolume { hour, accepted, rejected, large } in measured {
        let upsert = Statement::new(UPSERT).bind(*hour).bind(*accepted).bind(*rejected).bind(*large);
        connection.execute(upsert).await?;
    }
    connection.execute(Statement::new(DELETE).bind(forget)).await.map(drop)
}

/// Two nodes may measure an hour at the same time: the later one has seen what the earlier one has.
const UPSERT: &str = "
INSERT INTO message_volume (hour, accepted, rejected, large) VALUES ($1, $2, $3, $4)
ON CONFLICT (hour) DO UPDATE SET
    accepted = excluded.accepted, rejected = excluded.rejected, large = excluded.large";

const DELETE: &str = "DELETE FROM message_volume WHERE hour < $1";
