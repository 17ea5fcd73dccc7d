//! The pool of connections that read.

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{Sqlite, SqlitePool, SqlitePoolOptions};
use tracing::log::LevelFilter;

use super::failure::read_error;
use super::location::{BUSY_TIMEOUT, Location};
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// A pool of read-only connections, which are opened on demand.
pub(super) fn open(location: &Location) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        // What waits for a slow store fills no log.
        .acquire_slow_level(LevelFilter::Debug)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(location.options().pragma("query_only", "ON"))
}

pub(in crate::store) async fn fetch(pool: &SqlitePool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    let rows = statement.query::<Sqlite>().fetch_all(pool).await.map_err(read_error)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

/// Passes each row to `take`, for as long as that returns true.
pub(in crate::store) async fn for_each(
    pool: &SqlitePool,
    statement: Statement,
    take: &mut (impl FnMut(Row) -> Result<bool, StoreError> + Send),
) -> Result<(), StoreError> {
    let mut rows = statement.query::<Sqlite>().fetch(pool);
    while let Some(row) = rows.try_next().await.map_err(read_error)? {
        if !take(Row::Sqlite(row))? {
            break;
        }
    }
    Ok(())
}

/// The number of concurrent listings.
const MAX_CONNECTIONS: u32 = 4;
