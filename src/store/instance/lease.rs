//! The lease on a node of a PostgreSQL store: a row that the serving process renews by the server's clock.
//!
//! An advisory lock would be released with its connection, and after a power cut the server keeps that
//! connection until TCP notices. A lease ends by itself.
//!
//! **The fence.** A process that was paused longer than its lease does not know that another one serves the
//! node now. Each takeover therefore writes the new process into the row of `audit_end`, which every
//! transaction of a node locks before it writes anything. A transaction that finds another process there is
//! rolled back ([`StoreError::InstanceLost`]): after a takeover the former process commits nothing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use tokio_util::sync::CancellationToken;

use super::process::{Holder, ProcessId};
use crate::model::{Clock, NodeName, StoreRisk, explained};
use crate::store::error::StoreError;
use crate::store::postgres::failure::{classify, is_broken};
use crate::store::postgres::location::Location;
use crate::store::row::time_from_server;

/// The lease of this process on a node.
#[derive(Debug)]
pub(in crate::store) struct Lease {
    location: Location,
    process: ProcessId,
    node: NodeName,
    clock: Clock,
    /// When the last renewal that succeeded was sent.
    renewed: Mutex<Instant>,
}

impl Lease {
    /// Takes the lease on `node`; waits as long as a process that has died would still hold it.
    ///
    /// # Errors
    /// [`StoreError::AlreadyServed`] when another process keeps it; others when the server cannot be used.
    pub(in crate::store) async fn acquire(
        location: Location,
        node: NodeName,
        process: ProcessId,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let mut connection = location.connect_to_write().await?;
        let mut last_seen = None;
        let taken = tokio::time::timeout(ACQUIRE_TIMEOUT, async {
            loop {
                let sent = clock.instant();
                let Some(holder) = take(&mut connection, &node, process).await? else {
                    return Ok::<_, StoreError>(sent);
                };
                if last_seen.is_none() {
                    tracing::info!(
                        %node, host = holder.host, pid = holder.pid,
                        "another process holds the lease on this node; this process waits at most 11 s until it ends"
                    );
                }
                last_seen = Some(holder);
                tokio::time::sleep(ACQUIRE_INTERVAL).await;
            }
        })
        .await;
        let _ = connection.close().await;
        match (taken, last_seen) {
            (Ok(taken), _) => Ok(Self { location, process, node, clock, renewed: Mutex::new(taken?) }),
            (Err(_), Some(holder)) => Err(StoreError::AlreadyServed(holder)),
            (Err(_), None) => Err(StoreError::Timeout(ACQUIRE_TIMEOUT)),
        }
    }

    /// Whether the last renewal is so recent that no other process can have taken the lease.
    pub(in crate::store) fn is_fresh(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.instant().saturating_duration_since(renewed) < LEASE_TIME
    }

    /// Renews the lease until `done`. While the server is away it is tried again: the lease is this process's
    /// as long as no other one has taken it.
    ///
    /// # Errors
    /// [`StoreError::InstanceLost`] when another process has taken it.
    pub(in crate::store) async fn keep(&self, done: &CancellationToken) -> Result<(), StoreError> {
        let mut connection = None;
        let mut is_failing = false;
        let mut is_repeated = false;
        loop {
            tokio::select! {
                () = done.cancelled() => return Ok(()),
                () = tokio::time::sleep(if is_repeated { Duration::ZERO } else { RENEW_INTERVAL }) => {}
            }
            let sent = self.clock.instant();
            let renewed = tokio::time::timeout(RENEW_TIMEOUT, self.renew(&mut connection)).await;
            match renewed.unwrap_or(Err(StoreError::Timeout(RENEW_TIMEOUT))) {
                Ok(None) => {
                    *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = sent;
                    (is_failing, is_repeated) = (false, false);
                }
                Ok(Some(holder)) => return Err(StoreError::InstanceLost(Some(holder))),
                Err(error) => {
                    // At once through another connection, before that is a risk.
                    let had_connection = connection.take().is_some();
                    is_repeated = had_connection && !is_repeated;
                    self.report_unexamined(&error, is_repeated);
                    if !std::mem::replace(&mut is_failing, true) {
                        let error = explained(&error);
                        tracing::warn!(node = %self.node, error, "lease not renewed; will retry every two seconds");
                    }
                }
            }
        }
    }

    /// The renewal is also the examination. While the server is away nothing can be written anyway.
    fn report_unexamined(&self, error: &StoreError, is_repeated: bool) {
        let risks = self.location.risks();
        if !is_broken(error) && !is_repeated && !risks.is_examined() {
            risks.raise(StoreRisk::Unexamined, explained(error));
        }
    }

    /// Ends the lease, so that the next process need not wait.
    pub(in crate::store) async fn release(&self) {
        let release = async {
            let mut connection = self.location.connect().await?;
            let release = sqlx::query(RELEASE).bind(self.node.as_str()).bind(self.process.to_string());
            release.execute(&mut connection).await.map_err(classify)?;
            connection.close().await.map_err(classify)
        };
        if !matches!(tokio::time::timeout(RELEASE_TIMEOUT, release).await, Ok(Ok(()))) {
            tracing::warn!(node = %self.node, "lease not released; the next process waits until it ends");
        }
    }

    /// Renews the lease once; the process that holds it instead, if one does.
    async fn renew(&self, connection: &mut Option<PgConnection>) -> Result<Option<Holder>, StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.location.connect_to_write().await?),
        };
        let clock = self.location.clock();
        let ahead = clock.difference().map(|difference| difference.ahead.as_micros());
        let renew = sqlx::query(RENEW).bind(self.node.as_str()).bind(self.process.to_string());
        let renew = renew.bind(ahead.and_then(|micros| i64::try_from(micros).ok()));
        let asked = clock.ask();
        let Some(row) = renew.fetch_optional(&mut *connection).await.map_err(classify)? else {
            return holder(connection, &self.node).await.map(Some);
        };
        clock.observe(asked, time_from_server(&row, "renewed_at")?);
        // So that risks are found while nothing is written, too.
        self.location.observe_risks(connection).await?;
        Ok(None)
    }
}

/// Takes the lease if it is free; otherwise who holds it.
async fn take(
    connection: &mut PgConnection,
    node: &NodeName,
    process: ProcessId,
) -> Result<Option<Holder>, StoreError> {
    let this = Holder::this_process(node.clone());
    let mut transaction = connection.begin().await.map_err(classify)?;
    let take = sqlx::query(TAKE)
        .bind(node.as_str())
        .bind(process.to_string())
        .bind(this.host)
        .bind(i64::from(this.pid))
        .bind(i64::try_from(LEASE_TIME.as_micros()).unwrap_or(i64::MAX));
    if take.execute(&mut *transaction).await.map_err(classify)?.rows_affected() == 0 {
        let holder = holder(&mut transaction, node).await?;
        transaction.rollback().await.map_err(classify)?;
        return Ok(Some(holder));
    }
    // Waits for a transaction of the former process, and keeps out the next one.
    let fence = sqlx::query("UPDATE audit_end SET holder = $2 WHERE node = $1");
    let fence = fence.bind(node.as_str()).bind(process.to_string());
    fence.execute(&mut *transaction).await.map_err(classify)?;
    transaction.commit().await.map_err(classify)?;
    Ok(None)
}

async fn holder(connection: &mut PgConnection, node: &NodeName) -> Result<Holder, StoreError> {
    let row = sqlx::query("SELECT host, pid FROM node_lease WHERE node = $1")
        .bind(node.as_str())
        .fetch_one(connection)
        .await
        .map_err(classify)?;
    let pid: i64 = row.try_get("pid").map_err(classify)?;
    Ok(Holder {
        node: node.clone(),
        host: row.try_get("host").map_err(classify)?,
        pid: u32::try_from(pid).unwrap_or_default(),
    })
}

/// How long a lease lasts after its last renewal.
const LEASE_TIME: Duration = Duration::from_secs(10);
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
const RENEW_TIMEOUT: Duration = Duration::from_secs(3);
/// As long as a lease, and a little longer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(11);
const ACQUIRE_INTERVAL: Duration = Duration::from_millis(250);
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// A clock that was set back must not keep the lease of a dead process for longer either.
const TAKE: &str = "
WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
INSERT INTO node_lease AS lease (node, process, host, pid, renewed_at)
SELECT $1, $2, $3, $4, now FROM clock
ON CONFLICT (node) DO UPDATE
SET process = excluded.process, host = excluded.host, pid = excluded.pid, renewed_at = excluded.renewed_at
WHERE lease.process = excluded.process
    OR lease.renewed_at <= excluded.renewed_at - $5 OR lease.renewed_at > excluded.renewed_at + $5";

/// Reports the time of the server.
const RENEW: &str = "
UPDATE node_lease SET renewed_at = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, clock_ahead = $3
WHERE node = $1 AND process = $2
RETURNING renewed_at";

const RELEASE: &str = "UPDATE node_lease SET renewed_at = 0 WHERE node = $1 AND process = $2";
