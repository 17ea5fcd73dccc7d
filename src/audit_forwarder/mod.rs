//! The live feed to an Audit Record Repository (IHE ATNA, ITI-20): this node's audit trail as syslog over TLS.
//!
//! The trail in the store is the buffer. A file holds the place up to which the repository has it; what comes behind is
//! read from the store, a bounded batch at a time, and sent in its order. Nobody waits for the repository: not a message,
//! not the writer of the trail.
//!
//! Syslog has no acknowledgements (RFC 5425 4.4). What was written is taken for received when the connection has outlived
//! it for ten seconds; what was written later than that before a connection broke is sent again. The kernel gives a
//! connection up when the peer's kernel has not confirmed bytes for less than that time, so that a network that swallows
//! them does not settle anything. At least once, then, with the same bytes each time.

mod connection;
mod position;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::audit::{ChainHead, Originator};
use crate::config::{AuditRepository, Config, ConfigHandle};
use crate::metrics::Metrics;
use crate::model::{Clock, NodeName};
use crate::store::{AuditRow, Store, StoreError};
pub use connection::connector;
use connection::{Connection, ConnectionError};
use position::Position;

/// Sends the trail for as long as the platform runs.
#[derive(Debug)]
pub struct Forwarder {
    /// The configuration in force; a reload replaces it.
    pub config: ConfigHandle,
    /// Where the trail is.
    pub store: Store,
    /// What is counted.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: Clock,
}

/// The number of the row of this node's trail up to which the repository has it for certain. Where there is no
/// repository, nobody waits for any row.
#[must_use]
pub fn received(config: &Config, node: &NodeName) -> u64 {
    let Some(repository) = &config.audit.repository else { return u64::MAX };
    let position = Position::read(&repository.position).ok().flatten();
    position.and_then(|position| position.place_of(node)).map_or(0, |place| place.number)
}

/// Why a connection to the repository ended, or did not begin.
#[derive(Debug, thiserror::Error)]
enum ForwardError {
    #[error("the connection to the audit record repository is lost")]
    Connection(#[from] ConnectionError),
    #[error("the audit trail cannot be read")]
    Store(#[from] StoreError),
    #[error("what the audit record repository has received cannot be remembered")]
    Position(#[source] std::io::Error),
}

/// How a connection ended without a fault.
enum Ended {
    /// The platform stops.
    Done,
    /// Another configuration is in force.
    Reconfigured,
}

impl Forwarder {
    /// Sends until `done`, and then what is left, if the repository takes it at once.
    pub async fn run(self, done: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        let mut reached = None;
        loop {
            let config = self.config.load_full();
            if let Some(repository) = &config.audit.repository {
                match self.serve(&config, repository, &mut reached, &done).await {
                    Ok(Ended::Done) => return,
                    Ok(Ended::Reconfigured) => {
                        pause = FIRST_PAUSE;
                        continue;
                    }
                    Err(error) => {
                        // Said once, not at every attempt.
                        if reached != Some(false) {
                            tracing::warn!(
                                error = &error as &dyn std::error::Error,
                                "the audit record repository does not get the audit trail; it is sent when it is back"
                            );
                        }
                        pause = if reached == Some(true) { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
                        reached = Some(false);
                    }
                }
                self.metrics.audit_repository_connected.set(0);
                self.count_pending(repository).await;
            } else {
                pause = FIRST_PAUSE;
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
                "the audit record repository is reached"
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
                // A peer that has gone is noticed between two batches as well.
                link.check()?;
                continue;
            }
            tokio::select! {
                // Goes around once more: what was written last is sent as well.
                () = done.cancelled() => {}
                () = tokio::time::sleep(INTERVAL) => {}
                closed = link.closed() => return Err(closed.into()),
            }
        }
    }

    /// Says goodbye. Who answers it has read everything before it, and gets nothing of that again.
    async fn finish(&self, mut link: Connection, repository: &AuditRepository, progress: Progress) {
        if !link.close().await || self.remember(repository, progress.sent).await.is_err() {
            tracing::info!("what the audit record repository may not have received is sent again");
        }
    }

    /// Sends the next rows; whether there may be more.
    async fn send(
        &self,
        link: &mut Connection,
        repository: &AuditRepository,
        progress: &mut Progress,
    ) -> Result<bool, ForwardError> {
        let rows = self.store.own_audit_rows(progress.sent.number, BATCH).await?;
        let originator = Originator { node: self.store.node(), process: std::process::id() };
        let mut frames = Vec::new();
        let mut messages = 0;
        for row in rows.iter().filter(|row| is_wanted(row, repository)) {
            if let Some(message) = row.told().message(repository.site.as_deref()) {
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
        Ok(rows.len() == BATCH as usize)
    }

    /// Remembers what the connection has outlived for long enough.
    async fn settle(
        &self,
        repository: &AuditRepository,
        progress: &mut Progress,
    ) -> Result<(), ForwardError> {
        let now = self.clock.instant();
        let outlived = |at: &Instant| now.saturating_duration_since(*at) >= SETTLED;
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
        let (position, file) = (Position::of(self.store.node(), &place), repository.position.clone());
        let written = tokio::task::spawn_blocking(move || position.write(&file)).await;
        written.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(ForwardError::Position)
    }

    /// Where to go on: behind the last row that the repository has for certain.
    async fn resume(&self, repository: &AuditRepository) -> Result<ChainHead, ForwardError> {
        let Some(position) = Position::read(&repository.position).map_err(ForwardError::Position)? else {
            return Ok(ChainHead::START);
        };
        let Some(place) = position.place_of(self.store.node()) else { return Ok(ChainHead::START) };
        let before = place.number.saturating_sub(1);
        let row = self.store.own_audit_rows(before, 1).await?.into_iter().next();
        // Rows that retention has taken away since are no sign of another trail.
        let known = row.is_some_and(|row| row.number > place.number || row.hash == place.hash);
        if known {
            return Ok(place);
        }
        tracing::warn!(
            number = place.number,
            "the audit trail is not the one that was sent before; all of it is sent again"
        );
        Ok(ChainHead::START)
    }

    /// What waits while the repository is away.
    async fn count_pending(&self, repository: &AuditRepository) {
        if let Ok(place) = self.resume(repository).await {
            // The store says itself when it cannot be read.
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

/// How far one connection has come.
struct Progress {
    /// The last row that was written to it.
    sent: ChainHead,
    /// What was written and is not settled: when, and the last row of it.
    written: VecDeque<(Instant, ChainHead)>,
}

fn is_wanted(row: &AuditRow, repository: &AuditRepository) -> bool {
    repository.messages || !matches!(row.event.as_str(), "message-accepted" | "message-rejected")
}

/// Rows that are read and sent at once.
const BATCH: u32 = 100;
/// How soon a new row is sent.
const INTERVAL: Duration = Duration::from_millis(500);
/// What the connection has outlived for so long has been received.
const SETTLED: Duration = Duration::from_secs(10);
/// How long it takes to try again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_lost_in_the_network_is_not_settled() {
        assert!(connection::UNACKNOWLEDGED_TIMEOUT + INTERVAL < SETTLED);
    }
}
