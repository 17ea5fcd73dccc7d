//! What is under way on one connection, and what an acknowledgement means for it. Pure: nothing here waits,
//! and the test joins it with the state machine of Interface A.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::flight::{Flight, Heard, Sent};
use crate::hl7::AcknowledgeAs;
use crate::interface_b::Answer;
use crate::model::MessageId;
use crate::store::{ForwardOutcome, WaitingForward};

/// Messages of a lane, in their order.
pub(super) trait Run {
    /// The next one.
    fn head(&self) -> Option<&WaitingForward>;
    /// Takes the next one, which is sent now.
    fn take_head(&mut self) -> Option<WaitingForward>;
}

/// Outcomes of messages.
pub(super) type Outcomes = Vec<(MessageId, ForwardOutcome)>;

/// What is under way on a connection.
#[derive(Debug)]
pub(super) struct Window<J> {
    /// Jobs whose last message waits for an acknowledgement, or for the proof that it has arrived.
    flights: Vec<Flight<J>>,
    /// Jobs whose next message has the MSH-10 of one that is under way here.
    held: VecDeque<J>,
    /// Messages that were sent on this connection.
    sent: u64,
}

/// What an acknowledgement means.
#[derive(Debug)]
pub(super) enum Effect<J> {
    /// No message waited for it.
    Unexpected,
    /// Another one follows, or nothing is known yet.
    Nothing,
    /// Messages are settled, and the jobs may go on. Everything that was sent before this number has arrived.
    Settled(Vec<(J, Outcomes)>, u64),
    /// The platform cannot take the next message of the job now. Those before it are settled.
    Postponed(J, Outcomes),
}

/// A message waited too long for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late;

impl<J: Run> Window<J> {
    pub(super) const fn new() -> Self {
        Self { flights: Vec::new(), held: VecDeque::new(), sent: 0 }
    }

    /// How many jobs it has.
    pub(super) fn jobs(&self) -> usize {
        self.flights.len() + self.held.len()
    }

    /// How many messages were sent.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes the next messages of a job: those that ask for no acknowledgement, and the first that asks for
    /// one. They are to be sent now, in this order. A message waits while another one with its MSH-10 is
    /// under way: the platform's answer to the one must not be taken for the other's.
    pub(super) fn send(&mut self, mut job: J, acknowledge: AcknowledgeAs, now: Instant) -> Vec<Bytes> {
        let (mut sent, mut bytes) = (Vec::new(), Vec::new());
        while let Some(head) = job.head() {
            let next = Sent::of(head, acknowledge);
            let is_same = |one: &Sent| one.control_id() == next.control_id();
            if sent.iter().chain(self.flights.iter().flat_map(|flight| &flight.sent)).any(is_same) {
                break;
            }
            let Some(message) = job.take_head() else { break };
            let is_silent = next.is_silent();
            sent.push(next);
            bytes.push(message.raw);
            self.sent += 1;
            if !is_silent {
                break;
            }
        }
        if sent.is_empty() {
            self.held.push_back(job);
        } else {
            self.flights.push(Flight { job, sent, number: self.sent, since: now });
        }
        bytes
    }

    /// The jobs that waited for another message: each is to be sent again.
    pub(super) fn take_held(&mut self) -> VecDeque<J> {
        std::mem::take(&mut self.held)
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
                    let Flight { job, mut sent, .. } = self.flights.remove(at);
                    sent.pop();
                    Effect::Postponed(job, Sent::outcomes(sent, None))
                }
            };
        }
        Effect::Unexpected
    }

    /// A message was acknowledged, so every message that was sent before it has arrived: the platform answers
    /// in order. That settles what asks for no acknowledgement.
    fn settle(&mut self, at: usize, outcome: Option<ForwardOutcome>) -> Effect<J> {
        let Flight { job, sent, number, .. } = self.flights.remove(at);
        let mut settled = vec![(job, Sent::outcomes(sent, outcome))];
        let is_proved = |other: &Flight<J>| !other.awaits() && other.number < number;
        while let Some(silent) = self.flights.iter().position(is_proved) {
            let Flight { job, sent, .. } = self.flights.remove(silent);
            settled.push((job, Sent::outcomes(sent, None)));
        }
        Effect::Settled(settled, number)
    }

    /// Whether a message waits for its acknowledgement.
    fn awaits(&self) -> bool {
        self.flights.iter().any(Flight::awaits)
    }

    /// When something is late. `other` is since when something else waits for a proof that it has arrived.
    pub(super) fn deadline(&self, limit: Duration, other: Option<Instant>) -> Option<Instant> {
        let awaited = self.flights.iter().filter(|flight| flight.awaits()).map(|flight| flight.since).min();
        awaited.map_or_else(
            || self.unproved(other).min().map(|since| since + PROOF_AFTER),
            |since| Some(since + limit),
        )
    }

    /// Whether only a clean end of the connection proves that what was sent has arrived: nothing waits for an
    /// acknowledgement, and something has been without proof for long.
    pub(super) fn needs_proof(&self, other: Option<Instant>, now: Instant) -> bool {
        !self.awaits() && self.unproved(other).any(|since| since + PROOF_AFTER <= now)
    }

    fn unproved(&self, other: Option<Instant>) -> impl Iterator<Item = Instant> {
        self.flights.iter().map(|flight| flight.since).chain(other)
    }

    /// What is settled because its time is over: a message that was accepted (CA), and whose result does not
    /// come. It has arrived; to send it again would repeat it.
    ///
    /// # Errors
    /// When a message that is late has not been accepted: the connection is given up.
    pub(super) fn expire(&mut self, now: Instant, limit: Duration) -> Result<Vec<Effect<J>>, Late> {
        let is_late = |flight: &Flight<J>| flight.awaits() && flight.since + limit <= now;
        let mut settled = Vec::new();
        while let Some(at) = self.flights.iter().position(is_late) {
            if !self.flights.get(at).is_some_and(Flight::is_accepted) {
                return Err(Late);
            }
            settled.push(self.settle(at, None));
        }
        Ok(settled)
    }

    /// The connection has ended with close_notify, after these acknowledgements: everything that was sent has
    /// arrived. What asks for an acknowledgement and has none is sent again.
    pub(super) fn finish(mut self, answers: &[Answer]) -> Vec<(J, Outcomes)> {
        let mut outcomes: Vec<Option<ForwardOutcome>> = vec![None; self.flights.len()];
        for answer in answers {
            for (flight, outcome) in self.flights.iter_mut().zip(&mut outcomes) {
                match flight.hear(answer) {
                    Heard::Other => continue,
                    Heard::Settled(settled) => *outcome = Some(settled),
                    Heard::More | Heard::Later => {}
                }
                break;
            }
        }
        let settled =
            self.flights.into_iter().zip(outcomes).map(|(Flight { job, mut sent, .. }, outcome)| {
                if outcome.is_none() && sent.last().is_some_and(|last| !last.is_silent()) {
                    sent.pop();
                }
                (job, Sent::outcomes(sent, outcome))
            });
        settled.collect()
    }
}

/// When a message that asks for no acknowledgement needs another proof that it has arrived.
const PROOF_AFTER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
