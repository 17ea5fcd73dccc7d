//! What operators see of a server.

use jiff::SignedDuration;
use sqlx::Connection as _;

use super::failure::classify;
use super::location::Location;
use super::schema::has_table;
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::server::report::{NodeClock, ServerReport};

/// Connects, and reports the server and the nodes of its store.
pub(in crate::store) async fn examine(location: &Location) -> Result<ServerReport, StoreError> {
    let mut connection = location.connect().await?;
    let mut nodes = Vec::new();
    if has_table(&mut connection, "node_lease").await? {
        let rows = sqlx::query(SELECT_NODES).fetch_all(&mut connection).await.map_err(classify)?;
        nodes = rows.into_iter().map(|row| node_clock(&Row::Postgres(row))).collect::<Result<_, _>>()?;
    }
    let _ = connection.close().await;
    Ok(report(location, nodes))
}

/// What this process has observed.
pub(in crate::store) fn report(location: &Location, nodes: Vec<NodeClock>) -> ServerReport {
    ServerReport {
        server: location.server(),
        risks: location.risks().observed(),
        accepted: location.risks().accepted(),
        clock: location.clock().difference(),
        nodes,
    }
}

/// One row of [`SELECT_NODES`].
pub(in crate::store) fn node_clock(row: &Row) -> Result<NodeClock, StoreError> {
    let ahead: Option<i64> = row.get("clock_ahead")?;
    Ok(NodeClock {
        node: row.parsed("node", "node_lease.node")?,
        host: row.get("host")?,
        ahead: ahead.map(SignedDuration::from_micros),
    })
}

/// The processes that hold a lease now. A store that is not migrated yet has no clocks.
pub(in crate::store) const SELECT_NODES: &str = "
SELECT node, host, (to_jsonb(lease) ->> 'clock_ahead')::bigint AS clock_ahead FROM node_lease AS lease
WHERE renewed_at > (extract(epoch FROM clock_timestamp() - interval '10 seconds') * 1000000)::bigint
ORDER BY node";
