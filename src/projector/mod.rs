//! The index from which messages are read as FHIR.
//!
//! The projector follows the audit chains of all nodes: each accepted message has one row there, in the
//! transaction that stored it. It maps the message and writes rows that record which message has which
//! resources. The resources themselves are rendered from the stored bytes when they are read. One node leads;
//! another one takes over when it has not renewed its lead for half a minute. Devices come first: a batch is
//! small, it is mapped on a thread of low priority, and the pause after it is as long as it took while
//! they wait for the writer.

mod batch;
mod messages;
mod notifications;
mod status;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::clients::RegistryHandle;
use crate::config::ConfigHandle;
use crate::fhir::Reason;
use crate::metrics::Metrics;
use crate::model::{Clock, MessageId, NodeName, explained};
use crate::render::{Mapper, mapping_options};
use crate::store::{ProjectedTo, Projection, ProjectionLeader, Store, StoreError, TrailRow};
use batch::{Batch, Counts, KnownResources, Standing, batch};
use messages::ReadMessages;
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
    /// Organisations and clients: whom notifications are for.
    pub clients: RegistryHandle,
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
    known: Known,
    worker: Option<Worker>,
    measured: Option<Instant>,
    upkeep: NotificationUpkeep,
    is_failing: bool,
    /// When notifications could not be written, if they cannot.
    notifications_failed: Option<Instant>,
    /// Rounds since rows were projected again.
    rounds: u32,
}

/// What the index has of resources, as the batches of each part of a chain find it.
#[derive(Default)]
struct Known {
    new: KnownResources,
    again: KnownResources,
}

/// A part of a chain: both have a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Rows that were never projected.
    New,
    /// Rows that another mapping projected, from the oldest on.
    Again,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Projected {
    /// There are no rows for it.
    Nothing,
    /// It was written. Whether it has the rows up to the end of its part.
    Written { is_whole: bool },
    /// It was not written: another node leads, or has moved the position.
    Refused,
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
                run.stop();
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
        // What cannot be indexed keeps no notification back.
        let is_more = self.notify(run, projected.is_ok()).await;
        let round = projected?;
        Ok(if is_more { Round::More } else { round })
    }

    /// What is new of each node; then what is projected again, which never keeps that back for long.
    async fn project_nodes(&self, run: &mut Run) -> Result<Round, StoreError> {
        let (nodes, positions) = (self.store.projected_nodes().await?, self.store.projected_to().await?);
        let (mut round, mut is_behind) = (Round::Done, false);
        for node in &nodes {
            let from = positions.get(node.as_str()).copied().unwrap_or_default();
            match self.project_part(node, from, Part::New, run).await? {
                Projected::Nothing => {}
                Projected::Written { is_whole } => {
                    round = Round::More;
                    is_behind |= !is_whole;
                }
                Projected::Refused => return Ok(Round::More),
            }
        }
        run.rounds = run.rounds.saturating_add(1);
        if is_behind && run.rounds < MAX_ROUNDS_BETWEEN {
            return Ok(round);
        }
        run.rounds = 0;
        for (node, from) in self.store.projected_to().await? {
            let Ok(node) = node.parse() else { continue };
            if self.project_part(&node, from, Part::Again, run).await? != Projected::Nothing {
                return Ok(Round::More);
            }
        }
        run.known.again = KnownResources::default();
        Ok(round)
    }

    /// A batch of a part of a node's chain, and the pause after it.
    async fn project_part(
        &self,
        node: &NodeName,
        from: ProjectedTo,
        part: Part,
        run: &mut Run,
    ) -> Result<Projected, StoreError> {
        let started = self.clock.instant();
        let projected = self.project_node(node, from, part, run).await?;
        match projected {
            Projected::Nothing => {}
            Projected::Written { .. } => {
                let spent = self.clock.instant().saturating_duration_since(started);
                tokio::time::sleep(self.pause_after(spent)).await;
            }
            Projected::Refused => {
                self.metrics.fhir.refused_batches_total.inc();
                run.stop();
            }
        }
        Ok(projected)
    }

    /// Writes notifications. True: there are more. What keeps them from being written does not keep the index
    /// back; they are tried again after a pause.
    async fn notify(&self, run: &mut Run, is_indexing: bool) -> bool {
        let Some((leader, _)) = &run.lead else { return false };
        let now = self.clock.instant();
        let failed = run.notifications_failed;
        if failed.is_some_and(|failed| now.saturating_duration_since(failed) < FAILED_PAUSE) {
            return false;
        }
        let Self { config, store, clients, metrics, clock, .. } = self;
        match (Notifier { config, store, clients, metrics, clock })
            .write(leader, &mut run.upkeep, is_indexing)
            .await
        {
            Ok(is_more) => {
                if run.notifications_failed.take().is_some() {
                    tracing::info!("notifications of partners are written again");
                }
                is_more
            }
            Err(error) => {
                if run.notifications_failed.replace(now).is_none() {
                    tracing::warn!(
                        error = %explained(&error),
                        "notifications of partners cannot be written; it is tried again"
                    );
                }
                false
            }
        }
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
        run.stop();
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

    /// Projects the next rows of a part of a node's chain.
    async fn project_node(
        &self,
        node: &NodeName,
        from: ProjectedTo,
        part: Part,
        run: &mut Run,
    ) -> Result<Projected, StoreError> {
        let Some((leader, _)) = run.lead.clone() else { return Ok(Projected::Refused) };
        // Another revision of the mapping or of the index projects everything again.
        let options = mapping_options(&self.config.load());
        let position = from.under(index_revision(&options));
        let Some(trail) = self.trail(node, part, &position).await? else { return Ok(Projected::Nothing) };
        // With another key than the stored one there would be other patients: then nothing is written.
        let mapper = Mapper { options, key: self.store.stored_patient_key().await? };
        let end = trail.last().map(|row| row.number);
        let is_all = trail.len() < usize::try_from(MAX_TRAIL_ROWS).unwrap_or(usize::MAX);
        let batch = self.mapped(mapper, trail, part, run).await?;
        let Batch { to, resources, groups, stale, counts, .. } = batch;
        let to = match (part, to) {
            (Part::New, Some(number)) => ProjectedTo { number, ..position },
            (Part::Again, Some(number)) => position.projected_again(number),
            // The trail has no more of these rows.
            (Part::Again, None) if end.is_none() => position.projected_again(position.again_to),
            (_, None) => return Ok(Projected::Refused),
        };
        let is_whole = is_all && to.number >= end.unwrap_or_default();
        // A clock that is far ahead for a while must not decide what readers follow for as long.
        let at = MessageId::believed_time(self.store.now()).max(leader.last_at);
        let node = node.clone();
        let projection = Projection { node, from, to, leader, at, resources, groups, stale };
        let last_seq = projection.last_seq();
        if !self.store.project(projection).await? {
            return Ok(Projected::Refused);
        }
        if let Some((leader, written)) = &mut run.lead {
            (leader.last_seq, leader.last_at) = (last_seq, at);
            *written = self.clock.instant();
        }
        self.count(&counts);
        Ok(Projected::Written { is_whole })
    }

    /// The next rows of a part; `None`: there are none. Of those that are projected again the last ones may
    /// be there no more.
    async fn trail(
        &self,
        node: &NodeName,
        part: Part,
        position: &ProjectedTo,
    ) -> Result<Option<Vec<TrailRow>>, StoreError> {
        if part == Part::Again && position.left() == 0 {
            return Ok(None);
        }
        let (after, to) = match part {
            Part::New => (position.number, u64::MAX),
            Part::Again => (position.again, position.again_to),
        };
        let mut trail = self.store.trail_after(node, after, MAX_TRAIL_ROWS).await?;
        trail.retain(|row| row.number <= to);
        Ok(Some(trail).filter(|trail| part == Part::Again || !trail.is_empty()))
    }

    /// The batch of these rows.
    async fn mapped(
        &self,
        mapper: Mapper,
        trail: Vec<TrailRow>,
        part: Part,
        run: &mut Run,
    ) -> Result<Batch, StoreError> {
        let ids: Vec<_> = trail.iter().filter_map(|row| row.message).collect();
        let messages = ReadMessages::read(&self.store, &ids).await?;
        let standing = match part {
            Part::New => Vec::new(),
            Part::Again => self.store.resources_of_messages(&ids).await?,
        };
        let standing: Standing =
            standing.into_iter().map(|(message, reference, hash)| ((message, reference), hash)).collect();
        let mut known = std::mem::take(run.known.of(part));
        let worker = run.worker.take().map_or_else(Worker::start, Ok).map_err(thread)?;
        let mapped = worker.run(move || {
            let batch = batch(&mapper, &trail, &messages, &mut known, &standing);
            (batch, known)
        });
        // Of one that has panicked the thread has ended.
        let ended = || thread(io::Error::other("the thread that maps messages has ended"));
        let (mut batch, known) = mapped.await.ok_or_else(ended)?;
        run.worker = Some(worker);
        // A batch that is not written ends the lead, and what is known with it.
        *run.known.of(part) = known;
        batch.compare(&self.store.groups_of_messages(&batch.messages).await?);
        Ok(batch)
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
        if has_index && let Ok(status) = IndexStatus::read(&self.store, &self.config.load()).await {
            self.status.note(status.nodes.iter().filter_map(|node| node.waiting_since).min());
            let left = status.nodes.iter().map(|node| node.left).sum::<u64>();
            self.metrics.fhir.rows_again.set(i64::try_from(left).unwrap_or(i64::MAX));
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
}

impl Run {
    /// Leads no longer.
    fn stop(&mut self) {
        self.lead = None;
        self.known = Known::default();
    }
}

impl Known {
    const fn of(&mut self, part: Part) -> &mut KnownResources {
        match part {
            Part::New => &mut self.new,
            Part::Again => &mut self.again,
        }
    }
}

fn thread(error: io::Error) -> StoreError {
    StoreError::Thread(Arc::new(error))
}

/// Rows of a trail in one batch.
const MAX_TRAIL_ROWS: u32 = 500;
/// Rounds in which what is new may keep back what is projected again.
const MAX_ROUNDS_BETWEEN: u32 = 8;
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
