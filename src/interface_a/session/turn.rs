//! When a message is evaluated: in its order, as fast as the device may send, and beside the tasks of other
//! sessions where it takes long.

use super::Session;
use super::effect::{Effect, Now};
use super::phase::Phase;
use crate::interface_a::inbound::Part;

impl Session {
    /// The bytes of a message that waits for it and takes long: the connection chooses when and where.
    pub(in crate::interface_a) fn waiting_large_message(&self) -> Option<usize> {
        self.backlog.front().filter(|_| self.waits_for_turn() && self.has_capacity()).map(Part::len)
    }

    /// Whether the next message is evaluated only in the turn of the device: it is large, or costly.
    pub(super) fn waits_for_turn(&self) -> bool {
        self.backlog.front().is_some_and(|part| self.takes_long || part.takes_long())
    }

    /// A device that sends too many messages per second is read more slowly.
    pub(super) fn count_rate(&mut self, count: usize, now: Now) {
        let rate = self.config().devices.messages_per_second;
        let resume = self.share.take_message(now.instant, count, rate).filter(|_| self.phase == Phase::Open);
        if resume.is_some() && self.slowed_until.is_none() {
            self.effects.push_back(Effect::Slowed);
        }
        self.slowed_until = resume;
    }
}
