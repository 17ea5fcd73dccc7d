//! PostgreSQL: a server that several nodes share. Each has one connection that writes, a few that read, and one that
//! listens for changes of the device directory.

mod failure;
mod listen;
mod location;
mod one_way;
mod rows;
mod write;

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::StoreError;
use super::read::{READERS, Reader};
use super::statement::{Row, Statement};
use crate::model::NodeName;
pub(super) use failure::failure;
pub(super) use listen::Listener;
pub(super) use location::Location;
use write::Writer;

/// Opens the store and brings its schema up to date.
pub(super) async fn open(location: Location, node: NodeName) -> Result<(Writer, Reader), StoreError> {
    let mut connection = location.connect().await?;
    migrate(&mut connection).await?;
    let _ = connection.close().await;
    let connection = location.connect_to_write().await?;
    let pool = PgPoolOptions::new()
        // One of them listens.
        .max_connections(READERS + 1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|connection, _| Box::pin(async { connection.execute(READ_ONLY).await.map(drop) }))
        .connect_lazy_with(location.options());
    Ok((Writer::new(location, node, connection), Reader::Postgres(pool)))
}

pub(super) async fn fetch(pool: &PgPool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    // The server gives up before, unless it is not there any more and nobody has said so.
    let rows = tokio::time::timeout(READ_TIMEOUT, statement.query::<Postgres>().fetch_all(pool));
    let rows = rows.await.map_err(|_| StoreError::Timeout(READ_TIMEOUT))?.map_err(failure)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Brings the schema up to date, if that is not done: a role that may not make tables can serve then. Several nodes may
/// start at once; the library takes an advisory lock.
async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    if is_up_to_date(connection).await? {
        return Ok(());
    }
    MIGRATOR.run_direct(None, connection, false).await.map_err(migration_failure)
}

fn migration_failure(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failure(error),
        error => StoreError::Schema(Arc::new(error)),
    }
}

async fn is_up_to_date(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(failure)?;
    if table.is_none() {
        return Ok(false);
    }
    let applied = connection.list_applied_migrations("_sqlx_migrations").await.map_err(migration_failure)?;
    let applied = applied.iter().map(|done| (done.version, &done.checksum));
    Ok(applied.eq(MIGRATOR.iter().map(|migration| (migration.version, &migration.checksum))))
}

/// What a connection of ours is told before its first use. A statement or a lock that takes too long ends on the server as
/// well, so that a node that lost its connection, or froze, does not hold up the others.
async fn prepare(connection: &mut PgConnection, settings: &'static str) -> Result<(), StoreError> {
    connection.execute(AssertSqlSafe(settings)).await.map(drop).map_err(failure)
}

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

/// How long it may take to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
