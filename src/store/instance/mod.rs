//! One serving process for each node of a store.
//!
//! Two processes that serve under one name would sign one audit chain against each other, and send each order
//! twice. On SQLite a lock beside the file keeps the second one out, on PostgreSQL a lease. Commands beside a
//! serving process may write: each transaction reads the end of the audit chain under a lock, and commands
//! sign nothing.

pub(in crate::store) mod file_lock;
pub(in crate::store) mod lease;
pub(in crate::store) mod process;

use tokio_util::sync::CancellationToken;

use crate::store::error::StoreError;
use crate::store::sqlite::database_file::DatabaseFile;
use file_lock::FileLock;
use lease::Lease;

/// The right of this process to serve its node.
#[derive(Debug)]
pub(super) enum Instance {
    /// The lock on a file.
    File(FileLock, Box<DatabaseFile>),
    /// The lease of a server.
    Server(Box<Lease>),
}

impl Instance {
    /// Keeps the right until `done`.
    ///
    /// # Errors
    /// [`StoreError::InstanceLost`] when another process serves the node now; [`StoreError::Replaced`] when
    /// the database file is not the one that was opened.
    pub(super) async fn keep(&self, done: &CancellationToken) -> Result<(), StoreError> {
        match self {
            Self::File(lock, file) => loop {
                tokio::select! {
                    () = done.cancelled() => return Ok(()),
                    () = tokio::time::sleep(FILE_CHECK_INTERVAL) => {
                        file.check()?;
                        lock.renew()?;
                    }
                }
            },
            Self::Server(lease) => lease.keep(done).await,
        }
    }

    /// Whether no other process can serve the node at this moment, as far as this process can know.
    pub(super) fn is_fresh(&self) -> bool {
        match self {
            Self::File(..) => true,
            Self::Server(lease) => lease.is_fresh(),
        }
    }

    /// Gives the right back, so that the next process need not wait.
    pub(super) async fn release(&self) {
        if let Self::Server(lease) = self {
            lease.release().await;
        }
    }
}

/// How often the database file is checked while no batch is written. The writer checks it with every batch.
const FILE_CHECK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
