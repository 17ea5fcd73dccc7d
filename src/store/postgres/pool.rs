//! The connections that read.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgPool, PgPoolOptions, Postgres};

use super::failure::failure;
use super::location::{CONNECT_TIMEOUT, Location};
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// Connections that cannot write; they are made when they are needed.
pub(super) fn open(location: &Location) -> PgPool {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|connection, _| Box::pin(async { connection.execute(READ_ONLY).await.map(drop) }))
        .connect_lazy_with(location.options())
}

pub(in crate::store) async fn fetch(pool: &PgPool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    // The server gives up before, unless it is not there any more and nobody has said so.
    let rows = tokio::time::timeout(READ_TIMEOUT, statement.query::<Postgres>().fetch_all(pool));
    let rows = rows.await.map_err(|_| StoreError::Timeout(READ_TIMEOUT))?.map_err(failure)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// How many listings can run at once, and one that listens for changes of the directory.
const MAX_CONNECTIONS: u32 = 4 + 1;

const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// Lists are short, and read from an index in its order: plans are compared by the rows that they look at. Otherwise the
/// planner thinks it cheaper to go through what came last, where rows lie side by side, until a page is full: of a device
/// that has gone silent after a million messages there is none, and it reads everything. So it does to join what it has read
/// with an index, where each row of the index could be looked up until the page is full. And where it expects to look
/// at many rows it calls workers, whose start takes longer than the page.
const READ_ONLY: &str = "
SET default_transaction_read_only = on; SET statement_timeout = '60s';
SET random_page_cost = 0; SET seq_page_cost = 0; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET max_parallel_workers_per_gather = 0";
