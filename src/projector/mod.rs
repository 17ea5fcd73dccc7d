//! The index from which messages are read as FHIR.
//!
//! The projector follows the audit chains of all nodes: each accepted message has one row there, in the
//! transaction that stored it. It maps the message and writes rows that record which message has which
//! resources. The resources themselves are rendered from the stored bytes when they are read. One node leads;
//! another one takes over when it has not renewed its lead for half a minute. Devices come first: a batch is
//! small, it is mapped on a thread of low priority, and the pause after it is as long as it took while
//! they wait for the writer.

mod batch;
mod notifications;
mod status;
mod worker;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigHandle;
use crate::fhir::Reason;
use crate::metrics::Metrics;
use crate::model::{Clock, MessageId, NodeName, explained};
use crate::render::{Mapper, mapping_options};
use crate::store::{
    ProjectedMessage, ProjectedTo, Projection, ProjectionLeader, Store, StoreError, TrailRow,
};
use batch::{Batch, Counts, KnownResources, batch};
use notifications::{NotificationUpkeep, Notifier, oldest_unseen};
use status::index_revision;
pub use status::{IndexStatus, NodeStatus, ProjectionStatus};
use worker::Worker;

/// Writes the index until shutdown.
#[derive(Debug, Clone)]
pub struct Projector {
    /// The current configuration.
    pub config: ConfigHandle,
    /// The store.
    pub store: Store,
    /// The metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Clock,
    /// What is known of the index, for findings.
    pub status: ProjectionStatus,
}

/// What one run of the projector remembers.
#[derive(Default)]
struct Run {
    /// While this node leads, with the time of the last write.
    lead: Option<(ProjectionLeader, Instant)>,
    known: KnownResources,
    worker: Option<Worker>,
    measured: Option<Instant>,
    upkeep: NotificationUpkeep,
    is_failing: bool,
    is_notifying_failing: bool,
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There is more to project.
    More,
    /// Everything is projected.
    Done,
    /// Another node leads.
    Follows,
}

/// The counters of everything that becomes nothing, at zero.
pub fn start_counters_at_zero(metrics: &Metrics) {
    for reason in Reason::ALL {
        metrics.fhir.unmapped_total.with_label_values(&[reason.label()]);
    }
}

impl Projector {
    /// Projects until `done`.
    pub async fn run(self, done: CancellationToken) {
        let mut run = Run::default();
        loop {
            let pause = tokio::select! {
                () = done.cancelled() => break,
                pause = self.step(&mut run) => pause,
            };
            tokio::select! {
                () = done.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.stop_leading(&mut run).await;
    }

    /// One round. Returns the pause after it.
    async fn step(&self, run: &mut Run) -> Duration {
        if !self.config.load().fhir.enabled {
            self.stop_leading(run).await;
            self.metrics.fhir.lag_seconds.set(0);
            self.status.disable();
            self.measure(run, false).await;
            return DISABLED_PAUSE;
        }
        let round = self.round(run).await;
        self.metrics.fhir.leads.set(i64::from(run.lead.is_some()));
        if run.lead.is_none() {
            self.metrics.api.partners.measure([]);
        }
        self.measure(run, true).await;
        match round {
            Ok(round) => {
                if std::mem::take(&mut run.is_failing) {
                    tracing::info!("the index of FHIR resources is written again");
                }
                match round {
                    Round::More => Duration::ZERO,
                    Round::Done => IDLE_PAUSE,
                    Round::Follows => FOLLOWER_PAUSE,
                }
            }
            Err(error) => {
                // What is in doubt is read again.
                run.lead = None;
                run.known = KnownResources::default();
                if !std::mem::replace(&mut run.is_failing, true) {
                    tracing::warn!(
                        error = %explained(&error),
                        "the index of FHIR resources cannot be written; it is tried again"
                    );
                }
                FAILED_PAUSE
            }
        }
    }

    /// A batch of each node, and the notifications of what is indexed.
    async fn round(&self, run: &mut Run) -> Result<Round, StoreError> {
        if !self.leads(run).await? {
            return Ok(Round::Follows);
        }
        let projected = self.project_nodes(run).await;
        // What cannot be indexed keeps no notification back that waits for the partner.
        let Some((leader, _)) = &run.lead else { return projected };
        let Self { config, store, metrics, clock, .. } = self;
        let written = (Notifier { config, store, metrics, clock }).write(leader, &mut run.upkeep).await;
        // What keeps notifications from being written keeps the index from nothing.
        if let Err(error) = &written
            && !run.is_notifying_failing
        {
            let error = explained(error);
            tracing::warn!(error, "notifications of partners cannot be written; it is tried again");
        }
        run.is_notifying_failing = written.is_err();
        let round = projected?;
        Ok(if written.unwrap_or(false) { Round::More } else { round })
    }

    async fn project_nodes(&self, run: &mut Run) -> Result<Round, StoreError> {
        let positions = self.store.projected_to().await?;
        let mut round = Round::Done;
        for node in self.store.projected_nodes().await? {
            let from = positions.get(node.as_str()).copied().unwrap_or_default();
            let started = self.clock.instant();
            match self.project_node(&node, from, run).await? {
                None => {}
                Some(true) => {
                    round = Round::More;
                    let spent = self.clock.instant().saturating_duration_since(started);
                    tokio::time::sleep(self.pause_after(spent)).await;
                }
                Some(false) => {
                    self.metrics.fhir.refused_batches_total.inc();
                    run.lead = None;
                    run.known = KnownResources::default();
                    return Ok(Round::More);
                }
            }
        }
        Ok(round)
    }

    /// While devices wait for the writer, they have the store for at least half of the time.
    fn pause_after(&self, spent: Duration) -> Duration {
        let (waiting, _) = self.store.queued();
        if waiting == 0 { MIN_BATCH_PAUSE } else { spent.max(MIN_BATCH_PAUSE) }
    }

    /// Whether this node leads. Takes the lead if no node has it.
    async fn leads(&self, run: &mut Run) -> Result<bool, StoreError> {
        let now = self.clock.instant();
        if let Some((leader, written)) = &mut run.lead {
            if now.saturating_duration_since(*written) < RENEW_AFTER {
                return Ok(true);
            }
            if self.store.renew_projection(leader, true).await? {
                *written = now;
                return Ok(true);
            }
            run.lead = None;
        }
        run.known = KnownResources::default();
        let lead = self.store.lead_projection().await?;
        if let Some(leader) = &lead {
            tracing::info!(fence = leader.fence, "this node writes the index of FHIR resources");
        }
        run.lead = lead.map(|leader| (leader, now));
        Ok(run.lead.is_some())
    }

    async fn stop_leading(&self, run: &mut Run) {
        self.metrics.fhir.leads.set(0);
        self.metrics.api.partners.measure([]);
        if let Some((leader, _)) = run.lead.take() {
            // Without it another node takes over half a minute later.
            let _ = self.store.renew_projection(&leader, false).await;
        }
    }

    /// Projects the next rows of a node. `None`: there are none; false: they were not written, because
    /// another one leads or has moved the position.
    async fn project_node(
        &self,
        node: &NodeName,
        from: ProjectedTo,
        run: &mut Run,
    ) -> Result<Option<bool>, StoreError> {
        let Some((leader, _)) = run.lead.clone() else { return Ok(Some(false)) };
        // Another revision of the mapping or of the index projects everything again.
        let mapper = self.mapper().await?;
        let revision = index_revision(&mapper.options);
        let after = if from.revision == revision { from.number } else { 0 };
        let trail = self.store.trail_after(node, after, MAX_TRAIL_ROWS).await?;
        if trail.is_empty() {
            return Ok(None);
        }
        let (messages, unread_after) = self.messages_of(&trail).await?;
        let mut known = std::mem::take(&mut run.known);
        let Some(worker) = run.worker.take().or_else(Worker::start) else { return Ok(Some(false)) };
        let mapped = worker.run(move || {
            let batch = batch(&mapper, &trail, &messages, unread_after, &mut known);
            (batch, known)
        });
        // Of one that has panicked the thread has ended.
        let Some((mut batch, known)) = mapped.await else { return Ok(Some(false)) };
        run.worker = Some(worker);
        batch.compare(&self.store.groups_of_messages(&batch.messages).await?);
        let Batch { to, resources, groups, stale, counts, .. } = batch;
        let Some(to) = to else { return Ok(Some(false)) };
        // A clock that is far ahead for a while must not decide what readers follow for as long.
        let at = MessageId::believed_time(self.store.now()).max(leader.last_at);
        let to = ProjectedTo { number: to, revision };
        let node = node.clone();
        let projection = Projection { node, from, to, leader, at, resources, groups, stale };
        let last_seq = projection.last_seq();
        if !self.store.project(projection).await? {
            return Ok(Some(false));
        }
        run.known = known;
        if let Some((leader, written)) = &mut run.lead {
            (leader.last_seq, leader.last_at) = (last_seq, at);
            *written = self.clock.instant();
        }
        self.count(&counts);
        Ok(Some(true))
    }

    /// The messages of a trail, as far as they fit: those after this id were not read. The first of the trail
    /// is among them, so that each batch has at least one: ids are of the time of arrival and the trail of
    /// that of the commit, and lower ids may stand behind it.
    async fn messages_of(
        &self,
        trail: &[TrailRow],
    ) -> Result<(Vec<ProjectedMessage>, Option<MessageId>), StoreError> {
        let ids: Vec<_> = trail.iter().filter_map(|row| row.message).collect();
        let (mut messages, is_cut) = self.store.projected_messages(&ids, MAX_BATCH_BYTES).await?;
        let unread_after = messages.last().map(|message| message.id).filter(|_| is_cut);
        let first = ids.first().filter(|first| unread_after.is_some_and(|last| last < **first));
        if let Some(first) = first {
            messages.extend(self.store.projected_messages(&[*first], MAX_BATCH_BYTES).await?.0);
        }
        Ok((messages, unread_after))
    }

    /// With another key than the stored one there would be other patients: then nothing is written.
    async fn mapper(&self) -> Result<Mapper, StoreError> {
        let options = mapping_options(&self.config.load());
        Ok(Mapper { options, key: self.store.stored_patient_key().await? })
    }

    fn count(&self, counts: &Counts) {
        let metrics = &self.metrics.fhir;
        metrics.messages_total.inc_by(counts.messages);
        metrics.observations_total.inc_by(counts.observations);
        metrics.left_out_total.inc_by(counts.left_out);
        for (reason, number) in &counts.unmapped {
            metrics.unmapped_total.with_label_values(&[reason]).inc_by(*number);
        }
        for (reason, number) in &counts.skipped {
            metrics.skipped_total.with_label_values(&[reason]).inc_by(*number);
        }
    }

    /// How far the index and the notifications are behind, every few seconds: also where another node leads,
    /// or none does.
    async fn measure(&self, run: &mut Run, has_index: bool) {
        let now = self.clock.instant();
        if run.measured.is_some_and(|measured| now.saturating_duration_since(measured) < MEASURED_EVERY) {
            return;
        }
        run.measured = Some(now);
        // Without the store the last value stays, and grows.
        if has_index && let Ok(oldest) = self.oldest_waiting().await {
            self.status.note(oldest);
        }
        if let Ok(oldest) = oldest_unseen(&self.store).await {
            self.status.note_notifications(oldest);
        }
        let now = self.store.now();
        let lag = self.status.lag(now).unwrap_or_default();
        self.metrics.fhir.lag_seconds.set(lag.as_secs());
        let lag = self.status.notification_lag(now).unwrap_or_default();
        self.metrics.api.partners.lag_seconds.set(lag.as_secs());
    }

    /// The time of the oldest row that is not projected.
    async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        let status = IndexStatus::read(&self.store, &self.config.load()).await?;
        Ok(status.nodes.iter().filter_map(|node| node.waiting_since).min())
    }
}

/// Rows of a trail in one batch.
const MAX_TRAIL_ROWS: u32 = 500;
/// Bytes of messages that are read for one batch.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Shortest pause after a batch.
const MIN_BATCH_PAUSE: Duration = Duration::from_millis(1);
/// How long nothing is looked for when everything was projected.
const IDLE_PAUSE: Duration = Duration::from_millis(500);
/// How soon a node looks whether the leader has gone.
const FOLLOWER_PAUSE: Duration = Duration::from_secs(5);
/// How soon it is looked whether the index is switched on.
const DISABLED_PAUSE: Duration = Duration::from_secs(1);
/// Delay after a failed batch.
const FAILED_PAUSE: Duration = Duration::from_secs(2);
/// A leader that writes nothing renews its lead after this time.
const RENEW_AFTER: Duration = Duration::from_secs(10);
/// How often the lag is measured.
const MEASURED_EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
impl Projector {
    /// Projects everything that is stored. No test has so many batches as this tries.
    pub(crate) async fn project_all(&self) {
        let mut run = Run::default();
        // After an error the rows that a test looks for are missing.
        for _ in 0..MAX_ROUNDS {
            if !self.round(&mut run).await.is_ok_and(|round| round != Round::Done) {
                return;
            }
        }
        panic!("the projector does not come to an end");
    }
}

#[cfg(test)]
const MAX_ROUNDS: usize = 2000;

#[cfg(test)]
mod tests;
