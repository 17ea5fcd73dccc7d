//! Messages that the platform does not take: with which connections to it were lost, or which it never
//! acknowledges.
//!
//! A message may make the platform end every connection on which it comes: it is larger than the platform
//! takes, or needs longer than its `frame-timeout`, or the platform fails over it. Sent first on each new
//! connection, it would hold up every device. So a message that was under way when two connections were lost
//! goes alone from then on, when its connection has worked on others for a while. When that has ended three
//! connections, between which the platform has acknowledged others, it is given up. Each time that its device
//! has it tried again, it may end one further connection.
//!
//! A message that the platform cannot take for long, though it takes others, stays in the queue; those behind
//! it go first.
//!
//! A message that the platform has had three times and never acknowledged is given up too: it must not hold
//! up those behind it forever. That counts as well only while the platform acknowledges others: a platform
//! whose application hangs acknowledges nothing.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::MessageId;

/// The messages that the platform does not take.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    all: HashMap<MessageId, Suspect>,
    /// How many messages the platform has acknowledged.
    acknowledged: u64,
}

#[derive(Debug, Default)]
struct Suspect {
    /// How many connections were lost while it was under way with others.
    lost: u32,
    /// How many it has ended alone.
    ended: Count,
    /// How often the platform has left it without its acknowledgement.
    unanswered: Count,
    /// How often the platform could not take it.
    postponed: Count,
}

/// Counts what may be the fault of a message, or of the platform: not twice while the platform acknowledges
/// nothing.
#[derive(Debug, Default)]
struct Count {
    times: u32,
    /// What the platform had acknowledged when that was last looked at.
    acknowledged: Option<u64>,
}

/// How a connection was lost while a message was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Others were under way as well.
    WithOthers,
    /// The message was alone.
    Alone,
}

/// What is done with a message that was under way when a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is sent again at once.
    Again,
    /// It was alone: it is sent again after this time.
    After(Duration),
    /// It is given up.
    Never,
}

impl Suspects {
    /// The platform has acknowledged messages, or their arrival is proved.
    pub(super) fn acquit(&mut self, messages: impl Iterator<Item = MessageId>) {
        for message in messages {
            self.acknowledged += 1;
            self.all.remove(&message);
        }
    }

    /// Whether the message goes alone.
    pub(super) fn goes_alone(&self, message: MessageId) -> bool {
        self.all.get(&message).is_some_and(|suspect| suspect.lost >= LOST)
    }

    /// A connection was lost while this message was under way.
    pub(super) fn lost(&mut self, message: MessageId, how: Loss) -> Next {
        let (suspect, acknowledged) = self.of(message);
        if suspect.lost < LOST || how == Loss::WithOthers {
            // From now on it counts what the platform acknowledges.
            suspect.ended.acknowledged.get_or_insert(acknowledged);
            suspect.lost = suspect.lost.saturating_add(1);
            return Next::Again;
        }
        if suspect.ended.is_enough(acknowledged) { Next::Never } else { Next::After(suspect.pause()) }
    }

    /// The platform has had this message, and has not acknowledged it. Whether it is given up.
    pub(super) fn is_never_answered(&mut self, message: MessageId) -> bool {
        let (suspect, acknowledged) = self.of(message);
        suspect.unanswered.is_enough(acknowledged)
    }

    /// The platform could not take this message at present. Whether that has gone on for so long, while the
    /// platform took others, that those behind it go first.
    pub(super) fn is_stuck(&mut self, message: MessageId) -> bool {
        let (suspect, acknowledged) = self.of(message);
        suspect.postponed.count(acknowledged);
        suspect.postponed.times >= STUCK
    }

    fn of(&mut self, message: MessageId) -> (&mut Suspect, u64) {
        if self.all.len() >= MAX_KNOWN {
            // Messages that were acknowledged on other ways are still among them.
            self.all.clear();
        }
        (self.all.entry(message).or_default(), self.acknowledged)
    }
}

impl Suspect {
    fn pause(&self) -> Duration {
        PAUSE * 2_u32.pow(self.ended.times)
    }
}

impl Count {
    /// Counts once more, unless the platform has acknowledged nothing since the last time. Whether that is
    /// enough.
    fn is_enough(&mut self, acknowledged: u64) -> bool {
        self.count(acknowledged);
        let is_enough = self.times >= MOST;
        if is_enough {
            // Its device may have it tried again: once.
            self.times = MOST - 1;
        }
        is_enough
    }

    fn count(&mut self, acknowledged: u64) {
        if self.acknowledged.replace(acknowledged) != Some(acknowledged) {
            self.times = self.times.saturating_add(1);
        }
    }
}

/// After so many lost connections a message goes alone.
const LOST: u32 = 2;
/// After so many times that count it is given up.
const MOST: u32 = 3;
/// After so many attempts that the platform could not take it, two seconds apart, those behind it go first.
const STUCK: u32 = 15;
/// The pause before the next attempt; it doubles with each connection that counts.
const PAUSE: Duration = Duration::from_secs(2);
/// Messages that are remembered. As many are under way on 64 connections with 16 lanes each.
const MAX_KNOWN: usize = 40_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    fn message() -> MessageId {
        MessageId::at(Clock::system().now())
    }

    #[test]
    fn a_message_that_ends_connections_goes_alone_and_is_given_up() {
        let (mut suspects, poison, other) = (Suspects::default(), message(), message());
        for _ in 0..LOST {
            assert!(!suspects.goes_alone(poison));
            assert_eq!([poison, other].map(|one| suspects.lost(one, Loss::WithOthers)), [Next::Again; 2]);
        }
        assert!(suspects.goes_alone(poison) && suspects.goes_alone(other));
        assert_eq!(suspects.lost(poison, Loss::Alone), Next::After(PAUSE), "nothing was acknowledged");
        suspects.acquit([other].into_iter());
        assert!(!suspects.goes_alone(other));
        for pauses in [2, 4] {
            assert_eq!(suspects.lost(poison, Loss::Alone), Next::After(PAUSE * pauses));
            suspects.acquit([message()].into_iter());
        }
        assert_eq!(suspects.lost(poison, Loss::Alone), Next::Never);
        // Its device has sent it again: one connection more.
        assert!(suspects.goes_alone(poison));
        suspects.acquit([message()].into_iter());
        assert_eq!(suspects.lost(poison, Loss::Alone), Next::Never);
        suspects.acquit([poison].into_iter());
        assert!(!suspects.goes_alone(poison));
    }

    #[test]
    fn while_the_platform_acknowledges_nothing_no_message_is_given_up() {
        let (mut suspects, only) = (Suspects::default(), message());
        assert_eq!([(); 2].map(|()| suspects.lost(only, Loss::Alone)), [Next::Again; 2]);
        for _ in 0..100 {
            assert_eq!(suspects.lost(only, Loss::Alone), Next::After(PAUSE));
        }
    }

    #[test]
    fn a_message_that_the_platform_cannot_take_lets_others_pass_only_while_others_are_taken() {
        let (mut suspects, stuck) = (Suspects::default(), message());
        for _ in 0..100 {
            assert!(!suspects.is_stuck(stuck), "the platform takes nothing");
        }
        let attempts = (0..100).find(|_| {
            suspects.acquit([message()].into_iter());
            suspects.is_stuck(stuck)
        });
        assert_eq!(attempts, Some(13), "the first attempt counts too");
        assert!(suspects.is_stuck(stuck));
        suspects.acquit([stuck].into_iter());
        assert!(!suspects.is_stuck(stuck));
    }

    // A platform whose application hangs may answer close_notify all the same.
    #[test]
    fn a_message_without_acknowledgement_is_given_up_only_while_others_are_acknowledged() {
        let (mut suspects, mute) = (Suspects::default(), message());
        for _ in 0..100 {
            assert!(!suspects.is_never_answered(mute));
        }
        suspects.acquit([message()].into_iter());
        assert!(!suspects.is_never_answered(mute) && !suspects.is_never_answered(mute));
        suspects.acquit([message()].into_iter());
        assert!(suspects.is_never_answered(mute));
        // Its device has sent it again.
        assert!(!suspects.is_never_answered(mute));
        suspects.acquit([message()].into_iter());
        assert!(suspects.is_never_answered(mute));
    }
}
