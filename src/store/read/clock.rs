//! Queries about times: of the clock, and of the oldest and the newest rows.

use jiff::Timestamp;

use crate::audit::MessageKind;
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::clock::ConfirmedClock;
use crate::store::records::message::first_id;
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    /// `None` in a store that has not been served yet.
    pub(in crate::store) async fn confirmed_clock(&self) -> Result<Option<ConfirmedClock>, StoreError> {
        let statement = match self {
            Self::Sqlite(_) => Statement::new(SELECT_CLOCK),
            Self::Postgres(_) => Statement::new(SELECT_CLOCK_OF_SERVER),
        };
        let read = |row: &Row| {
            let server_now: i64 = row.get("server_now")?;
            Ok(ConfirmedClock {
                at: row.time("at", "confirmed_clock.at")?,
                release_before: row.time("release_before", "confirmed_clock.release_before")?,
                server_now: Timestamp::from_microsecond(server_now).ok().filter(|_| server_now != 0),
            })
        };
        self.fetch(statement).await?.first().map(read).transpose()
    }

    /// The last identifier of a message or an order, in the order of identifiers.
    pub(in crate::store) async fn newest_id(&self) -> Result<Option<MessageId>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_NEWEST)).await?;
        let ids: Vec<MessageId> = rows.iter().map(message_id).collect::<Result<_, _>>()?;
        Ok(ids.into_iter().max())
    }

    /// The age of the oldest message of this kind, or settled order, that was received, or settled, before
    /// this time.
    pub(in crate::store) async fn oldest_before(
        &self,
        kind: MessageKind,
        before: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (source, id) = kind.source();
        let mut messages = Statement::new("SELECT id").bind(first_id(before).as_slice()).bind(before);
        messages.push(source).push(" ORDER BY ").push(id).push(" LIMIT 1");
        let message = self.fetch(messages).await?;
        let message = message.first().map(|row| message_id(row).map(|id| id.time())).transpose()?;
        if !kind.has_orders() {
            return Ok(message);
        }
        let orders = self.fetch(Statement::new(SELECT_OLDEST_ORDER).bind(before)).await?;
        let order = orders.first().map(|row| row.time("settled_at", "outbox.settled_at")).transpose()?;
        Ok([message, order].into_iter().flatten().min())
    }
}

const SELECT_CLOCK: &str = "SELECT at, release_before, 0 AS server_now FROM confirmed_clock";

const SELECT_CLOCK_OF_SERVER: &str = "
SELECT at, release_before, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AS server_now
FROM confirmed_clock";

const SELECT_NEWEST: &str = "
SELECT id FROM (SELECT id FROM message ORDER BY id DESC LIMIT 1) AS newest_message
UNION ALL SELECT id FROM (SELECT id FROM outbox ORDER BY id DESC LIMIT 1) AS newest_order";

const SELECT_OLDEST_ORDER: &str = "
SELECT settled_at FROM outbox WHERE outcome IS NOT NULL AND settled_at < $1 ORDER BY settled_at LIMIT 1";
