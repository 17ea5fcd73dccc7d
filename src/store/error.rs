//! What can go wrong with the store, by what the caller does about it.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::MigrateError;

use crate::audit::SignError;
use crate::model::{DeviceId, StoreUrl};

/// Why the store did not do what was asked.
///
/// Cheap to clone: when a commit fails, everybody who waited for it is told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The configuration is wrong.
    #[error(
        "the store's URL has to be sqlite:PATH with the path of a file, or postgres://USER@HOST/DATABASE with no other \
         parameters than sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, port, user, password and dbname"
    )]
    Url,
    /// The file with the password is wrong.
    #[error("cannot use the store's password in {}: it has to be there, for its owner only", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// There is no store at that place, and none can be made.
    #[error("cannot open the store {}: check that its directory exists and may be written", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Arc<DatabaseError>,
    },
    /// There is no server at that place, or it does not let us in.
    #[error(
        "cannot connect to the store {place}: check that the server runs and can be reached, that role and database exist, \
         and the password"
    )]
    Connect {
        /// The server and the database.
        place: StoreUrl,
        /// What the database said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The server does not keep what it is given, or cannot.
    #[error("the store's server is {0}")]
    Server(&'static str),
    /// The role of the platform may not do that in the database.
    #[error(
        "the store's role may not do that: grant it what docs/store.md says, or start once with the role that owns the tables"
    )]
    Denied(#[source] Arc<sqlx::Error>),
    /// The store was made by another version of this program.
    #[error(
        "the store's schema does not fit this version of the program: use the version that wrote it, or a later one"
    )]
    Schema(#[source] Arc<MigrateError>),
    /// The store cannot work now: disk full, locked, gone. The same request may succeed later.
    #[error("the store is unavailable: check the space and the permissions of its disk")]
    Unavailable(#[source] Arc<DatabaseError>),
    /// The server cannot work now: gone, stopping, full, too busy. The same request may succeed later.
    #[error("the store's server does not do its work: check that it runs, can be reached, and has space")]
    Unreachable(#[source] Arc<sqlx::Error>),
    /// The operating system gives no thread to write with.
    #[error("the store cannot start its writer: check the limit on threads")]
    Thread(#[source] Arc<std::io::Error>),
    /// The store did not answer in time.
    #[error(
        "the store did not answer within {0:?}: check that its server or its disk is not overloaded, or gone"
    )]
    Timeout(std::time::Duration),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// What the store holds cannot be read: restore it from a backup.
    #[error("the store is damaged: {place} cannot be read; restore it from a backup")]
    Corrupt {
        /// Where.
        place: &'static str,
        /// What the database said, when it was the database that noticed.
        #[source]
        source: Option<Arc<DatabaseError>>,
    },
    /// The store was not copied.
    #[error("the store was not copied to {}: name a file that is not there yet, in a folder with space", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A server has tools of its own.
    #[error(
        "the store is on a PostgreSQL server: copy it with pg_dump --format=custom, or with the server's own backups"
    )]
    BackupOnServer,
    /// This record cannot be stored, now or later; others can.
    #[error("the store refuses the record")]
    Refused(#[source] Arc<DatabaseError>),
    /// The platform's key cannot sign the audit trail.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The directory has an entry of that name already.
    #[error("device {0} is in the directory already")]
    DeviceExists(DeviceId),
    /// A device's answer names a message by its control id alone.
    #[error(
        "a message with this MSH-10 waits for device {0} already: give it another, or withdraw the other one"
    )]
    AlreadyWaiting(DeviceId),
    /// The directory has no entry of that name.
    #[error("device {0} is not in the directory")]
    DeviceUnknown(DeviceId),
}

/// What a database said: PostgreSQL and whoever reads from SQLite through sqlx, whoever writes to SQLite by itself.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum DatabaseError {
    /// PostgreSQL, or SQLite when it is asked.
    Sqlx(#[from] sqlx::Error),
    /// SQLite when something is written.
    Rusqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// Whether the fault lies in this one request, so that others beside it can succeed.
    pub(super) const fn concerns_one_request(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::DeviceExists(_) | Self::DeviceUnknown(_) | Self::AlreadyWaiting(_)
        )
    }

    pub(super) const fn unreadable(place: &'static str) -> Self {
        Self::Corrupt { place, source: None }
    }
}
