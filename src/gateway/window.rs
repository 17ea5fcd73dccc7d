//! What is under way on one connection, and what an acknowledgement means for it. Pure: nothing here waits,
//! and the test joins it with the state machine of Interface A.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::flight::{Flight, Heard, Known, Sent};
use crate::hl7::{AcknowledgeAs, AcknowledgementCode};
use crate::interface_b::Answer;
use crate::model::MessageId;
use crate::store::{ForwardOutcome, WaitingForward};

/// Messages of a lane, in their order.
pub(super) trait Run {
    /// The next one.
    fn head(&self) -> Option<&WaitingForward>;
    /// Takes the next one, which is sent now.
    fn take_head(&mut self) -> Option<WaitingForward>;
    /// Whether the next one goes alone: nothing else is under way with it.
    fn goes_alone(&self) -> bool;
}

/// Outcomes of messages.
pub(super) type Outcomes = Vec<(MessageId, ForwardOutcome)>;

/// What is known of the messages of a job that were sent.
#[derive(Debug)]
pub(super) struct Done<J> {
    pub(super) job: J,
    pub(super) outcomes: Outcomes,
    /// Messages that the platform has had and not acknowledged, though they ask for it.
    pub(super) unanswered: Vec<MessageId>,
    /// Messages that the platform could not take.
    pub(super) refused_now: Vec<MessageId>,
    /// Whether one of them stays in the queue: the job is to go on a little later.
    pub(super) is_postponed: bool,
    /// Whether CA came, and then the application acknowledgement that was to follow.
    pub(super) has_result: bool,
    /// The message that is settled by CA, and whose device waits for an application acknowledgement of
    /// errors.
    pub(super) awaits_errors: Option<MessageId>,
}

impl<J> Done<J> {
    fn new(job: J, sent: Vec<Sent>) -> Self {
        let (outcomes, unanswered, refused_now) = Default::default();
        let (is_postponed, has_result, awaits_errors) = Default::default();
        let mut done =
            Self { job, outcomes, unanswered, refused_now, is_postponed, has_result, awaits_errors };
        for message in sent {
            match message.known() {
                Known::Settled(id, outcome) => done.outcomes.push((id, outcome)),
                Known::Postponed(id) => {
                    done.is_postponed = true;
                    done.refused_now.extend(id);
                }
                Known::Unanswered(id) => done.unanswered.push(id),
            }
        }
        done.is_postponed |= !done.unanswered.is_empty();
        done
    }
}

/// What is under way on a connection.
#[derive(Debug)]
pub(super) struct Window<J> {
    /// Jobs whose last message waits for an acknowledgement, or for the proof that it has arrived.
    flights: Vec<Flight<J>>,
    /// Messages that were sent on this connection.
    sent: u64,
    /// The number of the last one that was acknowledged.
    acknowledged: u64,
    /// Messages that are settled, and of which another acknowledgement may come, by MSH-10; `None`: it has.
    followed: HashMap<String, Option<Sent>>,
    /// Whether a message could not be sent because its MSH-10 is among them: the connection is to be ended.
    is_spent: bool,
}

/// What an acknowledgement means.
#[derive(Debug)]
pub(super) enum Effect<J> {
    /// No message waited for it.
    Unexpected,
    /// Another one follows, or nothing is known yet.
    Nothing,
    /// Messages are settled, and the jobs may go on. Everything that was sent before this number has arrived.
    Settled(Vec<Done<J>>, u64),
    /// The application acknowledgement of a message that was settled before.
    Result(MessageId, ForwardOutcome),
}

/// How long acknowledgements may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The first one.
    pub(super) answer: Duration,
    /// The application acknowledgement that follows CA, from when the message was sent.
    pub(super) result: Duration,
}

/// What is known because its time is over.
#[derive(Debug)]
pub(super) struct Expired<J> {
    pub(super) effects: Vec<Effect<J>>,
    /// Messages that were accepted (CA), and whose application acknowledgement has not come.
    pub(super) missing: Vec<MessageId>,
    /// Whether the platform has skipped a message. It is sent again on a new connection, on which a late
    /// answer is not taken for that of another message with the same MSH-10.
    pub(super) is_skipped: bool,
    /// Nothing is known of a message that is late: the connection is given up.
    pub(super) late: Option<Late>,
}

/// This message waited too long for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late(pub(super) Option<MessageId>);

impl<J: Run> Window<J> {
    pub(super) fn new() -> Self {
        Self { flights: Vec::new(), sent: 0, acknowledged: 0, followed: HashMap::new(), is_spent: false }
    }

    /// How many jobs it has.
    pub(super) fn jobs(&self) -> usize {
        self.flights.len()
    }

    /// Whether the connection takes no further message: it is to be ended, as soon as nothing is awaited.
    pub(super) const fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Whether it is to be ended now.
    pub(super) fn is_over(&self) -> bool {
        self.is_spent && !self.awaits()
    }

    /// How many messages were sent.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes the next messages of a job: those that ask for no acknowledgement, and the first that asks for
    /// one. They are to be sent now, in this order. A message is not sent while another one with its MSH-10
    /// is under way: the platform's answer to the one must not be taken for the other's. A job of which
    /// nothing can be sent comes back: another connection may take it.
    pub(super) fn send(
        &mut self,
        mut job: J,
        acknowledge: AcknowledgeAs,
        now: Instant,
    ) -> Result<Vec<Bytes>, J> {
        let (mut sent, mut bytes) = (Vec::new(), Vec::new());
        while let Some(head) = job.head() {
            let (next, is_alone) = (Sent::of(head, acknowledge), job.goes_alone());
            if is_alone && !sent.is_empty() {
                break;
            }
            // An acknowledgement that is still to come of a settled message must not be taken for this one's.
            self.is_spent |=
                self.followed.contains_key(next.control_id()) || self.followed.len() >= MAX_FOLLOWED;
            if self.is_spent {
                break;
            }
            let is_same = |one: &Sent| one.control_id() == next.control_id();
            if sent.iter().chain(self.flights.iter().flat_map(|flight| &flight.sent)).any(is_same) {
                break;
            }
            let Some(message) = job.take_head() else { break };
            let is_silent = next.is_silent();
            sent.push(next);
            bytes.push(message.raw);
            self.sent += 1;
            if !is_silent || is_alone {
                break;
            }
        }
        if sent.is_empty() {
            return Err(job);
        }
        self.flights.push(Flight { job, sent, number: self.sent, since: now });
        Ok(bytes)
    }

    /// Takes an acknowledgement. It counts for the message that MSA-2 names.
    pub(super) fn hear(&mut self, answer: &Answer) -> Effect<J> {
        for at in 0..self.flights.len() {
            let Some(flight) = self.flights.get_mut(at) else { break };
            return match flight.hear(answer) {
                Heard::Other => continue,
                Heard::More => Effect::Nothing,
                Heard::Settled(outcome) => self.settle(at, Some(outcome)),
                Heard::Later => {
                    flight.postpone();
                    self.settle(at, None)
                }
            };
        }
        self.hear_late(answer)
    }

    /// Takes an acknowledgement of a message that is settled.
    fn hear_late(&mut self, answer: &Answer) -> Effect<J> {
        let followed = self.followed.get_mut(&answer.control_id);
        let result = |sent: &mut Option<Sent>| {
            let result = sent.as_ref()?.hear_late(answer)?;
            *sent = None;
            Some(result)
        };
        followed.and_then(result).map_or(Effect::Unexpected, |(id, outcome)| Effect::Result(id, outcome))
    }

    /// A message was acknowledged, so every message that was sent before it has arrived: the platform answers
    /// in order. That settles what asks for no acknowledgement.
    fn settle(&mut self, at: usize, outcome: Option<ForwardOutcome>) -> Effect<J> {
        let mut flight = self.flights.remove(at);
        let number = flight.number;
        self.acknowledged = self.acknowledged.max(number);
        let (has_result, mut awaits_errors) = (outcome.is_some() && flight.is_accepted(), None);
        if let (Some(outcome), Some(last)) = (outcome, flight.sent.last_mut()) {
            if last.is_followed() && outcome.code == AcknowledgementCode::CA.as_str() {
                self.followed.insert(last.control_id().to_owned(), Some(last.clone()));
            }
            awaits_errors = last.awaits_errors(&outcome).then_some(last.id);
            last.settle(outcome);
        }
        self.follow_unanswered(&flight);
        let mut settled = vec![Done { has_result, awaits_errors, ..flight.done() }];
        let is_proved = |other: &Flight<J>| !other.awaits() && other.number < number;
        while let Some(silent) = self.flights.iter().position(is_proved) {
            let silent = self.flights.remove(silent);
            self.follow_unanswered(&silent);
            settled.push(silent.done());
        }
        Effect::Settled(settled, number)
    }

    /// What a platform has skipped it may answer all the same, if it does not answer in order. That must not
    /// be taken for the answer to another message.
    fn follow_unanswered(&mut self, flight: &Flight<J>) {
        let unanswered = flight.sent.iter().filter(|sent| sent.is_unanswered());
        self.followed.extend(unanswered.map(|sent| (sent.control_id().to_owned(), None)));
    }

    /// Whether a message waits for its acknowledgement.
    fn awaits(&self) -> bool {
        self.flights.iter().any(Flight::awaits)
    }

    /// Since when the oldest message waits for its first acknowledgement. After CA the platform has it.
    pub(super) fn oldest_awaited(&self) -> Option<Instant> {
        let waits = |flight: &&Flight<J>| flight.awaits() && !flight.is_accepted();
        self.flights.iter().filter(waits).map(|flight| flight.since).min()
    }

    /// What was sent last has left: the time for its acknowledgement begins.
    pub(super) fn left(&mut self, now: Instant) {
        if let Some(last) = self.flights.last_mut() {
            last.since = now;
        }
    }

    /// When something is late. `other` is since when something else waits for a proof that it has arrived.
    pub(super) fn deadline(&self, limits: Limits, other: Option<Instant>) -> Option<Instant> {
        let awaited = self.flights.iter().filter(|flight| flight.awaits());
        let awaited = awaited.map(|flight| flight.since + flight.limit(limits)).min();
        awaited.or_else(|| self.unproved(other).min().map(|since| since + PROOF_AFTER))
    }

    /// Whether only a clean end of the connection proves that what was sent has arrived: nothing waits for an
    /// acknowledgement, and something has been without proof for long.
    pub(super) fn needs_proof(&self, other: Option<Instant>, now: Instant) -> bool {
        !self.awaits() && self.unproved(other).any(|since| since + PROOF_AFTER <= now)
    }

    fn unproved(&self, other: Option<Instant>) -> impl Iterator<Item = Instant> {
        self.flights.iter().map(|flight| flight.since).chain(other)
    }

    /// What is known because its time is over. A message that was accepted (CA), and whose result does not
    /// come, has arrived; to send it again would repeat it. Its result counts when it comes later on this
    /// connection. A message that the platform has skipped, for it has acknowledged a later one, is no fault
    /// of the connection.
    pub(super) fn expire(&mut self, now: Instant, limits: Limits) -> Expired<J> {
        let (effects, missing) = Default::default();
        let mut expired = Expired { effects, missing, is_skipped: false, late: None };
        // Those that were accepted first: they are recorded, whatever becomes of the connection.
        let is_due = |flight: &Flight<J>| flight.is_late(now, limits);
        let is_accepted = |flight: &Flight<J>| is_due(flight) && flight.is_accepted();
        while let Some(at) =
            self.flights.iter().position(is_accepted).or_else(|| self.flights.iter().position(is_due))
        {
            let Some(flight) = self.flights.get(at) else { break };
            match flight.sent.last().filter(|_| flight.is_accepted()) {
                Some(accepted) => {
                    expired.missing.push(accepted.id);
                    self.followed.insert(accepted.control_id().to_owned(), Some(accepted.clone()));
                }
                None if flight.number < self.acknowledged => expired.is_skipped = true,
                None => {
                    expired.late = Some(Late(flight.sent.last().map(|sent| sent.id)));
                    break;
                }
            }
            expired.effects.push(self.settle(at, None));
        }
        expired
    }

    /// The connection is lost: the jobs that were under way, and the messages of each of which nothing is
    /// known.
    pub(super) fn lose(self) -> Vec<(J, Vec<MessageId>)> {
        let unknown = |flight: Flight<J>| {
            let unknown = flight.sent.into_iter().filter(|sent| !sent.has_arrived());
            (flight.job, unknown.map(|sent| sent.id).collect())
        };
        self.flights.into_iter().map(unknown).collect()
    }

    /// Something has come that cannot be read. Where silence means that a message was taken, that may have
    /// been its refusal: it is sent again.
    pub(super) fn doubt(&mut self) {
        self.flights.iter_mut().for_each(Flight::doubt);
    }

    /// Takes an acknowledgement that comes while the connection is being closed. Returns what it says of a
    /// message that was settled before.
    pub(super) fn hear_last(&mut self, answer: &Answer) -> Option<(MessageId, ForwardOutcome)> {
        for flight in &mut self.flights {
            match flight.hear(answer) {
                Heard::Other => continue,
                Heard::Settled(outcome) => flight.settle(outcome),
                Heard::Later => flight.postpone(),
                Heard::More => {}
            }
            return None;
        }
        match self.hear_late(answer) {
            Effect::Result(id, outcome) => Some((id, outcome)),
            _ => None,
        }
    }

    /// The connection has ended with close_notify: everything that was sent has arrived, unless it was sent
    /// just before `now`, when the gateway began to close it. What asks for an acknowledgement and has none
    /// is sent again.
    pub(super) fn finish(self, now: Instant, limits: Limits) -> Vec<Done<J>> {
        let done = |mut flight: Flight<J>| {
            if !is_proved_by_end(flight.since, now) {
                flight.postpone_silent();
            }
            if flight.awaits() && !flight.is_late(now, limits) {
                // It had no time: the platform may not have come to it.
                flight.postpone();
            }
            flight.done()
        };
        self.flights.into_iter().map(done).collect()
    }
}

impl<J> Flight<J> {
    fn is_late(&self, now: Instant, limits: Limits) -> bool {
        self.awaits() && self.since + self.limit(limits) <= now
    }

    fn limit(&self, limits: Limits) -> Duration {
        if self.is_accepted() { limits.result } else { limits.answer }
    }

    fn done(self) -> Done<J> {
        Done::new(self.job, self.sent)
    }
}

/// Whether close_notify of the platform proves that something has arrived which was sent at `since`. A
/// platform may end a connection by itself, and then what was sent last may have met its close_notify on the
/// way: until `now`, when the gateway began to close the connection, none had come.
pub(super) fn is_proved_by_end(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= PROOF_AFTER
}

/// MSH-10s that a connection remembers; then a new one takes its place.
const MAX_FOLLOWED: usize = 1024;

/// When a message that asks for no acknowledgement needs another proof that it has arrived.
const PROOF_AFTER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
