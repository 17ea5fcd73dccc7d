//! The loops of the receivers.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::difference::{Moment, Reported, difference};
use super::payload::body;
use super::pending::Pending;
use super::receiver::Receiver;
use super::status::Status;
use crate::config::{Config, ConfigHandle, Notify};
use crate::finding::{Board, Code, Finding};
use crate::metrics::Metrics;
use crate::model::{Clock, MessageId, explained};
use crate::store::{NotificationChange, Store, StoredNotification};

/// Reports the findings of a board to the configured receivers.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The present findings.
    pub board: Board,
    /// The configuration, of which a reload changes the receivers.
    pub config: ConfigHandle,
    /// Where notifications wait.
    pub store: Store,
    /// Counts them.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Which receivers fail.
    pub status: Status,
}

/// What one receiver knows, and what is on its way to it.
struct State {
    reported: Vec<Reported>,
    pending: Option<Pending>,
    /// When the store was looked at for one.
    looked: Option<Instant>,
    /// When the last notification was made.
    made: Option<Instant>,
    /// Until then nothing counts as ended.
    starting_until: Instant,
}

/// The counters of notifications start at zero.
pub fn start_at_zero(metrics: &Metrics) {
    for result in ["delivered", "failed", "dead"] {
        metrics.operation.notifications_total.with_label_values(&[result]);
    }
}

impl Watch {
    /// Reports until `done`. The receivers are built again when their configuration changes.
    pub async fn run(self, done: CancellationToken) {
        while !done.is_cancelled() {
            let config = self.config.load_full();
            let is_configured = |name: &str| config.notify.iter().any(|receiver| receiver.name == name);
            self.status.retain(is_configured);
            let stop = done.child_token();
            let loops = join_all(config.notify.iter().map(|settings| self.report(settings, &stop)));
            tokio::select! {
                () = done.cancelled() => {}
                // Without a receiver there is nothing to wait for but a change.
                _ = async { loops.await; std::future::pending::<()>().await } => {}
                () = self.changed(&config) => {}
            }
        }
    }

    /// Resolves when the receivers are configured otherwise.
    async fn changed(&self, config: &Config) {
        while self.config.load().notify == config.notify {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Reports to one receiver until `stop`.
    async fn report(&self, settings: &Notify, stop: &CancellationToken) {
        let Some(receiver) = self.build(settings, stop).await else { return };
        let reported = self.known(settings).await;
        let starting = if reported.is_empty() { Duration::ZERO } else { START_TIME };
        let starting_until = self.clock.instant() + starting;
        let mut state = State { reported, pending: None, looked: None, made: None, starting_until };
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            ticks.tick().await;
            let now = self.clock.instant();
            let is_due = state.looked.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_INTERVAL);
            if state.pending.is_none() && is_due {
                state.looked = Some(now);
                state.pending = self.waiting(settings).await;
            }
            if state.pending.is_none() {
                self.make(settings, &mut state).await;
            }
            if let Some(pending) = state.pending.take_if(|pending| pending.next <= self.clock.instant()) {
                state.pending = self.deliver(&receiver, pending).await;
            }
        }
    }

    /// The receiver, once its files can be read.
    async fn build(&self, settings: &Notify, stop: &CancellationToken) -> Option<Receiver> {
        loop {
            let error = match Receiver::build(settings, &self.clock) {
                Ok(receiver) => return Some(receiver),
                Err(error) => explained(&error),
            };
            // A file does not repair itself: a third attempt is not worth waiting for.
            if self.status.fail(&settings.name, self.clock.now(), 3, error.clone()) {
                tracing::error!(
                    receiver = settings.name,
                    error,
                    "this receiver of notifications cannot be used"
                );
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(BUILD_INTERVAL) => {}
            }
        }
    }

    /// What the receiver has got before the start.
    async fn known(&self, settings: &Notify) -> Vec<Reported> {
        let stored = tokio::time::timeout(STORE_TIMEOUT, self.store.notified(&settings.name)).await;
        let text = stored.ok().and_then(Result::ok).flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// A notification that an earlier process has left, or that is sent again on request.
    async fn waiting(&self, settings: &Notify) -> Option<Pending> {
        let stored = self.store.waiting_notification(&settings.name);
        let stored = tokio::time::timeout(STORE_TIMEOUT, stored).await.ok()?.ok()??;
        Some(Pending::new(stored, self.clock.instant()))
    }

    /// Makes a notification, if there is something to report and the last one is long enough ago.
    async fn make(&self, settings: &Notify, state: &mut State) {
        let now = self.clock.instant();
        if state.made.is_some_and(|made| now.saturating_duration_since(made) < settings.digest) {
            return;
        }
        let moment = Moment { is_quiet: self.is_quiet(settings), is_starting: now < state.starting_until };
        let change = difference(&self.present(settings), &state.reported, settings, moment);
        let is_reported = !change.begun.is_empty() || (settings.resolved && !change.ended.is_empty());
        if change.reported == state.reported {
            return;
        }
        let node = self.store.node().as_str();
        let findings = serde_json::to_string(&change.reported).unwrap_or_default();
        let receiver = settings.name.clone();
        let mut changes = vec![NotificationChange::Reported {
            node: node.to_owned(),
            receiver: receiver.clone(),
            findings,
        }];
        if is_reported {
            let created_at = self.clock.now();
            let id = MessageId::at(created_at);
            let body = body(id, created_at, node, &change, settings.resolved);
            let (node, error) = (node.to_owned(), String::new());
            let stored = StoredNotification {
                id,
                node,
                receiver,
                created_at,
                is_dead: false,
                attempts: 0,
                error,
                body,
            };
            changes.push(NotificationChange::Keep(Box::new(stored.clone())));
            state.pending = Some(Pending::new(stored, now));
            state.made = Some(now);
        }
        state.reported = change.reported;
        self.keep(changes).await;
    }

    /// The findings that this receiver may get.
    fn present(&self, settings: &Notify) -> Vec<Finding> {
        let mut present = self.board.findings();
        // It would hear of its own failure when that is over.
        if self.status.fails(&settings.name) {
            present.retain(|finding| finding.code() != Code::NotificationFailing);
        }
        present.retain(|finding| settings.takes_ward(&finding.ward));
        present
    }

    fn is_quiet(&self, settings: &Notify) -> bool {
        let Some(hours) = settings.quiet_hours else { return false };
        let zone = self.config.load().messages.zone.time_zone();
        let time = self.clock.now().to_zoned_datetime(zone);
        let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
        hours.contains(u16::try_from(minute).unwrap_or_default())
    }

    /// One attempt. The notification is returned when it has to be sent again.
    async fn deliver(&self, receiver: &Receiver, mut pending: Pending) -> Option<Pending> {
        let counter = &self.metrics.operation.notifications_total;
        let name = receiver.name();
        let outcome = receiver.deliver(pending.stored.id, &pending.stored.body).await;
        let Err(error) = outcome else {
            counter.with_label_values(&["delivered"]).inc();
            if self.status.succeed(name) {
                tracing::info!(receiver = name, "notifications are delivered again");
            }
            self.keep(vec![NotificationChange::Delivered(pending.stored.id)]).await;
            return None;
        };
        counter.with_label_values(&["failed"]).inc();
        let error = error.to_string();
        if self.status.fail(name, self.clock.now(), 1, error.clone()) {
            tracing::warn!(receiver = name, error, "a notification was not delivered; it is sent again");
        }
        pending.fail(error, self.clock.instant(), receiver.settings.retry_for);
        self.keep(vec![NotificationChange::Keep(Box::new(pending.stored.clone()))]).await;
        if !pending.stored.is_dead {
            return Some(pending);
        }
        counter.with_label_values(&["dead"]).inc();
        tracing::error!(
            receiver = name,
            id = %pending.stored.id,
            "a notification was given up; `pcd-platform notify retry` sends it again"
        );
        None
    }

    /// Stores changes. A store that fails is what a notification may be about: it is sent all the same, and
    /// only a restart would forget it.
    async fn keep(&self, changes: Vec<NotificationChange>) {
        let stored = tokio::time::timeout(STORE_TIMEOUT, self.store.change_notifications(changes)).await;
        if let Ok(Err(error)) = stored {
            tracing::debug!(error = %explained(&error), "a notification is kept in memory only");
        }
    }
}

/// How often a receiver's loop looks.
const TICK: Duration = Duration::from_secs(1);
/// How often the store is looked at for a notification that waits.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How often files that cannot be used are read again.
const BUILD_INTERVAL: Duration = Duration::from_secs(30);
/// How long the store is waited for.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// After a start that knows what receivers have got: how long nothing counts as ended.
const START_TIME: Duration = Duration::from_mins(2);
