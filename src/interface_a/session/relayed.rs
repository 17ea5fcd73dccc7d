//! In a gateway: the application acknowledgements that come from the platform.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::Session;
use super::effect::{Effect, Now, PlatformWord, Ticket};
use super::in_flight::InFlight;
use super::phase::Phase;
use crate::config::{DuringOutage, Gateway};
use crate::hl7::Rejection;
use crate::mllp::{CR, FS, VT};

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

    /// The platform has answered the message with this ticket, or is late.
    pub(in crate::interface_a) fn relayed(&mut self, ticket: Ticket, word: PlatformWord, now: Now) {
        let is_place = |message: &&mut InFlight| matches!(message, InFlight::Relaying { ticket: own, .. } if *own == ticket);
        let Some(place) = self.in_flight.iter_mut().find(is_place) else {
            // The device has its accept acknowledgement; this one comes when it comes.
            if let (PlatformWord::Answered(Some(answer)), Phase::Open) = (word, self.phase) {
                self.effects.push_back(Effect::Send(frame(&answer)));
            }
            return;
        };
        let held = std::mem::replace(place, InFlight::Answered(Bytes::new()));
        let frames = match (word, held) {
            (PlatformWord::Answered(answer), _) => answer.as_ref().map(frame).unwrap_or_default(),
            (PlatformWord::Late, InFlight::Relaying { failure: Some(failure), label, .. }) => {
                let late = Rejection::PlatformUnreachable;
                self.inbound.answer_failure(&failure, &late, label, &self.settings, now.wall).0
            }
            (PlatformWord::Late, _) => Bytes::new(),
        };
        *place = InFlight::Answered(frames);
        self.timing.last_activity = now.instant;
        self.send_answers();
        self.read_frames(now);
    }

    /// The session ends, and its device waits no longer for the platform. The messages stay in the queue.
    pub(super) fn abandon_relayed(&mut self) {
        for message in &mut self.in_flight {
            if matches!(message, InFlight::Relaying { .. }) {
                *message = InFlight::Answered(Bytes::new());
            }
        }
    }

    /// Until when a peer that has closed its side gets what the platform answers.
    pub(super) fn relay_deadline(&self) -> Option<Instant> {
        let waits = self.in_flight.iter().any(|message| matches!(message, InFlight::Relaying { .. }));
        (waits && matches!(self.phase, Phase::Draining(_))).then(|| self.timing.last_activity + MAX_LINGER)
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
