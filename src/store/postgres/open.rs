//! Opens a store on a PostgreSQL server and migrates its schema.

use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgPool};

use super::failure::classify;
use super::location::Location;
use super::pool;
use super::writer::Writer;
use crate::model::NodeName;
use crate::store::error::StoreError;

/// Connects to the server and migrates the schema of the store.
pub(in crate::store) async fn open(
    location: Location,
    node: NodeName,
) -> Result<(Writer, PgPool), StoreError> {
    let mut connection = location.connect().await?;
    migrate(&mut connection).await?;
    let _ = connection.close().await;
    let connection = location.connect_to_write().await?;
    let pool = pool::open(&location);
    Ok((Writer::new(location, node, connection), pool))
}

/// Applies the missing migrations. If there are none it writes nothing, so that a role without the right to
/// create tables can serve. Several nodes may start at the same time: sqlx takes an advisory lock.
async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    if is_up_to_date(connection).await? {
        return Ok(());
    }
    MIGRATOR.run_direct(None, connection, false).await.map_err(migration_failure)
}

fn migration_failure(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => classify(error),
        error => StoreError::Schema(Arc::new(error)),
    }
}

async fn is_up_to_date(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(classify)?;
    if table.is_none() {
        return Ok(false);
    }
    let applied = connection.list_applied_migrations("_sqlx_migrations").await.map_err(migration_failure)?;
    let applied = applied.iter().map(|done| (done.version, &done.checksum));
    Ok(applied.eq(MIGRATOR.iter().map(|migration| (migration.version, &migration.checksum))))
}

pub(in crate::store) static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");
