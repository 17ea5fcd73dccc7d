//! One connection of a device, as a state machine without sockets, clocks or databases.
//!
//! Bytes, results of the store and deadlines go in; [`Effect`]s come out, in order. A session is duplex:
//! messages of the device are evaluated, recorded and acknowledged; messages for the device wait for theirs.
//!
//! Acknowledgements leave in the order in which the messages came, each once its message is durable (B.1: a
//! positive acknowledgement means that it is safe). Up to `[interface-a] in-flight` messages are stored at
//! once. In a gateway the application acknowledgements of the platform have an order of their own: see
//! `awaited`.

mod awaited;
mod buffer;
mod effect;
mod ending;
mod first_answer;
mod in_flight;
mod phase;
mod relayed;
mod timing;
mod turn;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder as _;

use self::awaited::Awaited;
pub(super) use self::buffer::READ_SIZE;
use self::buffer::{Buffer, HeldFrames};
pub(super) use self::effect::{Context, Effect, Now, Ticket};
use self::in_flight::{InFlight, PendingAnswer, take_pending};
use self::phase::{Phase, end_after, is_cut_short};
use self::timing::{CARRIAGE_RETURN_TIMEOUT, MESSAGES_AT_ONCE, Timing};
use super::acknowledgement::Acknowledgement;
use super::device_limits::{DeviceShare, Storage, count_of};
use super::inbound::{Decision, Inbound, Outcome, Part, Reply};
use super::pending_replies::PendingReplies;
use super::registry::Outgoing;
use super::settings::Settings;
use super::unawaited::UnawaitedAnswer;
use crate::audit::SessionEnd;
use crate::config::{Config, Gateway};
use crate::hl7::Rejection;
use crate::liveness::SignOfLife;
use crate::mllp::{BrokenReason, Codec, Interruption, Received};
use crate::model::{DeviceId, SessionId};
use crate::store::{RecordOutcome, StoreError, Verdict};
use crate::tls::Peer;

/// The state of one session. See the module.
#[derive(Debug)]
pub(super) struct Session {
    id: SessionId,
    inbound: Inbound,
    settings: Settings,
    codec: Codec,
    buffer: Buffer,
    held: HeldFrames,
    /// Parts of a frame that wait until fewer messages are in flight: a batch may hold more than the limit.
    backlog: VecDeque<Part>,
    in_flight: VecDeque<InFlight>,
    awaited: Awaited,
    /// Whether the next message may be large.
    has_large_turn: bool,
    /// Whether the first message of the backlog was read, and takes long to decide about.
    takes_long: bool,
    has_more: bool,
    next_ticket: u64,
    pending_replies: PendingReplies,
    share: Arc<DeviceShare>,
    /// When the device may send its next message: it sends too many per second.
    slowed_until: Option<Instant>,
    /// Identity violations and broken frames since the last accepted message.
    violations: u32,
    /// Whether the last frame was truncated: only the first of a run is stored.
    is_truncated_run: bool,
    /// Whether something of the peer was neither taken nor refused by an answer.
    is_incomplete: bool,
    phase: Phase,
    /// When the platform began to shut down.
    shutdown_since: Option<Instant>,
    effects: VecDeque<Effect>,
    timing: Timing,
}

impl Session {
    /// Opens the session of an admitted peer.
    pub(super) fn open(peer: Peer, id: SessionId, context: Context, now: Now) -> Self {
        let Context { config, directory, pending_replies, patient_key, relay, share } = context;
        let settings = Settings::new(config);
        Self {
            id,
            codec: Codec::new(settings.config().interface_a.max_frame),
            inbound: Inbound::new(peer, id, directory, patient_key, Arc::clone(&share)).with_relay(relay),
            share,
            slowed_until: None,
            settings,
            buffer: Buffer::default(),
            held: HeldFrames::default(),
            backlog: VecDeque::new(),
            in_flight: VecDeque::new(),
            awaited: Awaited::default(),
            has_large_turn: false,
            takes_long: false,
            has_more: false,
            next_ticket: 0,
            pending_replies,
            violations: 0,
            is_truncated_run: false,
            is_incomplete: false,
            phase: Phase::Open,
            shutdown_since: None,
            effects: VecDeque::new(),
            timing: Timing::new(now.instant),
        }
    }

    /// Where bytes of the peer are to be appended before [`Session::received`].
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer.bytes
    }

    /// The device that sends.
    pub(super) fn device(&self) -> &DeviceId {
        self.inbound.device()
    }

    /// What the buffer holds of an incomplete frame once it has space for the next read; 0 between frames.
    pub(super) fn frame_bytes(&self) -> usize {
        if self.codec.in_frame() { self.buffer.wanted(self.config().interface_a.max_frame) } else { 0 }
    }

    /// Bytes of large frames that are complete, and not stored yet.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Makes space for the next read.
    pub(super) fn grow_buffer(&mut self) {
        self.buffer.grow(self.settings.config().interface_a.max_frame);
    }

    /// Whether bytes should be read: not while as many messages are in flight as may be. This is the
    /// backpressure that a slow store exerts on its senders.
    pub(super) fn wants_input(&self) -> bool {
        self.phase == Phase::Open && self.backlog.is_empty() && self.has_capacity()
    }

    /// Reports whether the connection reads at present. Idle and frame timeouts are suspended while
    /// backpressure pauses reads; paused time is not charged to the peer.
    pub(super) fn set_reading(&mut self, reads: bool, now: Now) {
        self.refresh_settings();
        self.timing.set_reading(reads, now.instant);
    }

    /// Frees the queues of a session that waits for its peer.
    pub(super) fn release_memory(&mut self) {
        if self.in_flight.is_empty() && self.backlog.is_empty() && self.effects.is_empty() {
            (self.in_flight, self.backlog, self.effects) = Default::default();
            self.awaited.release_memory();
        }
    }

    /// Since when nothing has come and nothing is in flight.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.owes_nothing() && self.backlog.is_empty() && !self.codec.in_frame();
        (is_idle && self.phase == Phase::Open).then_some(self.timing.last_activity)
    }

    /// Whether the session only finishes what is in flight, or is over.
    pub(super) fn is_draining(&self) -> bool {
        self.phase != Phase::Open
    }

    /// How many messages have come.
    pub(super) const fn messages(&self) -> u64 {
        self.next_ticket
    }

    /// Whether messages wait for [`Session::evaluate`]. A few are evaluated at a time, so that a device that
    /// floods its sessions leaves the processor to others.
    pub(super) fn has_more(&self) -> bool {
        self.has_more && self.has_capacity()
    }

    /// Evaluates the messages that wait.
    pub(super) fn evaluate(&mut self, now: Now) {
        self.has_large_turn = self.waiting_large_message().is_some();
        self.read_frames(now);
    }

    /// The next thing to do.
    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Bytes were appended to the buffer.
    pub(super) fn received(&mut self, now: Now) {
        self.timing.last_activity = now.instant;
        self.read_frames(now);
    }

    /// The peer will send no more.
    pub(super) fn peer_closed(&mut self, now: Now) {
        if self.phase != Phase::Open {
            return;
        }
        if let Some(received) = self.codec.complete_without_cr(&mut self.buffer.bytes) {
            self.take(received, now);
            self.read_frames(now);
        }
        if let Some(broken) = self.codec.abandon(&mut self.buffer.bytes, Interruption::EndOfStream) {
            self.take(Received::Broken(broken), now);
        }
        self.keep_stray_run(now);
        self.drain(SessionEnd::PeerClosed);
    }

    /// The store has answered.
    pub(super) fn recorded(&mut self, ticket: Ticket, outcome: &Result<RecordOutcome, StoreError>, now: Now) {
        let Some((message, pending, since)) = take_pending(&mut self.in_flight, ticket) else { return };
        let PendingAnswer { frames, label, on_store_failure, settles, relayed, is_in_turn } = pending;
        let is_held = outcome.is_ok() && relayed.is_some_and(|relayed| relayed.holds_place);
        // An answer that was not stored leaves its order in doubt: the device gets it again.
        if let (Ok(recorded), Some(Reply { control_id, code, mode })) = (outcome, settles) {
            let acknowledgement = Acknowledgement { code, message: recorded.message() };
            let device = self.inbound.device();
            if !self.pending_replies.settle(self.id, device, &control_id, acknowledgement) {
                let unawaited = UnawaitedAnswer::new(device, control_id, acknowledgement, mode);
                self.effects.extend(unawaited.map(Effect::PassOn));
            }
        }
        let mut late = None;
        let (frames, label) = match (outcome, on_store_failure) {
            (Ok(recorded), failure) => {
                let is_resend = failure.is_some() && matches!(recorded, RecordOutcome::Resend { .. });
                let label = if is_resend && !is_held { label.resend() } else { label };
                late = failure.map(|failure| (failure, label));
                (if is_held { Bytes::new() } else { first_answer::of(recorded, frames) }, label)
            }
            (Err(_), None) => (frames, label),
            (Err(_), Some(failure)) => {
                self.effects.push_back(Effect::Rejected(Rejection::StoreUnavailable.code().to_owned()));
                let unavailable = Rejection::StoreUnavailable;
                self.inbound.answer_failure(&failure, &unavailable, label, &self.settings, now.wall)
            }
        };
        self.is_incomplete |= outcome.is_err() && frames.is_empty();
        let is_answered = is_in_turn && !is_held;
        *message = InFlight::Answered(if is_answered { self.awaited.answer(ticket, frames) } else { frames });
        if relayed.is_some() {
            self.await_platform(ticket, outcome, late);
        }
        self.effects.push_back(Effect::Count(label, since));
        self.timing.last_activity = now.instant;
        self.send_answers();
        self.read_frames(now);
    }

    /// Sends a message of ours, unless its sender has stopped waiting for the acknowledgement. A peer that
    /// takes no bytes may have delayed it until it expired, and an order must not come late.
    pub(super) fn deliver(&mut self, outgoing: Outgoing, now: Now) {
        let Outgoing { control_id, exchange, deadline, frame } = outgoing;
        let is_over = deadline.is_over(now.wall, now.instant);
        if !is_over && self.pending_replies.awaits(self.inbound.device(), &control_id, exchange) {
            self.effects.push_back(Effect::Send(frame));
        }
    }

    /// When [`Session::expired`] has to be called, unless another event comes first. At least once a
    /// minute, so that a shorter timeout reaches a session that waits with a longer one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let timeout = self.timeout().map(|timeout| timeout.min(self.timing.settings_deadline()));
        [timeout, self.slowed_until, self.relay_deadline()].into_iter().flatten().min()
    }

    /// When the peer is late.
    fn timeout(&self) -> Option<Instant> {
        if !self.wants_input() || self.timing.is_paused() {
            return None;
        }
        if self.codec.awaiting_carriage_return() {
            return Some(self.timing.last_activity + CARRIAGE_RETURN_TIMEOUT);
        }
        let limits = &self.config().interface_a;
        match self.timing.frame_began {
            Some(began) => Some(began + limits.frame_timeout),
            None if self.owes_nothing() => Some(self.timing.last_activity + limits.idle_timeout),
            None => None,
        }
    }

    /// The deadline has passed. Does nothing if a timeout has not.
    pub(super) fn expired(&mut self, now: Now) {
        self.refresh_settings();
        if self.slowed_until.take_if(|until| *until <= now.instant).is_some() {
            self.read_frames(now);
        }
        if self.relay_deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.abandon_relayed();
            return self.send_answers();
        }
        if self.timeout().is_none_or(|timeout| now.instant < timeout) {
            return;
        }
        if let Some(received) = self.codec.complete_without_cr(&mut self.buffer.bytes) {
            self.take(received, now);
            self.read_frames(now);
        } else if let Some(broken) = self.codec.abandon(&mut self.buffer.bytes, Interruption::Timeout) {
            self.take(Received::Broken(broken), now);
            self.drain(SessionEnd::FrameTimeout);
        } else {
            self.keep_stray_run(now);
            self.drain(SessionEnd::IdleTimeout);
        }
    }

    /// Evaluates the messages that have been read, for as long as more may be in flight.
    fn read_frames(&mut self, now: Now) {
        let last = self.next_ticket + MESSAGES_AT_ONCE;
        self.has_more = false;
        while self.has_capacity() {
            if self.next_ticket >= last {
                self.has_more = true;
                break;
            }
            self.refresh_settings();
            let has_large_turn = std::mem::take(&mut self.has_large_turn);
            if !has_large_turn && self.waits_for_turn() {
                break;
            }
            if let Some(part) = self.backlog.pop_front() {
                let unevaluated = self.inbound.read(&part, &self.settings, now.wall);
                self.takes_long = !has_large_turn && unevaluated.takes_long();
                if self.takes_long {
                    drop(unevaluated);
                    self.backlog.push_front(part);
                    break;
                }
                let expected =
                    |control_id: &[u8]| self.pending_replies.mode_of(self.inbound.device(), control_id);
                let room =
                    |raw: &[u8], gateway: &Gateway| self.awaited.room(raw, gateway.awaited_per_connection);
                let decision = unevaluated.decide(expected, room);
                self.apply(decision, now);
                continue;
            }
            if self.phase != Phase::Open {
                break;
            }
            let decoded = self.codec.decode(&mut self.buffer.bytes);
            self.keep_stray_run(now);
            match decoded {
                Ok(Some(received)) => {
                    self.timing.frame_began = None;
                    self.take(received, now);
                }
                // The codec does no I/O, so it has no read error to report.
                Ok(None) | Err(_) => break,
            }
        }
        self.timing.set_in_frame(self.codec.in_frame(), now.instant);
        self.buffer.shrink();
        self.send_answers();
    }

    fn take(&mut self, received: Received, now: Now) {
        match received {
            Received::Frame(mut frame) => {
                self.is_truncated_run = false;
                self.buffer.frame_taken(frame.payload.len());
                frame.payload = self.held.hold(frame.payload);
                let deviations = frame.deviations.iter().map(|deviation| Effect::Deviated(deviation.code()));
                self.effects.extend(deviations);
                self.backlog.extend(Part::split(frame));
            }
            Received::Broken(broken) => {
                self.effects.push_back(Effect::Deviated(broken.reason.code()));
                self.buffer.frame_taken(broken.bytes.len());
                if !broken.reason.must_close() {
                    self.violations = self.violations.saturating_add(1);
                }
                if matches!(broken.reason, BrokenReason::TooLarge | BrokenReason::MemoryLimit) {
                    self.effects.push_back(Effect::Refused(broken.reason, broken.bytes.len()));
                }
                let is_truncated = broken.reason == BrokenReason::Truncated;
                // A peer decides how many frames it breaks, so it must not decide how many rows that makes.
                if std::mem::replace(&mut self.is_truncated_run, is_truncated) && is_truncated {
                    self.end_after_violations();
                    return;
                }
                let decision = self.inbound.evaluate_broken(&broken, &self.settings, now.wall);
                self.is_incomplete |=
                    is_cut_short(broken.reason) && decision.record.acknowledgement.is_empty();
                self.apply(decision, now);
                if broken.reason.must_close() {
                    self.drain(end_after(broken.reason));
                }
            }
        }
    }

    /// Hands a message to the store and keeps its answer until the store has it.
    fn apply(&mut self, decision: Decision, now: Now) {
        let Decision { record, label, storage, outcome, violation, effort, is_in_turn } = decision;
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.count_rate(count_of(record.raw.len(), record.identities.len()).saturating_add(effort), now);
        self.effects.extend(record.verdict.rejection().map(|code| Effect::Rejected(code.to_owned())));
        self.effects.extend(violation.map(Effect::Audit));
        // An accepted message forgives earlier violations; a rejected one between two violations does not.
        if record.verdict == Verdict::Accepted {
            self.violations = 0;
        }
        let (mut on_store_failure, mut sign, mut relayed) = (None, SignOfLife::default(), None);
        let (mut end, mut settles) = (None, None);
        match outcome {
            Outcome::Accepted { on_store_failure: failure, sign: read, relayed: asked } => {
                (on_store_failure, sign, relayed) = (failure, read, asked);
            }
            Outcome::Rejected => {}
            // One device behind it is refused; the connection is that of all.
            Outcome::Violation if self.inbound.is_of_gateway() => {}
            Outcome::Violation => self.violations = self.violations.saturating_add(1),
            Outcome::Unanswerable => end = Some(SessionEnd::Unreadable),
            // B.1: MSA-2 names the message of ours that is meant.
            Outcome::Reply(reply) => settles = Some(reply),
        }
        let (frames, since) = (record.acknowledgement.clone(), now.instant);
        let is_in_turn = self.keep_place(ticket, &record.raw, relayed, is_in_turn);
        if storage == Storage::Stored {
            let pending =
                Box::new(PendingAnswer { frames, label, on_store_failure, settles, relayed, is_in_turn });
            self.in_flight.push_back(InFlight::Storing { ticket, pending, since });
            let record = Box::new(record);
            self.effects.push_back(Effect::Record { ticket, record, sign, relayed });
        } else {
            if storage == Storage::CountedFirst {
                let event = self.inbound.rejection_not_stored(record.raw.len(), now.wall);
                self.effects.push_back(Effect::Audit(event));
            }
            let frames = if is_in_turn { self.awaited.answer(ticket, frames) } else { frames };
            self.in_flight.push_back(InFlight::Answered(frames));
            self.effects.extend([Effect::NotStored, Effect::Count(label, since)]);
            self.send_answers();
        }
        self.end_after_violations();
        if let Some(reason) = end {
            self.drain(reason);
        }
    }

    fn send_answers(&mut self) {
        while let Some(InFlight::Answered(_)) = self.in_flight.front() {
            if let Some(InFlight::Answered(frames)) = self.in_flight.pop_front()
                && !frames.is_empty()
            {
                self.effects.push_back(Effect::Send(frames));
            }
        }
        while let Some(frames) = self.awaited.next_answer() {
            self.effects.extend((!frames.is_empty()).then_some(Effect::Send(frames)));
        }
        if let Phase::Draining(reason) = self.phase
            && self.owes_nothing()
            && self.backlog.is_empty()
        {
            self.phase = Phase::Ended;
            self.audit_stray_bytes();
            self.effects.push_back(Effect::End(reason));
        }
    }

    /// Whether each message has its answer, but for application acknowledgements that follow another one.
    fn owes_nothing(&self) -> bool {
        self.in_flight.is_empty() && !self.awaited.holds_places()
    }

    fn has_capacity(&self) -> bool {
        self.slowed_until.is_none() && self.in_flight.len() < self.config().interface_a.in_flight
    }

    fn config(&self) -> &Config {
        self.settings.config()
    }

    fn refresh_settings(&mut self) {
        if self.settings.refresh() {
            self.codec.set_max_frame(self.settings.config().interface_a.max_frame);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
