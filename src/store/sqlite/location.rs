//! The path of the SQLite file, and the connections to it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OpenFlags, ToSql};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tracing::log::LevelFilter;

use super::failure::{is_malformed, is_not_database, write_error};
use super::temporary;
use crate::filesystem::{create_folder, open_or_create};
use crate::model::StoreUrl;
use crate::store::access;
use crate::store::error::StoreError;
use crate::store::server::risks::ObservedRisks;

/// The path of the SQLite file.
#[derive(Debug, Clone)]
pub(in crate::store) struct Location {
    path: PathBuf,
    risks: ObservedRisks,
    /// The maximum number of pages of the file, to simulate a full disk.
    #[cfg(test)]
    pub(in crate::store) max_pages: Option<u32>,
}

impl Location {
    /// Parses `sqlite:PATH` or `sqlite://PATH`.
    pub(in crate::store) fn parse(url: &StoreUrl) -> Result<Self, StoreError> {
        let path = url.secret().strip_prefix("sqlite:").ok_or(StoreError::Url)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        // SQLite takes these for a database in memory, which is not durable.
        if path.is_empty() || path.starts_with(':') || path.contains(['?', '\0']) {
            return Err(StoreError::Url);
        }
        Ok(Self {
            path: path.into(),
            risks: ObservedRisks::new(url.accepted_risks()),
            #[cfg(test)]
            max_pages: None,
        })
    }

    /// Of a connection that finds the journal mode as it is: the file may be another program's.
    pub(super) fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT)
            // In WAL mode only FULL synchronises at every commit.
            .synchronous(SqliteSynchronous::Full)
            // The migrations have none. Those of other tables in the file would run their triggers when the
            // platform removes a row.
            .foreign_keys(false)
            .log_statements(LevelFilter::Trace)
            // A slow disk or server would fill the log with them.
            .log_slow_statements(LevelFilter::Debug, SLOW_STATEMENT);
        let options = match temporary::setting(&self.path) {
            Some((pragma, value)) => options.pragma(pragma, format!("'{}'", value.replace('\'', "''"))),
            None => options,
        };
        #[cfg(test)]
        let options = match self.max_pages {
            Some(pages) => options.pragma("max_page_count", pages.to_string()),
            None => options,
        };
        options
    }

    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// The risks of the file, as observed by the writer of this location and its clones.
    pub(in crate::store) fn risks(&self) -> &ObservedRisks {
        &self.risks
    }

    pub(in crate::store) fn url(&self) -> StoreUrl {
        StoreUrl::new(format!("sqlite:{}", self.path.display()))
    }

    /// A connection that may write; the file has to be there.
    pub(super) async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        self.require_access()?;
        let options = self.options().journal_mode(SqliteJournalMode::Wal);
        SqliteConnection::connect_with(&options).await.map_err(|error| self.cannot_open(error))
    }

    /// A connection that writes nothing; the file has to be there.
    pub(super) async fn connect_to_read(&self) -> Result<SqliteConnection, StoreError> {
        self.require_access()?;
        let options = self.options().pragma("query_only", "ON");
        SqliteConnection::connect_with(&options).await.map_err(|error| self.cannot_open(error))
    }

    /// Whether there is no file, or an empty one, which SQLite takes for a new database.
    pub(in crate::store) fn is_missing(&self) -> Result<bool, StoreError> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(metadata.len() == 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => {
                self.require_access()?;
                Err(self.cannot_open(error.into()))
            }
        }
    }

    /// Names the nearest folder in which this process would have to create the file, or a folder, and may
    /// not.
    pub(super) fn require_creatable(&self) -> Result<(), StoreError> {
        access::cannot_create(&self.path).map_or(Ok(()), |problem| Err(StoreError::Access(problem)))
    }

    /// Names the file, or the folder, that this process may not use; refuses a file of several names.
    pub(in crate::store) fn require_access(&self) -> Result<(), StoreError> {
        let names = fs::metadata(&self.path).map_or(1, |metadata| metadata.nlink());
        if names > 1 {
            return Err(StoreError::HardLinked { path: self.path.clone(), names });
        }
        access::problem(&self.path).map_or(Ok(()), |problem| Err(StoreError::Access(problem)))
    }

    /// Opens the writer's connection, with the settings of [`Location::options`]. The file must exist.
    pub(in crate::store) fn connect_to_write(&self) -> Result<rusqlite::Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags).map_err(write_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(write_error)?;
        let set =
            |pragma, value: &dyn ToSql| connection.pragma_update(None, pragma, value).map_err(write_error);
        set("journal_mode", &"wal")?;
        set("synchronous", &"full")?;
        set("foreign_keys", &false)?;
        set("cache_size", &WRITER_CACHE)?;
        set("wal_autocheckpoint", &MAX_WAL_PAGES)?;
        if let Some((pragma, value)) = temporary::setting(&self.path) {
            set(pragma, &value)?;
        }
        #[cfg(test)]
        if let Some(pages) = self.max_pages {
            set("max_page_count", &pages)?;
        }
        connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS);
        Ok(connection)
    }

    /// Opens a connection that reads back what the writer's has written.
    pub(super) fn connect_to_read_back(&self) -> Result<rusqlite::Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags).map_err(write_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(write_error)?;
        connection.pragma_update(None, "query_only", true).map_err(write_error)?;
        Ok(connection)
    }

    /// Creates the directory of the file if it does not exist; only its owner may read it.
    pub(super) fn create_folder(&self) -> Result<(), StoreError> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_folder(folder, 0o700).map_err(|error| self.cannot_open(error.into()))?;
        }
        Ok(())
    }

    /// Creates the file and its directory if they do not exist. Messages contain patient data: only the owner
    /// may read the file. SQLite gives its WAL and shared-memory files the same mode.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        self.create_folder()?;
        open_or_create(&self.path, fs::OpenOptions::new().write(true).mode(0o600))
            .map_err(|error| self.cannot_open(error.into()))?;
        Ok(())
    }

    pub(super) fn cannot_open(&self, source: sqlx::Error) -> StoreError {
        let path = self.path.clone();
        if is_not_database(&source) {
            return StoreError::NotDatabase { path, source: Arc::new(source.into()) };
        }
        if is_malformed(&source.to_string()) {
            return StoreError::Malformed(Arc::new(source.into()));
        }
        StoreError::Open { path, source: Arc::new(source.into()) }
    }
}

/// How long a connection waits for the write lock of another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The page cache of the writer: the upper pages of all indexes. SQLite takes a size in KiB as a negative
/// number.
const WRITER_CACHE: i64 = -16 * 1024;

/// Pages of the write-ahead log (32 MiB) at which the writer checkpoints by itself, so that the log can
/// restart.
const MAX_WAL_PAGES: i64 = 8000;

/// The writer's prepared statements that are cached: more than it has.
const WRITER_STATEMENTS: usize = 64;
/// A statement that took so long is one for who looks for the cause (`log.level = "debug"`).
const SLOW_STATEMENT: Duration = Duration::from_secs(1);
