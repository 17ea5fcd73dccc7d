//! Writes notifications. The same on both databases.

use crate::store::error::StoreError;
use crate::store::records::notification::{NotificationChange, StoredNotification};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Applies the change; how many notifications it concerned.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    change: &NotificationChange,
) -> Result<u64, StoreError> {
    match change {
        NotificationChange::Keep(notification) => {
            let StoredNotification { id, node, receiver, created_at, is_dead, attempts, error, body } =
                &**notification;
            let statement = Statement::new(UPSERT)
                .bind(id.as_bytes().as_slice())
                .bind(node.as_str())
                .bind(receiver.as_str())
                .bind(*created_at)
                .bind(if *is_dead { "dead" } else { "waiting" })
                .bind(*attempts)
                .bind(error.as_str())
                .bind(body.as_str());
            let rows = connection.execute(statement).await?;
            if *is_dead {
                let oldest = Statement::new(DELETE_OLDEST_DEAD).bind(node.as_str()).bind(receiver.as_str());
                connection.execute(oldest.bind(MAX_DEAD)).await?;
            }
            Ok(rows)
        }
        NotificationChange::Delivered(id) => {
            let statement = Statement::new("DELETE FROM notification WHERE id = $1");
            connection.execute(statement.bind(id.as_bytes().as_slice())).await
        }
        NotificationChange::Retry(id) => {
            let mut statement = Statement::new(REVIVE);
            if let Some(id) = id {
                statement.push(" AND id = ").push_bind(id.as_bytes().as_slice());
            }
            connection.execute(statement).await
        }
        NotificationChange::Reported { node, receiver, findings } => {
            let statement = Statement::new(UPSERT_REPORTED).bind(node.as_str()).bind(receiver.as_str());
            connection.execute(statement.bind(findings.as_str())).await
        }
    }
}

/// Those of one receiver that are kept after they were given up.
const MAX_DEAD: u32 = 100;

const UPSERT: &str = "
INSERT INTO notification (id, node, receiver, created_at, state, attempts, error, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, error = excluded.error";

const DELETE_OLDEST_DEAD: &str = "
DELETE FROM notification WHERE state = 'dead' AND node = $1 AND receiver = $2 AND id NOT IN (
    SELECT id FROM notification WHERE state = 'dead' AND node = $1 AND receiver = $2 ORDER BY id DESC LIMIT $3
)";

const REVIVE: &str = "UPDATE notification SET state = 'waiting', attempts = 0 WHERE state = 'dead'";

const UPSERT_REPORTED: &str = "
INSERT INTO notified (node, receiver, findings) VALUES ($1, $2, $3)
ON CONFLICT (node, receiver) DO UPDATE SET findings = excluded.findings";
