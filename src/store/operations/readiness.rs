//! Whether the store can do its work now.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Clock, StoreUrl, explained};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::postgres;
use crate::store::progress::Stall;
use crate::store::read::reader::Reader;
use crate::store::records::removals::Removals;
use crate::store::row::Row;
use crate::store::write::entry::Write;

impl Store {
    /// Checks that the store does its work: that messages which arrive are committed, and that a probe row
    /// can be written, which waits for the same tables.
    ///
    /// # Errors
    /// [`StoreError::Stalled`] when messages have failed or waited for five seconds, and none was committed;
    /// others when the probe fails or takes longer than that.
    pub async fn check(&self) -> Result<(), StoreError> {
        let stall = self.progress().stall(self.clock().instant());
        let probed = within_limit(self.write(Write::Probe)).await.map(drop);
        if probed.is_ok() {
            self.progress().probed();
        }
        let Some(Stall { age, failure }) = stall else {
            // First the risks: the probe may have failed at one of them.
            return self.observed_risks().require_none().and(probed);
        };
        let source = failure.or_else(|| probed.err()).map(Arc::new);
        Err(StoreError::Stalled { seconds: age.as_secs(), source })
    }

    /// Waits until the writer has answered a probe, whether a row could be written or not: it has not stopped
    /// for good. A server that does not answer in time is no fault of this process, and is not waited for.
    pub async fn answer(&self) {
        let probe = self.write(Write::Probe);
        let answered = match self.reader() {
            Reader::Postgres(_) => within_limit(probe).await.map(drop),
            _ => probe.await.map(drop),
        };
        if let Err(error) = answered {
            tracing::debug!(error = %explained(&error), "the store answers a probe with an error");
        }
    }

    /// Checks that the platform's role has every right in the database that this configuration needs. A file
    /// has no roles.
    ///
    /// # Errors
    /// [`StoreError::NotGranted`] names what is missing; others when the server does not answer.
    pub async fn check_rights(&self, removals: Removals) -> Result<(), StoreError> {
        let Reader::Postgres(pool) = self.reader() else { return Ok(()) };
        let rows = postgres::pool::fetch(pool, postgres::rights::select_missing(removals));
        require_none(&within_limit(rows).await?)
    }

    /// The same for the role of `url`, without a store that is open.
    ///
    /// # Errors
    /// As [`Store::check_rights`].
    pub async fn check_rights_at(url: impl Into<StoreUrl>, removals: Removals) -> Result<(), StoreError> {
        let url = url.into();
        if !url.is_postgres() {
            return Ok(());
        }
        let location = postgres::location::Location::parse(&url, &Clock::system())?;
        require_none(&postgres::open::query(&location, postgres::rights::select_missing(removals)).await?)
    }
}

fn require_none(missing: &[Row]) -> Result<(), StoreError> {
    let missing: Vec<String> = missing.iter().map(|row| row.get("missing")).collect::<Result<_, _>>()?;
    if missing.is_empty() { Ok(()) } else { Err(StoreError::NotGranted(missing.join("; "))) }
}

async fn within_limit<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(CHECK_TIMEOUT, work).await.unwrap_or(Err(StoreError::Timeout(CHECK_TIMEOUT)))
}

/// How long each check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
