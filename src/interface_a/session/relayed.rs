//! In a gateway: the application acknowledgements that come from the platform.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::Session;
use super::awaited::Released;
use super::effect::{Effect, Now, Ticket};
use super::phase::Phase;
use crate::audit::SessionEnd;
use crate::config::{DuringOutage, Gateway};
use crate::hl7::Rejection;
use crate::interface_a::inbound::{Label, Relayed, Room, StoreFailure};
use crate::interface_a::relay::PlatformWord;
use crate::mllp::{CR, FS, VT};
use crate::store::{RecordOutcome, StoreError};

impl Session {
    /// How long a device waits for the platform; `None`: as long as it takes.
    pub(in crate::interface_a) fn platform_timeout(&self) -> Option<Duration> {
        match &self.config().gateway {
            Some(Gateway { during_outage: DuringOutage::Refuse, answer_timeout, .. }) => {
                Some(*answer_timeout)
            }
            _ => None,
        }
    }

    /// Keeps a place for what the platform answers to a message that is to be stored, or for an application
    /// acknowledgement of this gateway: those leave in one order. Returns whether the answer has a place.
    pub(super) fn keep_place(
        &mut self,
        ticket: Ticket,
        raw: &[u8],
        relayed: Option<Relayed>,
        is_in_turn: bool,
    ) -> bool {
        let Some(gateway) = &self.settings.config().gateway else { return false };
        // A refusal for which there is no place leaves at once.
        let has_place = relayed.is_some()
            || is_in_turn && self.awaited.room(raw, gateway.awaited_per_connection) == Room::Free;
        if has_place {
            self.awaited.reserve(ticket, raw, is_in_turn);
        }
        has_place && is_in_turn
    }

    /// The store has answered for a message that the platform answers.
    pub(super) fn await_platform(
        &mut self,
        ticket: Ticket,
        outcome: &Result<RecordOutcome, StoreError>,
        late: Option<(StoreFailure, Label)>,
    ) {
        let waits = matches!(self.phase, Phase::Open | Phase::Draining(SessionEnd::PeerClosed));
        match outcome {
            Ok(recorded) if waits => self.awaited.stored(ticket, recorded.message(), late),
            Ok(_) => self.awaited.remove(ticket),
            // A message that holds a place has its answer from here.
            Err(_) => self.awaited.forget_following(ticket),
        }
    }

    /// Whether this message waits for the platform.
    pub(in crate::interface_a) fn awaits(&self, ticket: Ticket) -> bool {
        self.awaited.awaits(ticket)
    }

    /// The platform has answered the message with this ticket, or is late.
    pub(in crate::interface_a) fn relayed(&mut self, ticket: Ticket, word: PlatformWord, now: Now) {
        let Some(released) = self.awaited.release(ticket) else { return };
        let (unanswered, is_in_turn) = match released {
            // The device has its accept acknowledgement; this one comes when it comes.
            Released::AtOnce(unanswered) => (unanswered, false),
            Released::InTurn(unanswered) => (unanswered, true),
        };
        let frames = match (word, unanswered) {
            (PlatformWord::Answered(answer), _) => answer.as_ref().map(frame).unwrap_or_default(),
            (PlatformWord::Late, Some((failure, label))) if is_in_turn => {
                let late = Rejection::PlatformUnreachable;
                self.inbound.answer_failure(&failure, &late, label, &self.settings, now.wall).0
            }
            (PlatformWord::GivenUp, Some((failure, label))) => {
                let (failure, given_up) = (failure.of_processing(), Rejection::NotForwarded);
                self.inbound.answer_failure(&failure, &given_up, label, &self.settings, now.wall).0
            }
            (PlatformWord::Late | PlatformWord::GivenUp, _) => Bytes::new(),
        };
        if !is_in_turn {
            if self.phase == Phase::Open && !frames.is_empty() {
                self.effects.push_back(Effect::Send(frames));
            }
            return;
        }
        self.awaited.answer(ticket, frames);
        self.timing.last_activity = now.instant;
        self.send_answers();
    }

    /// The session ends, and its device waits no longer for the platform. The messages stay in the queue.
    pub(super) fn abandon_relayed(&mut self) {
        self.awaited.abandon();
    }

    /// Until when a peer that has closed its side gets what the platform answers.
    pub(super) fn relay_deadline(&self) -> Option<Instant> {
        let waits = self.awaited.holds_places() && matches!(self.phase, Phase::Draining(_));
        waits.then(|| self.timing.last_activity + MAX_LINGER)
    }
}

fn frame(message: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 3);
    frame.put_u8(VT);
    frame.extend_from_slice(message);
    frame.extend_from_slice(&[FS, CR]);
    frame.freeze()
}

/// How long a connection whose peer has closed its side waits for the platform.
const MAX_LINGER: Duration = Duration::from_secs(30);
