//! What the operator's side asks of the store as a whole: its size, its queue, and when something was done
//! last.

use jiff::Timestamp;

use crate::audit::Event;
use crate::model::{PatientKey, explained};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::milestone::{Milestone, Reached};
use crate::store::records::size::StoreSize;
use crate::store::sqlite;
use crate::store::write::entry::Write;

impl Store {
    /// Records that something was done at `at`, with its row in the audit trail if it has one.
    ///
    /// # Errors
    /// When it was not written.
    pub async fn reach(
        &self,
        what: Milestone,
        at: Timestamp,
        is_good: bool,
        event: Option<Event>,
    ) -> Result<(), StoreError> {
        let reached = Reached { what, at, is_good };
        self.write(Write::Milestone { reached, event: event.map(Box::new) }).await.map(drop)
    }

    /// When something was done last: at most one of each kind.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn milestones(&self) -> Result<Vec<Reached>, StoreError> {
        self.reader().milestones().await
    }

    /// The key that names patients whom a sender wrote into a field for a device: one for all nodes. Where it
    /// cannot be read, one of this process.
    pub async fn patient_key(&self) -> PatientKey {
        let read = || async {
            self.reader().patient_key().await.unwrap_or_else(|error| {
                let error = explained(&error);
                tracing::warn!(
                    error,
                    "the key for the names of patients cannot be read from the store (table patient_key); the \
                     digits behind [patient] change with each start"
                );
                PatientKey::random()
            })
        };
        self.patient_key_cell().get_or_init(read).await.clone()
    }

    /// The same for what other processes have to find again: only the stored one counts.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn stored_patient_key(&self) -> Result<PatientKey, StoreError> {
        match self.patient_key_cell().get().filter(|key| key.is_stored()) {
            Some(key) => Ok(key.clone()),
            None => self.reader().patient_key().await,
        }
    }

    /// How large the store is. Reads no table, except the directory.
    ///
    /// # Errors
    /// When the store, or the file system, does not say it.
    pub async fn size(&self) -> Result<StoreSize, StoreError> {
        let rows = self.reader().estimated_rows().await?;
        if let Some(bytes) = self.reader().database_bytes().await? {
            return Ok(StoreSize { bytes, disk: None, rows });
        }
        let path = sqlite::location::Location::parse(self.url())?.path().to_owned();
        let measured = tokio::task::spawn_blocking(move || sqlite::disk::measure(&path)).await;
        let Ok(Ok((bytes, disk))) = measured else {
            return Err(StoreError::unreadable("the size of the file"));
        };
        Ok(StoreSize { bytes, disk: Some(disk), rows })
    }
}
