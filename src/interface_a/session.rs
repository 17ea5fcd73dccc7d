//! One connection of a device, as a state machine without sockets, clocks or databases.
//!
//! Bytes, answers of the store and deadlines go in; [`Effect`]s come out, in order. Duplex: what the device sends is
//! judged, recorded and acknowledged; what is delivered to the device waits here for its acknowledgement.
//!
//! Acknowledgements leave in the order in which the messages came, each when its message is durable, while up to
//! `in_flight` messages are being stored (B.1: a positive acknowledgement means that the message is safe).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio_util::codec::Decoder as _;

use super::inbound::{Inbound, Judged, Label, OnFailure, Part};
use super::pending_replies::PendingReplies;
use super::registry::Outgoing;
use crate::audit::{self, SessionEnd};
use crate::config::Config;
use crate::hl7::AcknowledgementCode;
use crate::mllp::{BrokenReason, Codec, Interruption, Received};
use crate::model::{MessageId, Refusal};
use crate::store::{MessageRecord, RecordOutcome, StoreError, Verdict};

/// How long a frame whose end block lacks its carriage return waits for it.
pub(super) const CARRIAGE_RETURN_WAIT: Duration = Duration::from_millis(200);

/// The two times of one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    pub(super) instant: Instant,
}

/// The bounds of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle_timeout: Duration,
    pub(super) frame_timeout: Duration,
    pub(super) max_frame: usize,
    pub(super) in_flight: usize,
    pub(super) max_violations: u32,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            idle_timeout: config.interface_a.idle_timeout,
            frame_timeout: config.interface_a.frame_timeout,
            max_frame: config.interface_a.max_frame,
            in_flight: config.interface_a.in_flight,
            max_violations: config.devices.max_violations,
        }
    }
}

/// What the world has to do for the session.
#[derive(Debug)]
pub(super) enum Effect {
    /// Store this, then call [`Session::recorded`] with the ticket.
    Record(Ticket, Box<MessageRecord>),
    /// Write these bytes to the peer: whole frames.
    Send(Bytes),
    /// Append this to the audit trail.
    Audit(audit::Event),
    /// Count a frame that has been dealt with.
    Count(Label, Instant),
    /// Count a frame that is not as the specification wants it, by the stable word for how.
    Deviated(&'static str),
    /// Nothing more will come: close the connection.
    End(SessionEnd),
}

/// Names one message that is being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// How a device answered a message that was delivered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// MSA-1; none when it is not one of HL7 table 0008.
    pub code: Option<AcknowledgementCode>,
    /// The message that brought it.
    pub message: MessageId,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    inbound: Inbound,
    limits: Limits,
    codec: Codec,
    buffer: BytesMut,
    /// Parts of a frame that wait for a slot: a batch may hold more messages than may be in flight.
    backlog: VecDeque<Part>,
    slots: VecDeque<Slot>,
    next_ticket: u64,
    pending_replies: PendingReplies,
    violations: u32,
    phase: Phase,
    effects: VecDeque<Effect>,
    last_activity: Instant,
    frame_began: Option<Instant>,
    /// Since when nothing has been read of the peer.
    held_back: Option<Instant>,
}

/// The answer to one message, in its place in the order of arrival.
#[derive(Debug)]
enum Slot {
    Waiting { ticket: Ticket, judged: Box<Pending>, since: Instant },
    Ready(Bytes),
}

/// What is left of a judged message once its record is with the store.
#[derive(Debug)]
struct Pending {
    on_stored: (Bytes, Label),
    on_failure: OnFailure,
    resend: Label,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No byte is read any more; what is being stored is still acknowledged.
    Draining(SessionEnd),
    Ended,
}

impl Session {
    pub(super) fn open(inbound: Inbound, pending_replies: PendingReplies, limits: Limits, now: Now) -> Self {
        Self {
            inbound,
            limits,
            codec: Codec::new(limits.max_frame),
            buffer: BytesMut::new(),
            backlog: VecDeque::new(),
            slots: VecDeque::new(),
            next_ticket: 0,
            pending_replies,
            violations: 0,
            phase: Phase::Open,
            effects: VecDeque::new(),
            last_activity: now.instant,
            frame_began: None,
            held_back: None,
        }
    }

    /// Where bytes of the peer are to be appended before [`Session::received`].
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether bytes should be read at all: not while as many messages are being stored as may be. That is how a
    /// store that cannot keep up slows its senders down.
    pub(super) fn wants_input(&self) -> bool {
        self.phase == Phase::Open && self.backlog.is_empty() && self.slots.len() < self.limits.in_flight
    }

    /// Tells the session whether its peer is read at present. A peer that is held back is not late: no deadline runs, and
    /// the time does not count afterwards.
    pub(super) fn reading(&mut self, reads: bool, now: Now) {
        if !reads {
            self.held_back.get_or_insert(now.instant);
        } else if let Some(since) = self.held_back.take() {
            let held = now.instant.saturating_duration_since(since);
            for time in [Some(&mut self.last_activity), self.frame_began.as_mut()].into_iter().flatten() {
                *time = (*time + held).min(now.instant);
            }
        }
    }

    /// Whether the session is only finishing what it has begun.
    pub(super) fn is_draining(&self) -> bool {
        self.phase != Phase::Open
    }

    /// The next thing to do.
    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Bytes were appended to the buffer.
    pub(super) fn received(&mut self, now: Now) {
        self.last_activity = now.instant;
        self.read_frames(now);
    }

    /// The peer will send no more.
    pub(super) fn peer_closed(&mut self, now: Now) {
        if self.phase != Phase::Open {
            return;
        }
        if let Some(received) = self.codec.complete_without_cr(&mut self.buffer) {
            self.take(received, now);
            self.read_frames(now);
        }
        if let Some(broken) = self.codec.abandon(&mut self.buffer, Interruption::EndOfStream) {
            self.take(Received::Broken(broken), now);
        }
        self.drain(SessionEnd::PeerClosed);
    }

    /// The store has answered.
    pub(super) fn recorded(&mut self, ticket: Ticket, outcome: &Result<RecordOutcome, StoreError>, now: Now) {
        let waiting = self
            .slots
            .iter_mut()
            .find(|slot| matches!(slot, Slot::Waiting { ticket: waiting, .. } if *waiting == ticket));
        let Some(slot) = waiting else { return };
        let Slot::Waiting { judged, since, .. } = std::mem::replace(slot, Slot::Ready(Bytes::new())) else {
            return;
        };
        let (answer, label) = match outcome {
            Ok(RecordOutcome::Stored(_)) => judged.on_stored,
            Ok(RecordOutcome::Resend { acknowledgement, .. }) => (acknowledgement.clone(), judged.resend),
            Err(_) => self.inbound.failed(judged.on_failure, judged.on_stored, now.wall),
        };
        *slot = Slot::Ready(answer);
        self.effects.push_back(Effect::Count(label, since));
        self.last_activity = now.instant;
        self.send_what_is_ready();
        self.read_frames(now);
    }

    /// Sends a message of ours, unless nobody waits for its acknowledgement any more: a peer that took no bytes for a while may
    /// have held it up until its time was over, and an order must not come late.
    pub(super) fn deliver(&mut self, Outgoing { control_id, frame }: Outgoing) {
        if self.pending_replies.expects(self.inbound.device(), &control_id) {
            self.effects.push_back(Effect::Send(frame));
        }
    }

    /// The right to be connected is gone: nothing more is heard from this peer.
    pub(super) fn withdraw(&mut self, refusal: Refusal) {
        self.drain(SessionEnd::Withdrawn(refusal));
    }

    /// Finishes what has begun, then ends.
    pub(super) fn drain(&mut self, why: SessionEnd) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining(why);
            // What has not begun is not acknowledged: its sender keeps it. Of a peer that has only said that it is
            // done, all that came is wanted.
            if why != SessionEnd::PeerClosed {
                self.backlog.clear();
            }
        }
        self.send_what_is_ready();
    }

    /// When [`Session::expired`] has to be called, unless something else happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.wants_input() || self.held_back.is_some() {
            return None;
        }
        if self.codec.awaiting_carriage_return() {
            return Some(self.last_activity + CARRIAGE_RETURN_WAIT);
        }
        match self.frame_began {
            Some(began) => Some(began + self.limits.frame_timeout),
            None if self.slots.is_empty() => Some(self.last_activity + self.limits.idle_timeout),
            None => None,
        }
    }

    /// The deadline has passed.
    pub(super) fn expired(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| now.instant < deadline) {
            return;
        }
        if let Some(received) = self.codec.complete_without_cr(&mut self.buffer) {
            self.take(received, now);
            self.read_frames(now);
        } else if let Some(broken) = self.codec.abandon(&mut self.buffer, Interruption::Timeout) {
            self.take(Received::Broken(broken), now);
        } else {
            self.drain(SessionEnd::IdleTimeout);
        }
    }

    /// Judges what has been read, and reads on, for as long as messages may be in flight.
    fn read_frames(&mut self, now: Now) {
        while self.slots.len() < self.limits.in_flight {
            if let Some(part) = self.backlog.pop_front() {
                let expects =
                    |control_id: &[u8]| self.pending_replies.expects(self.inbound.device(), control_id);
                let judged = self.inbound.judge(&part, now.wall, expects);
                self.book(judged, now);
                continue;
            }
            if self.phase != Phase::Open {
                break;
            }
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(received)) => {
                    self.frame_began = None;
                    self.take(received, now);
                }
                // The codec does no I/O of its own: it has no error to report when reading.
                Ok(None) | Err(_) => break,
            }
        }
        self.frame_began = match self.frame_began {
            began @ Some(_) if self.codec.in_frame() => began,
            _ => self.codec.in_frame().then_some(now.instant),
        };
        self.send_what_is_ready();
    }

    fn take(&mut self, received: Received, now: Now) {
        match received {
            Received::Frame(frame) => {
                self.effects.extend(frame.deviations.iter().map(|one| Effect::Deviated(one.code())));
                self.backlog.extend(Part::all_of(frame));
            }
            Received::Broken(broken) => {
                let reason = broken.reason;
                self.effects.push_back(Effect::Deviated(reason.code()));
                let judged = self.inbound.broken(broken, now.wall);
                self.book(judged, now);
                if reason.must_close() {
                    self.drain(end_after(reason));
                }
            }
        }
    }

    fn book(&mut self, judged: Judged, now: Now) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.effects.extend(judged.audit.into_iter().map(Effect::Audit));
        if let Some(answer) = judged.answers {
            // B.1: MSA-2 says which message of ours is meant.
            let acknowledgement = Acknowledgement { code: answer.code, message: judged.record.id };
            self.pending_replies.settle(self.inbound.device(), &answer.control_id, acknowledgement);
        }
        self.slots.push_back(Slot::Waiting {
            ticket,
            judged: Box::new(Pending {
                on_stored: judged.on_stored,
                on_failure: judged.on_failure,
                resend: judged.resend,
            }),
            since: now.instant,
        });
        // Only what is accepted forgives: a frame of garbage between two violations does not.
        if judged.violation {
            self.violations = self.violations.saturating_add(1);
        } else if judged.record.verdict == Verdict::Accepted {
            self.violations = 0;
        }
        self.effects.push_back(Effect::Record(ticket, Box::new(judged.record)));
        if self.violations >= self.limits.max_violations {
            self.drain(SessionEnd::Violations);
        }
        if let Some(why) = judged.closes {
            self.drain(why);
        }
    }

    fn send_what_is_ready(&mut self) {
        while let Some(Slot::Ready(_)) = self.slots.front() {
            if let Some(Slot::Ready(answer)) = self.slots.pop_front()
                && !answer.is_empty()
            {
                self.effects.push_back(Effect::Send(answer));
            }
        }
        if let Phase::Draining(why) = self.phase
            && self.slots.is_empty()
            && self.backlog.is_empty()
        {
            self.phase = Phase::Ended;
            self.account_for_stray_bytes();
            self.effects.push_back(Effect::End(why));
        }
    }

    /// Once per connection, when all of them are known. Line breaks between frames are a habit of many devices, told
    /// with each message and not worth a row.
    fn account_for_stray_bytes(&mut self) {
        if self.codec.stray_kept().iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.effects.push_back(Effect::Audit(self.inbound.stray(self.codec.stray_bytes())));
        }
    }
}

const fn end_after(reason: BrokenReason) -> SessionEnd {
    match reason {
        BrokenReason::TooLarge => SessionEnd::FrameTooLarge,
        BrokenReason::TimedOut => SessionEnd::FrameTimeout,
        BrokenReason::EndOfStream => SessionEnd::PeerClosed,
        BrokenReason::NoStartBlock | BrokenReason::Truncated | BrokenReason::Utf16 => SessionEnd::NotFramed,
    }
}

#[cfg(test)]
mod tests;
