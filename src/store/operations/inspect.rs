//! Counts, integrity and backup of a whole store.

use std::path::Path;

use crate::audit::SignatureVerifier;
use crate::model::{LongWork, StoreUrl};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::read::comparison::{self, Contents, NamedMessages};
use crate::store::read::reader::Reader;
use crate::store::row::Row;
use crate::store::sqlite;
use crate::store::statement::Statement;

/// The result of [`Store::inspect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The damage that the database's integrity check reports. `None` on PostgreSQL, which has a tool of its
    /// own (`pg_amcheck`).
    pub damage: Option<Vec<String>>,
    /// The version of the last migration that was applied.
    pub schema: u64,
    /// Stored messages.
    pub messages: u64,
    /// Stored messages that were rejected.
    pub rejected: u64,
    /// Rows of the audit trail, of all nodes.
    pub audit_rows: u64,
    /// Entries of the device directory.
    pub devices: u64,
}

impl Store {
    /// Counts the rows of the store and checks its integrity. On a large store that takes minutes; writers
    /// and readers continue meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read. Damage that the integrity check reports is not an error.
    pub async fn inspect(&self) -> Result<Inspection, StoreError> {
        let count = async |sql: &str| {
            let rows = self.reader().fetch(Statement::new(sql)).await?;
            rows.first().map_or(Ok(0), |row| row.count("number", "a count"))
        };
        self.work().begin("structure of the database", None);
        Ok(Inspection {
            damage: if self.url().is_postgres() { None } else { Some(self.damage().await?) },
            schema: count("SELECT CAST(max(version) AS BIGINT) AS number FROM _sqlx_migrations").await?,
            messages: count("SELECT CAST(count(*) AS BIGINT) AS number FROM message").await?,
            rejected: count(
                "SELECT CAST(count(*) AS BIGINT) AS number FROM message WHERE rejection IS NOT NULL",
            )
            .await?,
            audit_rows: count("SELECT CAST(count(*) AS BIGINT) AS number FROM audit").await?,
            devices: count("SELECT CAST(count(*) AS BIGINT) AS number FROM device").await?,
        })
    }

    /// Copies the store into a new file while it is in use; see `docs/howto/backup-and-restore.md`. On the
    /// disk of the store, `keep_percent` of its bytes stay free for messages. Returns the messages of the
    /// copy whose bytes differ from their digest, as they do in the store: the copy stays.
    ///
    /// # Errors
    /// When the file exists, has no room, cannot be written, or fails the integrity check afterwards; and
    /// always for a store on PostgreSQL, which has backup tools of its own.
    pub async fn backup(&self, to: &Path, keep_percent: u64) -> Result<NamedMessages, StoreError> {
        if self.url().is_postgres() {
            return Err(StoreError::BackupOnServer);
        }
        let location = sqlite::location::Location::parse(self.url())?;
        sqlite::backup::backup(&location, to, keep_percent, self.work()).await?;
        let copy = Reader::Sqlite(sqlite::backup::open(to));
        let altered = comparison::altered(&copy, self.work()).await;
        copy.close().await;
        altered
    }

    /// Copies a store that an earlier version of this program wrote, before it is migrated: as it is, and
    /// nothing is recorded in it. Of the copy the structure is checked; its schema is not known here.
    ///
    /// # Errors
    /// As [`Store::backup`].
    pub async fn backup_outdated(
        url: &StoreUrl,
        to: &Path,
        keep_percent: u64,
        work: &LongWork,
    ) -> Result<(), StoreError> {
        if url.is_postgres() {
            return Err(StoreError::BackupOnServer);
        }
        sqlite::backup::backup(&sqlite::location::Location::parse(url)?, to, keep_percent, work).await
    }

    /// Reads every message: compares its bytes with its digest, and the messages with the audit trail.
    /// Writers and readers continue meanwhile. The memory that it takes does not grow with the messages.
    ///
    /// `signatures` verifies that retention was permitted to remove what is gone.
    ///
    /// # Errors
    /// When the store cannot be read. What is found is not an error.
    pub async fn check_contents(&self, signatures: &dyn SignatureVerifier) -> Result<Contents, StoreError> {
        comparison::compare(self.reader(), signatures, self.clock().now(), self.work()).await
    }

    async fn damage(&self) -> Result<Vec<String>, StoreError> {
        let column_of = async |sql: &str, column: &str| -> Result<Vec<String>, StoreError> {
            let rows = self.reader().fetch(Statement::new(sql)).await?;
            rows.iter().map(|row: &Row| row.get::<String>(column)).collect()
        };
        let mut damage = column_of("PRAGMA integrity_check", "integrity_check").await?;
        damage.retain(|line| line != "ok");
        for table in column_of("PRAGMA foreign_key_check", "table").await? {
            damage.push(format!("a row of {table} refers to a missing row"));
        }
        Ok(damage)
    }
}
