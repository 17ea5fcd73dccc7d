//! Opens a store in a SQLite file and migrates its schema.

use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::failure::read_error;
use super::location::Location;
use super::pool;
use super::writer::Writer;
use crate::model::NodeName;
use crate::store::error::StoreError;

/// Opens the store, creates the file if it does not exist, and migrates its schema.
pub(in crate::store) async fn open(
    location: Location,
    node: NodeName,
) -> Result<(Writer, SqlitePool), StoreError> {
    location.create()?;
    let mut connection = SqliteConnection::connect_with(&location.options())
        .await
        .map_err(|error| location.cannot_open(error))?;
    migrate(&mut connection).await?;
    connection.close().await.map_err(read_error)?;
    let pool = pool::open(&location);
    Ok((Writer::open(location, node)?, pool))
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    // SQLite has no lock for migrations, and another process may be starting at the same time: take the write
    // lock first, so that the second process finds every migration applied.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(read_error)?;
    match MIGRATOR.run_direct(None, &mut *transaction, false).await {
        Ok(()) => transaction.commit().await.map_err(read_error),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(read_error(error))
        }
        Err(error) => Err(StoreError::Schema(Arc::new(error))),
    }
}

pub(in crate::store) static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");
