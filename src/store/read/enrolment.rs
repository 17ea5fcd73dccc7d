//! Queries of enrolments.

use jiff::Timestamp;

use crate::enrol::{Enrolment, EnrolmentId};
use crate::model::{Fingerprint, explained};
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    /// Every enrolment, the last one first.
    pub(in crate::store) async fn enrolments(&self) -> Result<Vec<Enrolment>, StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" ORDER BY invited_at DESC, id");
        self.fetch(select).await?.iter().map(enrolment).collect()
    }

    /// Those that wait for an operator, the last one first.
    pub(in crate::store) async fn waiting_enrolments(&self) -> Result<Vec<Enrolment>, StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" WHERE state = 'pending' ORDER BY invited_at DESC, id");
        self.fetch(select).await?.iter().map(enrolment).collect()
    }

    /// The last ones of the others, the last one first; and how many others there are.
    pub(in crate::store) async fn other_enrolments(
        &self,
        limit: u32,
    ) -> Result<(Vec<Enrolment>, u64), StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" WHERE state <> 'pending' ORDER BY invited_at DESC LIMIT ").push_bind(limit);
        let last = self.fetch(select).await?.iter().map(enrolment).collect::<Result<_, _>>()?;
        let count = "SELECT COUNT(*) AS count FROM enrolment WHERE state <> 'pending'";
        let rows = self.fetch(Statement::new(count)).await?;
        let count = rows.first().map_or(Ok(0), |row| row.count("count", "enrolment.state"))?;
        Ok((last, count))
    }

    /// The enrolment with this id.
    pub(in crate::store) async fn enrolment(
        &self,
        id: &EnrolmentId,
    ) -> Result<Option<Enrolment>, StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" WHERE id = ").push_bind(id.as_str());
        self.fetch(select).await?.first().map(enrolment).transpose()
    }

    /// The enrolment that has this certificate.
    pub(in crate::store) async fn enrolment_of(
        &self,
        certificate: &Fingerprint,
    ) -> Result<Option<Enrolment>, StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" WHERE fingerprint = ").push_bind(certificate.to_string());
        self.fetch(select).await?.first().map(enrolment).transpose()
    }

    /// Those whose certificates are revoked. One that cannot be read is logged, and does not hide the others.
    pub(in crate::store) async fn revoked_enrolments(&self) -> Result<Vec<Enrolment>, StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" WHERE state = 'revoked'");
        let read = |row: &Row| {
            let failed = |error: &StoreError| {
                let id = row.get::<String>("id").unwrap_or_default();
                let error = explained(error);
                tracing::error!(
                    enrolment = id,
                    error,
                    "a revoked certificate cannot be read; its CA alone refuses it"
                );
            };
            enrolment(row).inspect_err(failed).ok()
        };
        Ok(self.fetch(select).await?.iter().filter_map(read).collect())
    }

    /// How many requests wait, and since when the first one does.
    pub(in crate::store) async fn pending_enrolments(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let select =
            "SELECT COUNT(*) AS count, MIN(changed_at) AS since FROM enrolment WHERE state = 'pending'";
        let rows = self.fetch(Statement::new(select)).await?;
        let row = rows.first().ok_or(StoreError::unreadable("enrolment.state"))?;
        let since = row.get::<Option<i64>>("since")?.map(|_| row.time("since", "enrolment.changed_at"));
        Ok((row.count("count", "enrolment.state")?, since.transpose()?))
    }

    /// Those that renew this certificate.
    pub(in crate::store) async fn renewals_of(
        &self,
        certificate: &Fingerprint,
    ) -> Result<Vec<Enrolment>, StoreError> {
        let mut select = Statement::new(SELECT);
        select.push(" WHERE renews = ").push_bind(certificate.to_string());
        select.push(" ORDER BY invited_at, id");
        self.fetch(select).await?.iter().map(enrolment).collect()
    }
}

fn enrolment(row: &Row) -> Result<Enrolment, StoreError> {
    let record = serde_json::from_str(&row.get::<String>("record")?);
    Ok(Enrolment {
        id: row.parsed("id", "enrolment.id")?,
        state: row.parsed("state", "enrolment.state")?,
        failed: u32::try_from(row.count("failed", "enrolment.failed")?).unwrap_or(u32::MAX),
        record: record.map_err(|_| StoreError::unreadable("enrolment.record"))?,
    })
}

const SELECT: &str = "SELECT id, state, failed, record FROM enrolment";
