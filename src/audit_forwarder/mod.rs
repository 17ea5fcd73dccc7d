//! Forwards this node's audit trail to an Audit Record Repository (IHE ATNA, ITI-20), as syslog over TLS.
//!
//! The store is the buffer. A file holds the chain head up to which the repository has the rows; later rows
//! are read from the store in bounded batches and sent in order. Neither a message nor the writer waits for
//! the repository.
//!
//! Syslog has no acknowledgements (RFC 5425 4.4). A row counts as received when the connection has outlived
//! it by ten seconds. Rows that were written later than that before a connection broke are sent again. The
//! kernel ends a connection whose peer does not acknowledge bytes within less than that time, so bytes that
//! the network drops never count as received. Delivery is therefore at least once, with the same bytes each
//! time.

mod connection;
mod position;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::audit::{ChainHead, Originator};
use crate::config::{AuditRepository, Config, ConfigHandle};
use crate::metrics::Metrics;
use crate::model::{Clock, NodeName, explained};
use crate::store::{AuditRow, Store, StoreError};
pub use connection::connector;
use connection::{Connection, ConnectionError};
use position::Position;

/// Forwards the trail until shutdown.
#[derive(Debug)]
pub struct Forwarder {
    /// The current configuration.
    pub config: ConfigHandle,
    /// The store with the trail.
    pub store: Store,
    /// The metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Clock,
}

/// The number of the last row of this node that the repository has received for certain. `u64::MAX` without a
/// repository: no row needs to be retained for it.
#[must_use]
pub fn received(config: &Config, node: &NodeName) -> u64 {
    let Some(repository) = &config.audit.repository else { return u64::MAX };
    let position = Position::read(&repository.position).ok().flatten();
    position.and_then(|position| position.head_of(node)).map_or(0, |place| place.number)
}

/// Why forwarding stopped or did not start.
#[derive(Debug, thiserror::Error)]
enum ForwardError {
    #[error("the connection to the audit record repository is lost")]
    Connection(#[from] ConnectionError),
    #[error("the audit trail cannot be read")]
    Store(#[from] StoreError),
    #[error("the audit trail does not contain the last row that was sent")]
    OtherTrail,
    #[error("the position of the audit record repository cannot be stored")]
    Position(#[source] std::io::Error),
}

/// Why a connection ended without a fault.
enum Ended {
    /// The platform shuts down.
    Done,
    /// A reload changed the configuration.
    Reconfigured,
}

impl Forwarder {
    /// Forwards until `done`, then sends the remaining rows if the repository accepts them at once.
    pub async fn run(self, done: CancellationToken) {
        let mut pause = MIN_BACKOFF;
        let mut reached = None;
        loop {
            let config = self.config.load_full();
            if let Some(repository) = &config.audit.repository {
                match self.serve(&config, repository, &mut reached, &done).await {
                    Ok(Ended::Done) => return,
                    Ok(Ended::Reconfigured) => {
                        pause = MIN_BACKOFF;
                        continue;
                    }
                    Err(error) => {
                        // Logged once, not at every attempt.
                        if reached != Some(false) {
                            tracing::warn!(
                                error = %explained(&error),
                                "audit repository unreachable; rows stay in the store and are sent when it recovers"
                            );
                        }
                        pause =
                            if reached == Some(true) { MIN_BACKOFF } else { (pause * 2).min(MAX_BACKOFF) };
                        reached = Some(false);
                    }
                }
                self.metrics.audit_repository_connected.set(0);
                self.count_pending(repository).await;
            } else {
                pause = MIN_BACKOFF;
            }
            tokio::select! {
                () = done.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One connection.
    async fn serve(
        &self,
        config: &Arc<Config>,
        repository: &AuditRepository,
        reached: &mut Option<bool>,
        done: &CancellationToken,
    ) -> Result<Ended, ForwardError> {
        let start = self.resume(repository).await?;
        let connecting = Connection::open(repository, &self.clock);
        let mut link = tokio::select! {
            () = done.cancelled() => return Ok(Ended::Done),
            link = connecting => link?,
        };
        if *reached != Some(true) {
            tracing::info!(
                host = repository.address.host,
                port = repository.address.port,
                "connected to the audit repository"
            );
            *reached = Some(true);
        }
        self.metrics.audit_repository_connected.set(1);
        let mut progress = Progress { sent: start, written: VecDeque::new() };
        loop {
            let more = self.send(&mut link, repository, &mut progress).await?;
            self.settle(repository, &mut progress).await?;
            let reconfigured = !Arc::ptr_eq(config, &self.config.load());
            if reconfigured || done.is_cancelled() {
                self.finish(link, repository, progress).await;
                return Ok(if reconfigured { Ended::Reconfigured } else { Ended::Done });
            }
            if more {
                // Detects between two batches that the peer has closed.
                link.check()?;
                continue;
            }
            tokio::select! {
                // One more pass sends the rows that were written last.
                () = done.cancelled() => {}
                () = tokio::time::sleep(INTERVAL) => {}
                closed = link.closed() => return Err(closed.into()),
            }
        }
    }

    /// Closes the connection. A repository that answers close_notify has read everything before it; none of
    /// it is sent again.
    async fn finish(&self, mut link: Connection, repository: &AuditRepository, progress: Progress) {
        if !link.close().await || self.remember(repository, progress.sent).await.is_err() {
            tracing::info!("the audit repository did not confirm the latest rows; they are sent again");
        }
    }

    /// Sends the next rows; returns whether there may be more.
    async fn send(
        &self,
        link: &mut Connection,
        repository: &AuditRepository,
        progress: &mut Progress,
    ) -> Result<bool, ForwardError> {
        let before = progress.sent.number.saturating_sub(1);
        let rows = after(self.store.own_audit_rows(before, BATCH).await?, &progress.sent)?;
        let originator = Originator { node: self.store.node(), process: std::process::id() };
        let mut frames = Vec::new();
        let mut messages = 0;
        for row in rows.iter().filter(|row| is_wanted(row, repository)) {
            if let Some(message) = row.recorded_event().message(repository.site.as_deref()) {
                message.frame(originator, row.at, &mut frames);
                messages += 1;
            }
        }
        if !frames.is_empty() {
            link.send(&frames).await?;
        }
        self.metrics.audit_repository_sent_total.inc_by(messages);
        if let Some(last) = rows.last() {
            progress.sent = ChainHead { number: last.number, hash: last.hash };
            progress.written.push_back((self.clock.instant(), progress.sent));
        }
        self.publish_pending(progress.sent.number).await?;
        Ok(!rows.is_empty())
    }

    /// Stores the position of rows that the connection has outlived for long enough.
    async fn settle(
        &self,
        repository: &AuditRepository,
        progress: &mut Progress,
    ) -> Result<(), ForwardError> {
        let now = self.clock.instant();
        let outlived = |at: &Instant| now.saturating_duration_since(*at) >= CONFIRMATION_TIME;
        let mut settled = None;
        while progress.written.front().is_some_and(|(at, _)| outlived(at)) {
            settled = progress.written.pop_front();
        }
        match settled {
            Some((_, place)) => self.remember(repository, place).await,
            None => Ok(()),
        }
    }

    async fn remember(&self, repository: &AuditRepository, place: ChainHead) -> Result<(), ForwardError> {
        let (position, file) = (Position::new(self.store.node(), &place), repository.position.clone());
        let written = tokio::task::spawn_blocking(move || position.write(&file)).await;
        written.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(ForwardError::Position)
    }

    /// The position to continue from: the last row that the repository has for certain.
    async fn resume(&self, repository: &AuditRepository) -> Result<ChainHead, ForwardError> {
        let Some(position) = Position::read(&repository.position).map_err(ForwardError::Position)? else {
            return Ok(ChainHead::START);
        };
        let Some(place) = position.head_of(self.store.node()) else { return Ok(ChainHead::START) };
        let before = place.number.saturating_sub(1);
        let row = self.store.own_audit_rows(before, 1).await?.into_iter().next();
        // Rows that retention has removed do not indicate another trail.
        let known = row.is_some_and(|row| row.number > place.number || row.hash == place.hash);
        if known {
            return Ok(place);
        }
        tracing::warn!(
            number = place.number,
            "the audit trail is not the one that was sent before; sending all of it again"
        );
        Ok(ChainHead::START)
    }

    /// Updates the number of waiting rows while the repository is unreachable.
    async fn count_pending(&self, repository: &AuditRepository) {
        if let Ok(place) = self.resume(repository).await {
            // The store logs its own errors.
            let _ = self.publish_pending(place.number).await;
        }
    }

    async fn publish_pending(&self, sent: u64) -> Result<(), StoreError> {
        let end = self.store.own_audit_end().await?.number;
        let pending = end.saturating_sub(sent);
        self.metrics.audit_repository_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// The progress of one connection.
struct Progress {
    /// The last row that was written to it.
    sent: ChainHead,
    /// Written rows that do not count as received yet: time and last row of each batch.
    written: VecDeque<(Instant, ChainHead)>,
}

/// The rows after `sent`, which is the first of them unless retention removed it. A store that went back has
/// other rows, or none.
fn after(mut rows: Vec<AuditRow>, sent: &ChainHead) -> Result<Vec<AuditRow>, ForwardError> {
    if *sent == ChainHead::START {
        return Ok(rows);
    }
    match rows.first() {
        Some(first) if first.number == sent.number && first.hash == sent.hash => {
            rows.remove(0);
            Ok(rows)
        }
        Some(first) if first.number > sent.number => Ok(rows),
        _ => Err(ForwardError::OtherTrail),
    }
}

fn is_wanted(row: &AuditRow, repository: &AuditRepository) -> bool {
    repository.messages || !matches!(row.event.as_str(), "message-accepted" | "message-rejected")
}

/// Rows of one batch.
const BATCH: u32 = 100;
/// Interval of reading new rows.
const INTERVAL: Duration = Duration::from_millis(500);
/// Rows count as received when the connection outlived them by this time.
const CONFIRMATION_TIME: Duration = Duration::from_secs(10);
/// Backoff between connection attempts, initial and maximum.
const MIN_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_the_network_drops_never_count_as_received() {
        assert!(connection::UNACKNOWLEDGED_TIMEOUT + INTERVAL < CONFIRMATION_TIME);
    }
}
