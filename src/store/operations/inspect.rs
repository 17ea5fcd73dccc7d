//! What can be said of a store as a whole.

use std::path::Path;

use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::row::Row;
use crate::store::sqlite;
use crate::store::statement::Statement;

/// What was found in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What is damaged, as the database says it; none when it has no such check (PostgreSQL: `pg_amcheck`).
    pub damage: Option<Vec<String>>,
    /// The number of the last migration.
    pub schema: u64,
    /// Messages.
    pub messages: u64,
    /// Those among them that were rejected.
    pub rejected: u64,
    /// Rows of the audit trail, of all nodes.
    pub audit_rows: u64,
    /// Entries of the device directory.
    pub devices: u64,
}

impl Store {
    /// Reads the whole store; on a large one that takes its time, and nobody waits for it.
    ///
    /// # Errors
    /// When it cannot be read. Damage that the database knows of is no error here.
    pub async fn inspect(&self) -> Result<Inspection, StoreError> {
        let count = async |sql: &str| {
            let rows = self.reader().fetch(Statement::new(sql)).await?;
            rows.first().map_or(Ok(0), |row| row.count("number", "a count"))
        };
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

    /// Copies the store into a new file while it is in use; see `docs/operations.md`.
    ///
    /// # Errors
    /// When there is a file already, it cannot be written, or cannot be read afterwards; and always for a store on a
    /// PostgreSQL server, which has tools of its own.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if self.url().is_postgres() {
            return Err(StoreError::BackupOnServer);
        }
        sqlite::backup::backup(&sqlite::location::Location::parse(self.url().secret())?, to).await
    }

    async fn damage(&self) -> Result<Vec<String>, StoreError> {
        let said = async |sql: &str, column: &str| -> Result<Vec<String>, StoreError> {
            let rows = self.reader().fetch(Statement::new(sql)).await?;
            rows.iter().map(|row: &Row| row.get::<String>(column)).collect()
        };
        let mut damage = said("PRAGMA integrity_check", "integrity_check").await?;
        damage.retain(|line| line != "ok");
        for table in said("PRAGMA foreign_key_check", "table").await? {
            damage.push(format!("a row of {table} names one that is not there"));
        }
        Ok(damage)
    }
}
