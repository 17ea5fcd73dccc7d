//! Messages with which connections to the platform were lost.
//!
//! A message may make the platform end every connection on which it comes: it is larger than the platform
//! takes, or needs longer than its `frame-timeout`, or the platform fails over it. Sent first on each new
//! connection, it would hold up every device. So a message that was under way when two connections were lost
//! goes alone from then on, when its connection has worked on others for a while. When that has ended three
//! connections, between which the platform has acknowledged others, it is given up. Each time that its device
//! has it tried again, it may end one further connection.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::MessageId;

/// The messages with which connections were lost.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    all: HashMap<MessageId, Suspect>,
    /// How many messages the platform has acknowledged.
    acknowledged: u64,
}

#[derive(Debug)]
struct Suspect {
    /// How many connections were lost while it was under way with others.
    lost: u32,
    /// How many it has ended alone, while the platform acknowledged others in between.
    ended: u32,
    /// What the platform had acknowledged when that was last looked at.
    acknowledged: u64,
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

    /// A connection was lost while this message was under way; `alone`: and nothing else.
    pub(super) fn lost(&mut self, message: MessageId, alone: bool) -> Next {
        if self.all.len() >= MAX_KNOWN {
            // Messages that were acknowledged on other ways are still among them.
            self.all.clear();
        }
        let acknowledged = self.acknowledged;
        let suspect = self.all.entry(message).or_insert(Suspect { lost: 0, ended: 0, acknowledged });
        if suspect.lost < LOST || !alone {
            suspect.lost = suspect.lost.saturating_add(1);
            return Next::Again;
        }
        // While the platform acknowledges nothing, it may be the platform's fault.
        if std::mem::replace(&mut suspect.acknowledged, acknowledged) != acknowledged {
            suspect.ended += 1;
        }
        if suspect.ended >= ENDED {
            // Its device may have it tried again: once, and alone.
            suspect.ended = ENDED - 1;
            return Next::Never;
        }
        Next::After(PAUSE * 2_u32.pow(suspect.ended))
    }
}

/// After so many lost connections a message goes alone.
const LOST: u32 = 2;
/// After so many that it has ended alone it is given up.
const ENDED: u32 = 3;
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
            assert_eq!([poison, other].map(|one| suspects.lost(one, false)), [Next::Again; 2]);
        }
        assert!(suspects.goes_alone(poison) && suspects.goes_alone(other));
        assert_eq!(suspects.lost(poison, true), Next::After(PAUSE), "nothing was acknowledged");
        suspects.acquit([other].into_iter());
        assert!(!suspects.goes_alone(other));
        for pauses in [2, 4] {
            assert_eq!(suspects.lost(poison, true), Next::After(PAUSE * pauses));
            suspects.acquit([message()].into_iter());
        }
        assert_eq!(suspects.lost(poison, true), Next::Never);
        // Its device has sent it again: one connection more.
        assert!(suspects.goes_alone(poison));
        suspects.acquit([message()].into_iter());
        assert_eq!(suspects.lost(poison, true), Next::Never);
        suspects.acquit([poison].into_iter());
        assert!(!suspects.goes_alone(poison));
    }

    #[test]
    fn while_the_platform_acknowledges_nothing_no_message_is_given_up() {
        let (mut suspects, only) = (Suspects::default(), message());
        assert_eq!([(); 2].map(|()| suspects.lost(only, true)), [Next::Again; 2]);
        for _ in 0..100 {
            assert_eq!(suspects.lost(only, true), Next::After(PAUSE));
        }
    }
}
