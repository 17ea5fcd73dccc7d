//! Queries of notifications.

use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::notification::StoredNotification;
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    /// Every notification that is stored, the oldest first; their number is bounded for each receiver.
    pub(in crate::store) async fn notifications(&self) -> Result<Vec<StoredNotification>, StoreError> {
        self.fetch(Statement::new(SELECT_ALL)).await?.iter().map(notification).collect()
    }

    /// The oldest one that waits for a receiver.
    pub(in crate::store) async fn waiting_notification(
        &self,
        node: &str,
        receiver: &str,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let statement = Statement::new(SELECT_WAITING).bind(node).bind(receiver);
        self.fetch(statement).await?.first().map(notification).transpose()
    }

    /// What a receiver has got, as JSON.
    pub(in crate::store) async fn notified(
        &self,
        node: &str,
        receiver: &str,
    ) -> Result<Option<String>, StoreError> {
        let statement = Statement::new("SELECT findings FROM notified WHERE node = $1 AND receiver = $2");
        let rows = self.fetch(statement.bind(node).bind(receiver)).await?;
        rows.first().map(|row| row.get("findings")).transpose()
    }
}

fn notification(row: &Row) -> Result<StoredNotification, StoreError> {
    Ok(StoredNotification {
        id: message_id(row)?,
        node: row.get("node")?,
        receiver: row.get("receiver")?,
        created_at: row.time("created_at", "notification.created_at")?,
        is_dead: row.get::<String>("state")? == "dead",
        attempts: row.count("attempts", "notification.attempts")?,
        error: row.get("error")?,
        body: row.get("body")?,
    })
}

const SELECT_ALL: &str = "
SELECT id, node, receiver, created_at, state, attempts, error, body FROM notification ORDER BY id LIMIT 10000";

const SELECT_WAITING: &str = "
SELECT id, node, receiver, created_at, state, attempts, error, body FROM notification
WHERE node = $1 AND receiver = $2 AND state = 'waiting' ORDER BY id LIMIT 1";
