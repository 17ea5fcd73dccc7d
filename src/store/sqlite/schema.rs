//! The schema of the store in a file, and what a migration would do to it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::disk;
use super::failure::read_error;
use super::integrity;
use super::location::Location;
use super::migrator::MIGRATOR;
use crate::store::error::StoreError;
use crate::store::instance::file_lock;
use crate::store::migration::pending::Pending;
use crate::store::migration::plan::{MigrationPlan, Volume};
use crate::store::migration::state::{Applied, Schema};

/// The schema of the store, compared with the one of this program. Writes nothing.
///
/// # Errors
/// When it cannot be read, or a later version has migrated it.
pub(in crate::store) async fn read(location: &Location) -> Result<Schema, StoreError> {
    if location.is_missing()? {
        return Ok(Schema::Empty);
    }
    let mut connection = location.connect_to_read().await?;
    let schema = read_on(&mut connection, location).await;
    let _ = connection.close().await;
    schema
}

async fn read_on(connection: &mut SqliteConnection, location: &Location) -> Result<Schema, StoreError> {
    if !has_table(connection, "_sqlx_migrations").await? {
        // Again within one statement: another process may be creating the store.
        let is_foreign = sqlx::query_scalar(IS_FOREIGN).fetch_one(connection).await.map_err(read_error)?;
        return if is_foreign { Err(StoreError::Foreign(location.url())) } else { Ok(Schema::Empty) };
    }
    let existing = sqlx::query_scalar(SELECT_NAMES).fetch_all(&mut *connection).await.map_err(read_error)?;
    let rows = sqlx::query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(read_error)?;
    let applied = rows.into_iter().map(|row| {
        let checksum: Vec<u8> = row.try_get("checksum").map_err(read_error)?;
        Ok(Applied { version: row.try_get("version").map_err(read_error)?, checksum: checksum.into() })
    });
    let applied = applied.collect::<Result<Vec<_>, StoreError>>()?;
    Schema::compare(&existing, &applied, &MIGRATOR)
}

/// What a migration would do to the store. Writes nothing.
pub(in crate::store) async fn plan(location: &Location) -> Result<MigrationPlan, StoreError> {
    let path = location.path();
    let free = free_space(path);
    if location.is_missing()? {
        location.require_creatable()?;
        return Ok(MigrationPlan {
            free,
            ..MigrationPlan::new(Schema::everything(&MIGRATOR), true, Volume::default())
        });
    }
    let mut connection = location.connect_to_read().await?;
    let planned = async {
        let (pending, creates) = match read_on(&mut connection, location).await? {
            Schema::Empty => (Schema::everything(&MIGRATOR), true),
            Schema::Current => {
                location.risks().observe(integrity::examine_reading(&mut connection).await?);
                location.risks().require_accepted()?;
                (Pending::none(&MIGRATOR), false)
            }
            Schema::Outdated(pending) => (pending, false),
        };
        let plan = MigrationPlan::new(pending, creates, volume(&mut connection, path).await?);
        Ok(MigrationPlan { risks: location.risks().observed(), ..plan })
    };
    let planned = planned.await;
    let _ = connection.close().await;
    let serving = file_lock::current_holder(path).into_iter().collect();
    planned.map(|plan| MigrationPlan { free, serving, ..plan })
}

/// Brings the schema up to date; all of it or nothing.
pub(super) async fn migrate(location: &Location) -> Result<(), StoreError> {
    let mut connection = location.connect().await?;
    // SQLite has no lock for migrations, and another process may be starting now: with the write lock taken
    // first, the second one finds everything done.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(read_error)?;
    match MIGRATOR.run_direct(None, &mut *transaction, false).await {
        Ok(()) => transaction.commit().await.map_err(read_error)?,
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            return Err(read_error(error));
        }
        Err(error) => return Err(StoreError::Schema(Arc::new(error))),
    }
    connection.close().await.map_err(read_error)
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?")
            .bind(name)
            .fetch_one(connection)
            .await
            .map_err(read_error)?;
    Ok(found > 0)
}

async fn volume(connection: &mut SqliteConnection, path: &Path) -> Result<Volume, StoreError> {
    let size = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    Ok(Volume {
        messages: rows(connection, "message").await?,
        audit_rows: rows(connection, "audit").await?,
        bytes: size(path),
    })
}

/// Rows of a table, from the first and the last number of its rows: only the oldest rows are ever removed,
/// and a count would read the whole table.
async fn rows(connection: &mut SqliteConnection, table: &str) -> Result<u64, StoreError> {
    if !has_table(connection, table).await? {
        return Ok(0);
    }
    let span = format!(
        "SELECT coalesce((SELECT max(rowid) FROM {table}) - (SELECT min(rowid) FROM {table}) + 1, 0)"
    );
    let rows: i64 =
        sqlx::query_scalar(AssertSqlSafe(span)).fetch_one(connection).await.map_err(read_error)?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// Bytes that this process may still write on the disk of the file, or of the folder in which it would be.
fn free_space(path: &Path) -> Option<u64> {
    let place = path.ancestors().find(|place| !place.as_os_str().is_empty() && place.exists());
    disk::free(place.unwrap_or(Path::new("."))).ok().map(|disk| disk.free)
}

const SELECT_NAMES: &str = "SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'index')";

/// Whether there is something, and nothing of this program. The tables of SQLite itself do not count.
const IS_FOREIGN: &str = "
SELECT count(*) > 0 AND coalesce(sum(name = '_sqlx_migrations'), 0) = 0
FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
