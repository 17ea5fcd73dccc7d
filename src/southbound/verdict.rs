//! What an answer of a device means for its order.

use jiff::{SignedDuration, Timestamp};

use super::sendable::OwedResult;
use crate::audit::Settlement;
use crate::hl7::AcknowledgementCode;
use crate::store::{AwaitedResult, OutboxEntry};

/// The meaning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The device has the order; its application acknowledgement is outstanding.
    Accepted,
    Acknowledged,
    Refused,
}

impl Heard {
    pub(super) const fn new(code: Option<AcknowledgementCode>, owed: OwedResult) -> Self {
        match (code, owed) {
            (Some(AcknowledgementCode::CA), OwedResult::Errors | OwedResult::Success) => Self::Accepted,
            (Some(AcknowledgementCode::CA | AcknowledgementCode::AA), _) => Self::Acknowledged,
            _ => Self::Refused,
        }
    }
}

/// How long the result of an order that was accepted at `now` is awaited, and the outcome without one.
pub(super) fn awaited(owed: OwedResult, now: Timestamp, timeout: SignedDuration) -> AwaitedResult {
    let otherwise = match owed {
        OwedResult::Errors => Settlement::Acknowledged,
        OwedResult::Success | OwedResult::Nothing => Settlement::Unconfirmed,
    };
    AwaitedResult { until: now.saturating_add(timeout).unwrap_or(now), otherwise }
}

/// The outcome of a settled order after a later answer; `None` when the answer changes nothing that is known.
///
/// The device knows best what it did, so its last word counts. Two words that contradict each other, and may
/// be about two copies of the order, leave it unconfirmed.
pub(super) fn after_late_answer(
    order: &OutboxEntry,
    outcome: Settlement,
    heard: Heard,
) -> Option<Settlement> {
    let had_success = order.acknowledgement.as_deref() == Some(AcknowledgementCode::AA.as_str());
    match (outcome, heard) {
        // What the operator did stays; what the device did is shown beside it.
        (Settlement::Withdrawn, Heard::Accepted) => {
            order.acknowledgement.is_none().then_some(Settlement::Withdrawn)
        }
        (Settlement::Withdrawn, _) => Some(Settlement::Withdrawn),
        (Settlement::Expired, Heard::Accepted) => Some(Settlement::Unconfirmed),
        (Settlement::Expired | Settlement::Unconfirmed, Heard::Acknowledged) => {
            Some(Settlement::Acknowledged)
        }
        (Settlement::Acknowledged, Heard::Refused) if had_success && order.attempts > 1 => {
            Some(Settlement::Unconfirmed)
        }
        (Settlement::Expired | Settlement::Unconfirmed | Settlement::Acknowledged, Heard::Refused) => {
            Some(Settlement::Refused)
        }
        (Settlement::Refused, Heard::Acknowledged) => Some(Settlement::Unconfirmed),
        (Settlement::Unconfirmed | Settlement::Acknowledged, Heard::Accepted)
        | (Settlement::Acknowledged, Heard::Acknowledged)
        | (Settlement::Refused, Heard::Accepted | Heard::Refused) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageId;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn order(acknowledgement: Option<&str>, attempts: u64) -> OutboxEntry {
        OutboxEntry {
            id: MessageId::at(NOW),
            queued_at: NOW,
            expires_at: NOW,
            device: "PUMP-1".parse().unwrap(),
            message_type: String::new(),
            control_id: String::new(),
            actor: String::new(),
            attempts,
            sent_at: None,
            acknowledgement: acknowledgement.map(str::to_owned),
            answer: None,
            result: None,
            settled: None,
            device_removed: false,
        }
    }

    // HL7 2.6 ch. 2, 2.9.3, table 0155
    #[test]
    fn an_accept_acknowledgement_is_the_last_word_only_if_no_result_is_owed() {
        use AcknowledgementCode::{AA, AE, AR, CA, CE, CR};
        for owed in [OwedResult::Nothing, OwedResult::Errors, OwedResult::Success] {
            assert_eq!(Heard::new(Some(AA), owed), Heard::Acknowledged);
            for code in [Some(AE), Some(AR), Some(CE), Some(CR), None] {
                assert_eq!(Heard::new(code, owed), Heard::Refused, "{code:?}");
            }
        }
        let accepted = |owed| Heard::new(Some(CA), owed);
        assert_eq!(accepted(OwedResult::Nothing), Heard::Acknowledged);
        assert_eq!([OwedResult::Errors, OwedResult::Success].map(accepted), [Heard::Accepted; 2]);
    }

    #[test]
    fn silence_after_an_acceptance_means_success_only_where_errors_alone_are_reported() {
        let minutes = SignedDuration::from_mins(5);
        let of = |owed| awaited(owed, NOW, minutes);
        assert_eq!(of(OwedResult::Errors).otherwise, Settlement::Acknowledged);
        assert_eq!(of(OwedResult::Success).otherwise, Settlement::Unconfirmed);
        assert_eq!(of(OwedResult::Errors).until, NOW + minutes);
        assert_eq!(awaited(OwedResult::Success, Timestamp::MAX, minutes).until, Timestamp::MAX);
    }

    #[test]
    fn a_late_answer_changes_the_outcome() {
        use Settlement::{Acknowledged, Expired, Refused, Unconfirmed, Withdrawn};
        for (outcome, answered, attempts, heard, expected) in [
            (Acknowledged, Some("CA"), 1, Heard::Refused, Some(Refused)),
            (Acknowledged, Some("CA"), 2, Heard::Refused, Some(Refused)),
            (Acknowledged, Some("AA"), 1, Heard::Refused, Some(Refused)),
            // The second copy may be what is refused, as a duplicate.
            (Acknowledged, Some("AA"), 2, Heard::Refused, Some(Unconfirmed)),
            (Acknowledged, Some("AA"), 2, Heard::Acknowledged, None),
            (Unconfirmed, Some("CA"), 1, Heard::Acknowledged, Some(Acknowledged)),
            (Unconfirmed, Some("CA"), 1, Heard::Refused, Some(Refused)),
            (Unconfirmed, Some("CA"), 1, Heard::Accepted, None),
            (Expired, None, 1, Heard::Accepted, Some(Unconfirmed)),
            (Expired, None, 1, Heard::Acknowledged, Some(Acknowledged)),
            (Expired, None, 1, Heard::Refused, Some(Refused)),
            (Refused, Some("AE"), 1, Heard::Acknowledged, Some(Unconfirmed)),
            (Refused, Some("AE"), 2, Heard::Refused, None),
            (Refused, Some("AE"), 1, Heard::Accepted, None),
            (Withdrawn, None, 1, Heard::Accepted, Some(Withdrawn)),
            (Withdrawn, Some("CA"), 1, Heard::Accepted, None),
            (Withdrawn, Some("CA"), 1, Heard::Acknowledged, Some(Withdrawn)),
            (Withdrawn, None, 1, Heard::Refused, Some(Withdrawn)),
        ] {
            let found = after_late_answer(&order(answered, attempts), outcome, heard);
            assert_eq!(found, expected, "{outcome:?} {answered:?} {attempts} {heard:?}");
        }
    }
}
