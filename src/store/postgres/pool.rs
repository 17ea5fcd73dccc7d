//! The pool of connections that read.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::Executor as _;
use sqlx::postgres::{PgPool, PgPoolOptions, Postgres};

use super::failure::classify;
use super::location::{CONNECT_TIMEOUT, Location};
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// A pool of read-only connections, which are opened on demand.
pub(super) fn open(location: &Location) -> PgPool {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|connection, _| Box::pin(async { connection.execute(READ_ONLY).await.map(drop) }))
        .connect_lazy_with(location.options())
}

pub(in crate::store) async fn fetch(pool: &PgPool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    // The server's own timeout is shorter; this one ends if the server is gone without closing the
    // connection.
    let rows = tokio::time::timeout(READ_TIMEOUT, statement.query::<Postgres>().fetch_all(pool));
    let rows = rows.await.map_err(|_| StoreError::Timeout(READ_TIMEOUT))?.map_err(classify)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Passes each row to `take`, for as long as that returns true.
pub(in crate::store) async fn for_each(
    pool: &PgPool,
    statement: Statement,
    take: &mut (impl FnMut(Row) -> Result<bool, StoreError> + Send),
) -> Result<(), StoreError> {
    let reading = async {
        let mut rows = statement.query::<Postgres>().fetch(pool);
        while let Some(row) = rows.try_next().await.map_err(classify)? {
            if !take(Row::Postgres(row))? {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(READ_TIMEOUT, reading).await.map_err(|_| StoreError::Timeout(READ_TIMEOUT))?
}

/// Four concurrent listings, and one connection that listens for changes of the directory.
const MAX_CONNECTIONS: u32 = 4 + 1;

const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// Settings of the read-only connections. Listings are short and read an index in its order, so plans are
/// compared by the number of rows that they read. With the default costs the planner prefers to scan the
/// latest rows, which lie side by side, until the page is full. For a device that fell silent a million
/// messages ago that scan reads everything. It also prefers hash and merge joins where an index lookup per
/// row would stop at a full page, and parallel workers, whose start takes longer than the page.
const READ_ONLY: &str = "
SET default_transaction_read_only = on; SET statement_timeout = '60s';
SET random_page_cost = 0; SET seq_page_cost = 0; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET max_parallel_workers_per_gather = 0";
