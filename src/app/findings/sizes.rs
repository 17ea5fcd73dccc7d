//! Limits of messages by size that are nearly reached.

use jiff::{SignedDuration, Timestamp};

use crate::app::size_watch::LimitedKind;
use crate::audit::MessageKind;
use crate::finding::{Code, Finding, Severity, Subject};
use crate::model::size_text;

/// What takes nine tenths of its limit, in one finding.
pub(super) fn near(kinds: &[LimitedKind], now: Timestamp) -> Option<Finding> {
    let near: Vec<_> = kinds.iter().filter(|known| is_near(known)).collect();
    let severity = near.iter().map(|known| severity(known, now)).max()?;
    let what: Vec<_> = near.iter().map(|known| in_words(known, now)).collect();
    Some(Finding::new(Code::SizeLimitNear, Subject::Store, what.join("; ")).with_severity(severity))
}

fn is_near(LimitedKind { limit, volume, .. }: &LimitedKind) -> bool {
    u128::from(volume.bytes) * 10 >= u128::from(*limit) * 9
}

/// A limit that is reached and holds is what the operator has chosen.
fn severity(known: &LimitedKind, now: Timestamp) -> Severity {
    let LimitedKind { limit, volume, .. } = known;
    if volume.bytes_per_day <= *limit && is_removing(known, now) {
        Severity::Info
    } else {
        Severity::Attention
    }
}

fn is_removing(known: &LimitedKind, now: Timestamp) -> bool {
    known.removed_at.is_some_and(|at| now.duration_since(at) < STEADY)
}

fn in_words(known: &LimitedKind, now: Timestamp) -> String {
    let LimitedKind { kind, limit, volume, unmeasured, .. } = known;
    let key = match kind {
        MessageKind::Rejected => "store.retain-rejected-size",
        MessageKind::Large => "store.retain-large-size",
        MessageKind::Accepted | MessageKind::Any => "store.retain-messages-size",
    };
    let (bytes, limit_text) = (size_text(volume.bytes), size_text(*limit));
    let kind = kind.name();
    let begin = format!("{kind} messages take {bytes} of {limit_text} ({key})");
    if volume.bytes_per_day > *limit {
        let day = size_text(volume.bytes_per_day);
        return format!(
            "{begin}, those of the last day alone {day}: nothing younger goes, and the limit does not hold"
        );
    }
    if *unmeasured > 0 {
        return format!("{begin}; {unmeasured} hours are not measured yet, and nothing goes before they are");
    }
    match (volume.cutoff, volume.reached_at) {
        (Some(cutoff), _) => {
            format!("{begin}: what was received before {cutoff:.0} is removed before its age")
        }
        (None, _) if is_removing(known, now) => format!("{begin}: the oldest are removed before their age"),
        (None, Some(at)) => {
            let day = size_text(volume.bytes_per_day);
            format!("{begin}: at {day} a day the oldest are removed before their age from {at:.0} on")
        }
        (None, None) => begin,
    }
}

/// So long after a removal the limit counts as reached.
const STEADY: SignedDuration = SignedDuration::from_hours(48);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Volume;

    fn known(bytes: u64, bytes_per_day: u64) -> LimitedKind {
        let reached_at = (bytes <= 1000).then(|| now() + SignedDuration::from_hours(24));
        let cutoff = (bytes > 1000).then(|| now() - SignedDuration::from_hours(48));
        let volume = Volume { bytes, bytes_per_day, cutoff, reached_at };
        LimitedKind { kind: MessageKind::Large, limit: 1000, volume, unmeasured: 0, removed_at: None }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    #[test]
    fn a_limit_is_announced_before_anything_goes() {
        assert!(near(&[known(899, 10)], now()).is_none());
        let found = near(&[known(900, 10)], now()).unwrap();
        assert_eq!((found.code, found.severity), (Code::SizeLimitNear, Severity::Attention));
        assert!(found.what.contains("from 2023-11-15T22:13:20Z on"), "{}", found.what);
        assert!(found.what.contains("store.retain-large-size"), "{}", found.what);
    }

    #[test]
    fn a_limit_that_holds_is_worth_knowing_and_one_that_does_not_needs_a_person() {
        let holds = LimitedKind { removed_at: Some(now()), ..known(990, 10) };
        assert_eq!(near(&[holds], now()).unwrap().severity, Severity::Info);
        let flooded = LimitedKind { removed_at: Some(now()), ..known(3000, 1001) };
        let found = near(&[flooded], now()).unwrap();
        assert_eq!(found.severity, Severity::Attention);
        assert!(found.what.contains("does not hold"), "{}", found.what);
    }
}
