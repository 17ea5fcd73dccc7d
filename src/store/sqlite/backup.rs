//! Copies the store while it is in use.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};

use super::failure::read_error;
use super::location::Location;
use crate::store::error::StoreError;

/// Copies the store into a new file, which only its owner may read, and checks the integrity of the copy.
/// Readers and writers continue; the copy is a consistent snapshot.
pub(in crate::store) async fn backup(location: &Location, to: &Path) -> Result<(), StoreError> {
    let failed = |source: io::Error| StoreError::Backup { path: to.to_owned(), source: Arc::new(source) };
    // SQLite fills an empty file. Created here, the file is never readable by others, not even briefly.
    let file = File::options().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    let copied = match copy(location, to).await {
        Ok(()) => file.sync_all().and_then(|()| sync_folder(to)).map_err(failed),
        Err(error) => Err(error),
    };
    let checked = match copied {
        Ok(()) => check(to).await,
        Err(error) => Err(error),
    };
    if checked.is_err() {
        // Do not leave a partial copy.
        let _ = fs::remove_file(to);
    }
    checked
}

async fn copy(location: &Location, to: &Path) -> Result<(), StoreError> {
    let mut connection = location.connect().await?;
    let path = to.to_str().ok_or(StoreError::Url)?;
    sqlx::query("VACUUM INTO ?").bind(path).execute(&mut connection).await.map_err(read_error)?;
    connection.close().await.map_err(read_error)
}

/// Makes the name of the new file durable.
fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Opens the copy to read it.
pub(in crate::store) fn open(copy: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true);
    SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options)
}

/// Checks the integrity of the copy.
async fn check(copy: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(read_error)?;
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.map_err(read_error)?;
    connection.close().await.map_err(read_error)?;
    if found == ["ok"] { Ok(()) } else { Err(StoreError::unreadable("the copy")) }
}
