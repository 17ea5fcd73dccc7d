//! In a gateway: what is forwarded, what is answered here, and what the platform answers.
//!
//! An accept acknowledgement says that the message is safe, so the gateway sends it once the message is
//! durable here. An application acknowledgement says that the message was processed: only the platform does
//! that (HL7 2.6 ch. 2, 2.9).

use crate::config::{DuringOutage, Gateway};
use crate::hl7::{AcknowledgementRequest, Condition, Outcome, Rejection};
use crate::interface_a::relay::Relay;
use crate::model::DeviceId;
use crate::store::ForwardClass;

/// The application acknowledgement of a message comes from the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// Whether the device gets nothing else: later messages of its session are answered after it.
    pub(crate) holds_place: bool,
}

/// Whether a message may wait for what the platform answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Its connection has a place for it.
    Free,
    /// An earlier copy of it waits: it takes the place of that copy.
    Repetition,
    /// As many messages of its connection wait as may.
    Full,
}

/// What a device gets for an accepted message, and from whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    /// What is answered here.
    pub(super) here: AcknowledgementRequest,
    /// What the platform answers.
    pub(super) platform: Option<Relayed>,
}

impl Shares {
    /// Without a gateway everything is answered here.
    pub(super) fn of(request: AcknowledgementRequest, gateway: Option<&Gateway>) -> Self {
        if gateway.is_none() {
            return Self { here: request, platform: None };
        }
        let here = request.accept_only();
        let platform = match request.application() {
            Condition::Never => None,
            // The platform may stay silent.
            Condition::OnError => Some(Relayed { holds_place: false }),
            Condition::Always | Condition::OnSuccess => {
                Some(Relayed { holds_place: here.answers(Outcome::Accepted).accept.is_none() })
            }
        };
        Self { here, platform }
    }
}

/// Why a gateway does not take a message that could be taken otherwise, from this device and of this class.
/// Its device keeps it. `room` is asked only about a message that waits for the platform's answer.
pub(super) fn refusal(
    gateway: Option<&Gateway>,
    relay: Option<&Relay>,
    (device, class): (&DeviceId, ForwardClass),
    request: AcknowledgementRequest,
    room: impl FnOnce(&Gateway) -> Room,
) -> Option<Rejection> {
    let (gateway, relay) = (gateway?, relay?);
    let platform = Shares::of(request, Some(gateway)).platform;
    let room = platform.map(|_| room(gateway));
    // It is in the queue.
    if room == Some(Room::Repetition) {
        return None;
    }
    if !has_share(gateway.max_waiting, relay.queued(device), class) {
        return Some(Rejection::ForwardQueueFull);
    }
    let is_held = platform.is_some_and(|relayed| relayed.holds_place);
    if is_held && gateway.during_outage == DuringOutage::Refuse && !relay.is_connected() {
        return Some(Rejection::PlatformUnreachable);
    }
    let is_full = room == Some(Room::Full) || platform.is_some() && !relay.has_room();
    is_full.then_some(Rejection::AnswerQueueFull)
}

/// Whether one more message of a device may wait for the platform; `all` and `own` do. A tenth is for alarms.
/// One device that sends without end leaves a share to the others: it may have nine times as many as there
/// are places left.
fn has_share(most: usize, (all, own): (usize, usize), class: ForwardClass) -> bool {
    let reserve = if class == ForwardClass::Alarm { 0 } else { most / ALARM_RESERVE };
    let left = most.saturating_sub(reserve).saturating_sub(all);
    own < left.saturating_mul(DEVICE_SHARE)
}

/// Whether the answer to a message is an application acknowledgement alone, which leaves in its turn among
/// those of the platform.
pub(super) fn is_in_turn(
    gateway: Option<&Gateway>,
    request: AcknowledgementRequest,
    why: &Rejection,
) -> bool {
    // Its place would be beyond the limit.
    let is_beyond = *why == Rejection::AnswerQueueFull;
    let answers = request.answers(why.outcome());
    gateway.is_some() && !is_beyond && answers.accept.is_none() && answers.application.is_some()
}

/// The part of the queue that only alarms may use: a tenth.
const ALARM_RESERVE: usize = 10;
/// How many times as many messages as there are places left may be of one device.
const DEVICE_SHARE: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_device_leaves_a_share_of_the_queue_to_the_others_and_data_leaves_one_to_alarms() {
        let fill = |others: usize, class| {
            let mut own = 0;
            while has_share(1000, (others + own, own), class) {
                own += 1;
            }
            own
        };
        assert_eq!(fill(0, ForwardClass::Data), 810);
        assert_eq!(fill(0, ForwardClass::Alarm), 900);
        assert_eq!(fill(810, ForwardClass::Event), 81, "another device");
        assert_eq!(fill(891, ForwardClass::Alarm), 99);
        assert_eq!(fill(900, ForwardClass::Data), 0);
        assert!(!has_share(1000, (1000, 0), ForwardClass::Alarm));
        // A queue of two has two places.
        let small = [0, 1, 2].map(|own| has_share(2, (own, own), ForwardClass::Data));
        assert_eq!(small, [true, true, false]);
    }
}
