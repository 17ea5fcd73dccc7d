//! Answers of the platform that the store could not take.
//!
//! On a full disk nothing can be settled, and what has been acknowledged to devices is on that disk, alarms
//! among it. So a lane goes on while the outcomes of its messages are in memory only. A process that ends
//! meanwhile sends those messages again, and the platform recognises them.

use std::collections::BTreeMap;

use crate::model::MessageId;
use crate::store::{ForwardClass, ForwardLane, ForwardOutcome};

/// Outcomes that wait for the store.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    outcomes: BTreeMap<(ForwardLane, MessageId), ForwardOutcome>,
    /// Bytes of the answers among them.
    bytes: usize,
}

impl Unrecorded {
    /// Keeps an outcome. Whether there was room.
    pub(super) fn hold(&mut self, lane: &ForwardLane, id: MessageId, outcome: &ForwardOutcome) -> bool {
        let bytes = size(outcome);
        let reserve = if lane.class == ForwardClass::Alarm { 0 } else { ALARM_RESERVE };
        if self.outcomes.len() >= MAX_HELD - reserve || self.bytes + bytes > MAX_HELD_BYTES {
            return false;
        }
        if self.outcomes.insert((lane.clone(), id), outcome.clone()).is_none() {
            self.bytes += bytes;
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// The last message of the lane whose outcome is here: those behind it wait.
    pub(super) fn last_of(&self, lane: &ForwardLane) -> Option<MessageId> {
        let [first, last] = [0, u8::MAX].map(|byte| (lane.clone(), MessageId::from_bytes([byte; 16])));
        self.outcomes.range(first..=last).next_back().map(|((_, id), _)| *id)
    }

    /// Some of them, which stay until they are [recorded](Self::recorded).
    pub(super) fn some(&self) -> Vec<(ForwardLane, MessageId, ForwardOutcome)> {
        let some = self.outcomes.iter().take(AT_ONCE);
        some.map(|((lane, id), outcome)| (lane.clone(), *id, outcome.clone())).collect()
    }

    /// The store has this one.
    pub(super) fn recorded(&mut self, lane: ForwardLane, id: MessageId) {
        if let Some(outcome) = self.outcomes.remove(&(lane, id)) {
            self.bytes -= size(&outcome);
        }
    }
}

fn size(outcome: &ForwardOutcome) -> usize {
    outcome.answer.as_ref().map_or(0, bytes::Bytes::len) + outcome.reason.as_ref().map_or(0, String::len)
}

/// Outcomes that are recorded together.
const AT_ONCE: usize = 256;
/// Outcomes that wait for the store.
const MAX_HELD: usize = 100_000;
/// Those of them that only alarms may have.
const ALARM_RESERVE: usize = MAX_HELD / 10;
/// Bytes of their answers.
const MAX_HELD_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    fn lane(class: ForwardClass, device: &str) -> ForwardLane {
        ForwardLane { class, device: device.parse().unwrap() }
    }

    fn outcome(answer: usize) -> ForwardOutcome {
        let answer = Some(vec![b'A'; answer].into());
        ForwardOutcome { is_accepted: true, code: "AA".to_owned(), reason: None, answer }
    }

    #[test]
    fn a_lane_goes_on_behind_what_is_not_recorded() {
        let mut held = Unrecorded::default();
        let [first, second, other] = [(); 3].map(|()| MessageId::at(Clock::system().now()));
        let (own, neighbour) = (lane(ForwardClass::Alarm, "PUMP-1"), lane(ForwardClass::Alarm, "PUMP-2"));
        for (lane, id) in [(&own, first), (&own, second), (&neighbour, other)] {
            assert!(held.hold(lane, id, &outcome(10)));
        }
        assert_eq!((held.last_of(&own), held.last_of(&neighbour)), (Some(second), Some(other)));
        assert_eq!(held.last_of(&lane(ForwardClass::Data, "PUMP-1")), None);
        let some = held.some();
        assert_eq!(some.iter().map(|(_, id, _)| *id).collect::<Vec<_>>(), [first, second, other]);
        for (lane, id, _) in some {
            held.recorded(lane, id);
        }
        assert!(held.is_empty() && held.bytes == 0);
    }

    #[test]
    fn what_is_held_is_bounded_and_alarms_have_a_reserve() {
        let mut held = Unrecorded::default();
        let (data, alarm) = (lane(ForwardClass::Data, "PUMP-1"), lane(ForwardClass::Alarm, "PUMP-1"));
        let id = || MessageId::at(Clock::system().now());
        assert!(!held.hold(&alarm, id(), &outcome(MAX_HELD_BYTES + 1)));
        let count =
            std::iter::repeat_with(|| held.hold(&data, id(), &outcome(0))).take_while(|is_held| *is_held);
        assert_eq!(count.count(), MAX_HELD - ALARM_RESERVE);
        assert!(held.hold(&alarm, id(), &outcome(0)));
    }
}
