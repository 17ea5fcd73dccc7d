//! SQLite: one file, one writing connection, a few reading ones.

mod backup;
mod checkpoint;
mod write;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OpenFlags, ToSql};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::read::{READERS, Reader};
use super::statement::{Row, Statement};
use super::{DatabaseError, StoreError};
use crate::model::NodeName;
pub(super) use backup::backup;
use tracing::log::LevelFilter;
use write::Writer;

/// Where the store is.
#[derive(Debug, Clone)]
pub(super) struct Location {
    path: PathBuf,
    /// The file may not grow beyond so many pages: a disk that is full.
    #[cfg(test)]
    pub(super) max_pages: Option<u32>,
}

impl Location {
    /// Reads `sqlite:PATH`, also in the form `sqlite://PATH`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let path = url.strip_prefix("sqlite:").ok_or(StoreError::Url)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        // A database in memory is no store, and SQLite would take these for one.
        if path.is_empty() || path.starts_with(':') || path.contains(['?', '\0']) {
            return Err(StoreError::Url);
        }
        Ok(Self {
            path: path.into(),
            #[cfg(test)]
            max_pages: None,
        })
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode only FULL synchronises at every commit.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .log_statements(LevelFilter::Trace);
        #[cfg(test)]
        let options = match self.max_pages {
            Some(pages) => options.pragma("max_page_count", pages.to_string()),
            None => options,
        };
        options
    }

    async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        SqliteConnection::connect_with(&self.options()).await.map_err(failure)
    }

    /// The connection that writes; the file has to be there. The same as [`Location::options`].
    pub(super) fn connect_to_write(&self) -> Result<rusqlite::Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags).map_err(written)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(written)?;
        let set = |pragma, value: &dyn ToSql| connection.pragma_update(None, pragma, value).map_err(written);
        set("journal_mode", &"wal")?;
        set("synchronous", &"full")?;
        set("foreign_keys", &true)?;
        set("cache_size", &WRITER_CACHE)?;
        set("wal_autocheckpoint", &MOST_PAGES)?;
        #[cfg(test)]
        if let Some(pages) = self.max_pages {
            set("max_page_count", &pages)?;
        }
        connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS);
        Ok(connection)
    }

    /// Messages are about patients: the file, and what SQLite puts beside it, is for the owner only.
    fn create(&self) -> Result<(), StoreError> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| self.cannot_open(error.into()))?;
        }
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(self.cannot_open(error.into())),
        }
    }

    fn cannot_open(&self, source: sqlx::Error) -> StoreError {
        StoreError::Open { path: self.path.clone(), source: Arc::new(source.into()) }
    }
}

/// Opens the store and brings its schema up to date.
pub(super) async fn open(location: Location, node: NodeName) -> Result<(Writer, Reader), StoreError> {
    location.create()?;
    let mut connection = SqliteConnection::connect_with(&location.options())
        .await
        .map_err(|error| location.cannot_open(error))?;
    migrate(&mut connection).await?;
    connection.close().await.map_err(failure)?;
    let options = location.options().pragma("query_only", "ON");
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(options);
    Ok((Writer::open(location, node)?, Reader::Sqlite(pool)))
}

pub(super) async fn fetch(pool: &SqlitePool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    let rows = statement.query::<Sqlite>().fetch_all(pool).await.map_err(failure)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    // SQLite has no lock for migrations, and another process may be starting now: take the write lock first, so that
    // the second one finds everything done.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    match MIGRATOR.run_direct(None, &mut *transaction, false).await {
        Ok(()) => transaction.commit().await.map_err(failure),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(failure(error)),
        Err(error) => Err(StoreError::Schema(Arc::new(error))),
    }
}

/// What a failure of the database means to the caller.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
    let unreadable = matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
    meaning(code, unreadable, error.into())
}

/// The same of the connection that writes.
fn written(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    let code = error.sqlite_error().map(|error| error.extended_code);
    let unreadable =
        matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..));
    meaning(code, unreadable, error.into())
}

fn meaning(code: Option<i32>, unreadable: bool, error: DatabaseError) -> StoreError {
    // The low byte is the primary result code, https://www.sqlite.org/rescode.html
    match code.map(|code| code & 0xff) {
        Some(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH) => StoreError::Refused(Arc::new(error)),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            StoreError::Corrupt { place: "the database file", source: Some(Arc::new(error)) }
        }
        _ if unreadable => StoreError::Corrupt { place: "a row", source: Some(Arc::new(error)) },
        _ => StoreError::Unavailable(Arc::new(error)),
    }
}

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a connection waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the writer keeps in memory, in KiB and negative, as SQLite wants it: the upper pages of all indexes.
const WRITER_CACHE: i64 = -16 * 1024;

/// So many pages of the write-ahead log, 32 MiB, and the writer moves the rest of them into the file itself: then it can
/// begin the log anew.
const MOST_PAGES: i64 = 8000;

/// How many statements of the writer stay prepared: more than it has.
const WRITER_STATEMENTS: usize = 64;

const SQLITE_CORRUPT: i32 = 11;
const SQLITE_TOOBIG: i32 = 18;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_MISMATCH: i32 = 20;
const SQLITE_NOTADB: i32 = 26;
