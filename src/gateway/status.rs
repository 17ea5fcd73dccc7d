//! What operators see of a gateway: whether the platform is reached, and what waits for it.
//!
//! Lengths are by the monotonic clock: one that is set back must not hide an outage.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::config;
use crate::interface_a::Relay;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, Fingerprint, MessageId};
use crate::store::{ForwardBacklog, ForwardClass, ForwardLane, ForwardOutcome};

/// The state of the connections to the platform. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// The open connections, by their number.
    open: BTreeMap<usize, Instant>,
    /// Connections on which an acknowledgement is awaited, and since when.
    awaited: BTreeMap<usize, Instant>,
    /// When an acknowledgement that counts for a message last came from the platform.
    heard: Option<Instant>,
    /// When bytes of a message last left that takes its time on the line: nothing is read meanwhile.
    left: Option<Instant>,
    /// Since when no connection is open.
    unconnected: Option<Instant>,
    /// Since when the platform takes no message at present, though it answers.
    refusing: Option<Instant>,
    /// Since when there is none of use, and why the last attempt failed. A connection is of use when a
    /// message was acknowledged on it, or after a while: in TLS 1.3 a gateway is refused after the handshake.
    outage: Option<Outage>,
    /// Whether this process has had a connection of use.
    was_reached: bool,
    backlog: ForwardBacklog,
    oldest: Option<Oldest>,
    missing: Option<Missing>,
    /// What the platform cannot take for long, though it takes others, and when that was last so.
    stuck: BTreeMap<MessageId, (StuckForward, Instant)>,
    /// Of the certificate that the gateway shows: the bytes of its file.
    certificate: Option<Fingerprint>,
}

#[derive(Debug)]
struct Outage {
    since: Timestamp,
    began: Instant,
    /// How long it had lasted then: an earlier process was in it.
    before: Duration,
    why: String,
}

/// The oldest message that waits.
#[derive(Debug, Clone, Copy)]
struct Oldest {
    id: MessageId,
    seen: Instant,
    /// Its age then.
    age: Duration,
}

#[derive(Debug)]
struct Missing {
    results: MissingResults,
    at: Instant,
}

/// That the platform cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Since when no connection is open.
    pub since: Timestamp,
    /// How long that is, whatever was done to the clock.
    pub lasted: Duration,
    /// Why the last attempt failed.
    pub why: String,
}

/// Messages that the platform has accepted (CA), and of which it has not sent the application acknowledgement
/// in time, since it last sent one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingResults {
    /// When the first of them was given up.
    pub since: Timestamp,
    /// How many there are.
    pub messages: u64,
    /// The last one.
    pub last: MessageId,
}

/// A message that the platform cannot take for long, though it takes others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckForward {
    /// The message.
    pub id: MessageId,
    /// Its sender.
    pub device: DeviceId,
    /// Whether it is an alarm.
    pub is_alarm: bool,
    /// Since when that is known.
    pub since: Timestamp,
}

/// What is known of the connections to the platform, and of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplinks {
    /// The number of open connections.
    pub open: usize,
    /// That there is none.
    pub away: Option<Away>,
    /// What waits for the platform.
    pub backlog: ForwardBacklog,
    /// Application acknowledgements that the platform has left out within the last day.
    pub missing: Option<MissingResults>,
    /// What the platform cannot take, though it takes others: the oldest first.
    pub stuck: Vec<StuckForward>,
}

impl Status {
    /// Nothing is known yet but the certificate that the gateway shows.
    #[must_use]
    pub fn new(gateway: Option<&config::Gateway>) -> Self {
        let status = Self::default();
        let _ = status.note_certificate(gateway);
        status
    }

    /// The state now.
    #[must_use]
    pub fn look(&self, clock: &Clock) -> Uplinks {
        let (known, now) = (self.known(), clock.instant());
        let away = known.outage.as_ref().map(|outage| outage.away(clock));
        let is_recent = |missing: &&Missing| now.saturating_duration_since(missing.at) < MISSING_SHOWN;
        let missing = known.missing.as_ref().filter(is_recent).map(|missing| missing.results.clone());
        // Each is tried again each minute.
        let is_tried = |(_, at): &&(StuckForward, Instant)| now.saturating_duration_since(*at) < STUCK_SHOWN;
        let stuck = known.stuck.values().filter(is_tried).map(|(stuck, _)| stuck.clone()).collect();
        Uplinks { open: known.open.len(), away, backlog: known.backlog, missing, stuck }
    }

    /// Notes which certificate the gateway shows, at each reload. Whether it is another one
    /// than before.
    #[must_use]
    pub fn note_certificate(&self, gateway: Option<&config::Gateway>) -> bool {
        // A file that cannot be read is refused elsewhere.
        let read = |gateway: &config::Gateway| std::fs::read(&gateway.certificate.chain).ok();
        let certificate = gateway.and_then(read).map(|chain| Fingerprint::sha256(&chain));
        let mut known = self.known();
        std::mem::replace(&mut known.certificate, certificate) != certificate
    }

    pub(super) fn opened(&self, number: usize, clock: &Clock, relay: &Relay, metrics: &Metrics) {
        let mut known = self.known();
        known.open.entry(number).or_insert_with(|| clock.instant());
        relay.set_connected(true);
        metrics.gateway.connections.set(count(known.open.len()));
    }

    /// The connection has ended, or was not made.
    pub(super) fn closed(&self, number: usize, relay: &Relay, metrics: &Metrics) {
        let mut known = self.known();
        known.open.remove(&number);
        known.awaited.remove(&number);
        relay.set_connected(!known.open.is_empty());
        metrics.gateway.connections.set(count(known.open.len()));
    }

    /// The platform has acknowledged a message.
    pub(super) fn answered(&self) {
        self.known().reach();
    }

    /// The platform could not take a message at present.
    pub(super) fn postponed(&self, clock: &Clock) {
        self.known().refusing.get_or_insert_with(|| clock.instant());
    }

    /// An acknowledgement has come that counts for a message.
    pub(super) fn heard(&self, clock: &Clock) {
        self.known().heard = Some(clock.instant());
    }

    /// Bytes have left, and others are still to leave.
    pub(super) fn leaves(&self, clock: &Clock) {
        self.known().left = Some(clock.instant());
    }

    /// Since when the oldest message on a connection waits for its acknowledgement.
    pub(super) fn awaits(&self, number: usize, since: Option<Instant>) {
        let mut known = self.known();
        if let Some(since) = since {
            known.awaited.insert(number, since);
        } else {
            known.awaited.remove(&number);
        }
    }

    /// An attempt has failed, or a connection was lost.
    pub(super) fn failed(&self, why: String, clock: &Clock) {
        let mut known = self.known();
        if !known.open.is_empty() {
            return;
        }
        match &mut known.outage {
            Some(outage) => outage.why = why,
            None => {
                let (since, began) = (clock.now(), clock.instant());
                known.outage = Some(Outage { since, began, before: Duration::ZERO, why });
            }
        }
    }

    /// How long the application acknowledgement after CA may take. A platform that sends none costs each
    /// device a short wait only.
    pub(super) fn result_timeout(&self, answer_timeout: Duration) -> Duration {
        let missing = self.known().missing.as_ref().map_or(0, |missing| missing.results.messages);
        if missing < MAX_MISSING { answer_timeout } else { answer_timeout.min(SHORT_WAIT) }
    }

    /// The application acknowledgement of this message has not come in time.
    pub(super) fn result_missing(&self, message: MessageId, clock: &Clock) {
        let (mut known, at) = (self.known(), clock.instant());
        let missing = known.missing.get_or_insert_with(|| {
            let results = MissingResults { since: clock.now(), messages: 0, last: message };
            Missing { results, at }
        });
        missing.at = at;
        missing.results.messages = missing.results.messages.saturating_add(1);
        missing.results.last = message;
    }

    /// The platform cannot take this message, though it takes others. Whether that is news.
    pub(super) fn stuck(&self, id: MessageId, lane: &ForwardLane, clock: &Clock) -> bool {
        let (mut known, now) = (self.known(), clock.instant());
        if let Some((_, at)) = known.stuck.get_mut(&id) {
            *at = now;
            return false;
        }
        let is_room = known.stuck.len() < MAX_STUCK;
        if is_room {
            let (device, is_alarm) = (lane.device.clone(), lane.class == ForwardClass::Alarm);
            known.stuck.insert(id, (StuckForward { id, device, is_alarm, since: clock.now() }, now));
        }
        is_room
    }

    /// The platform has taken these messages, or refused them.
    pub(super) fn settled(&self, settled: &[(MessageId, ForwardOutcome)]) {
        let mut known = self.known();
        settled.iter().for_each(|(id, _)| drop(known.stuck.remove(id)));
    }

    /// One has come in time.
    pub(super) fn result_came(&self) {
        self.known().missing = None;
    }

    /// The same where the backlog cannot be read: it is taken to be what it was.
    pub(super) fn publish_again(&self, clock: &Clock, metrics: &Metrics) {
        let backlog = self.known().backlog;
        self.publish(backlog, clock, metrics);
    }

    pub(super) fn publish(&self, backlog: ForwardBacklog, clock: &Clock, metrics: &Metrics) {
        let mut known = self.known();
        known.backlog = backlog;
        let now = clock.instant();
        let refusing =
            known.refusing.map(|since| (since, REFUSING)).filter(|(since, _)| is_long(*since, now));
        let unconnected = known.unconnected_since(now).map(|since| (since, UNCONNECTED));
        let silent = known.silent_since(now).map(|since| (since, SILENT));
        if let Some((since, why)) = silent.or(refusing).or(unconnected) {
            known.begin_silence(since, why, clock);
        } else if known.has_use(now) {
            known.reach();
        }
        known.extend_outage();
        let outage = known.outage.as_ref().map_or(Duration::ZERO, |outage| outage.lasted(now));
        let oldest = known.oldest_age(clock);
        drop(known);
        metrics.gateway.outage_seconds.set(seconds(outage));
        metrics.gateway.waiting.set(i64::try_from(backlog.messages).unwrap_or(i64::MAX));
        metrics.gateway.oldest_seconds.set(seconds(oldest));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The platform is reached.
    fn reach(&mut self) {
        (self.outage, self.refusing) = (None, None);
        self.was_reached = true;
    }

    /// Since when the platform says nothing on open connections, though acknowledgements are awaited: a
    /// network that drops packets ends no connection.
    fn silent_since(&self, now: Instant) -> Option<Instant> {
        let first = self.awaited.values().min().copied()?;
        let since = self.heard.max(self.left).map_or(first, |heard| heard.max(first));
        is_long(since, now).then_some(since)
    }

    /// Since when no connection is open, though each attempt is still under way: something takes connections
    /// there, and says nothing.
    fn unconnected_since(&mut self, now: Instant) -> Option<Instant> {
        if !self.open.is_empty() {
            self.unconnected = None;
            return None;
        }
        let since = *self.unconnected.get_or_insert(now);
        is_long(since, now).then_some(since)
    }

    fn begin_silence(&mut self, began: Instant, why: &str, clock: &Clock) {
        if self.outage.is_none() {
            let lasted = clock.instant().saturating_duration_since(began);
            let since = clock.now().saturating_sub(lasted).unwrap_or(Timestamp::UNIX_EPOCH);
            self.outage = Some(Outage { since, began, before: Duration::ZERO, why: why.to_owned() });
        }
    }

    /// Whether a connection is of use that was opened in the outage, if there is one, and the platform
    /// answers what waits for an answer.
    fn has_use(&self, now: Instant) -> bool {
        let began = self.outage.as_ref().map(|outage| outage.began);
        let is_heard = |began| self.heard.is_some_and(|heard| heard >= began);
        if self.refusing.is_some() || !self.awaited.is_empty() && !began.is_none_or(is_heard) {
            return false;
        }
        let is_newer = |since: Instant| began.is_none_or(|began| since >= began);
        let is_old = |since: Instant| now.saturating_duration_since(since) >= OF_USE;
        self.open.values().any(|since| is_newer(*since) && is_old(*since))
    }

    /// A process that starts during an outage continues it: what waits has waited since then.
    fn extend_outage(&mut self) {
        let (false, Some(outage), Some(oldest)) = (self.was_reached, &mut self.outage, self.backlog.oldest)
        else {
            return;
        };
        let earlier = outage.since.duration_since(oldest.time());
        if earlier.is_positive() {
            outage.before += earlier.unsigned_abs();
            outage.since = oldest.time();
        }
    }

    fn oldest_age(&mut self, clock: &Clock) -> Duration {
        let Some(id) = self.backlog.oldest else { return Duration::ZERO };
        let now = clock.instant();
        let age = Duration::try_from(clock.now().duration_since(id.time())).unwrap_or_default();
        let known = self.oldest.filter(|oldest| oldest.id == id).unwrap_or(Oldest { id, seen: now, age });
        self.oldest = Some(known);
        age.max(known.age + now.saturating_duration_since(known.seen))
    }
}

impl Outage {
    fn lasted(&self, now: Instant) -> Duration {
        self.before + now.saturating_duration_since(self.began)
    }

    fn away(&self, clock: &Clock) -> Away {
        let (lasted, now) = (self.lasted(clock.instant()), clock.now());
        // By the clock of now, which may have been set back.
        let since = if self.since > now { now.saturating_sub(lasted).unwrap_or(now) } else { self.since };
        Away { since, lasted, why: self.why.clone() }
    }
}

/// How long the platform may say nothing while acknowledgements are awaited.
const SILENCE: Duration = Duration::from_secs(10);
/// Why a platform counts as away that answers, and takes nothing.
const REFUSING: &str = "the platform answers that it can take no message at present";
/// Why one does that is not connected yet.
const UNCONNECTED: &str = "the platform does not answer the attempts to connect";
/// Why one does that says nothing.
const SILENT: &str = "the platform acknowledges nothing on open connections";
/// When a connection on which nothing was refused counts as one of use.
const OF_USE: Duration = Duration::from_secs(5);
/// After so many application acknowledgements that did not come the others are awaited for [`SHORT_WAIT`].
const MAX_MISSING: u64 = 3;
/// How long an application acknowledgement is awaited from a platform that sends none.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// How long a missing application acknowledgement is shown.
const MISSING_SHOWN: Duration = Duration::from_hours(24);

/// Messages that are known to be stuck.
const MAX_STUCK: usize = 1000;
/// How long one counts as stuck that is not tried again: it may be settled elsewhere.
const STUCK_SHOWN: Duration = Duration::from_mins(5);

fn is_long(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= SILENCE
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
