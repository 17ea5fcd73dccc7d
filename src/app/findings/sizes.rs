//! Limits of messages by size that are nearly reached.

use jiff::{SignedDuration, Timestamp};

use crate::app::size_watch::LimitedKind;
use crate::audit::MessageKind;
use crate::finding::facts::{SizeLimitNear, SizeOutlook, SizedKind};
use crate::finding::{Finding, Severity, Subject};

/// What takes nine tenths of its limit, in one finding.
pub(super) fn near(kinds: &[LimitedKind], now: Timestamp) -> Option<Finding> {
    let near: Vec<_> = kinds.iter().filter(|known| is_near(known)).collect();
    let severity = near.iter().map(|known| severity(known, now)).max()?;
    let kinds = near.iter().map(|known| facts(known, now)).collect();
    Some(Finding::new(Subject::Store, SizeLimitNear { kinds }).with_severity(severity))
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

fn facts(known: &LimitedKind, now: Timestamp) -> SizedKind {
    let LimitedKind { kind, limit, volume, unmeasured, .. } = known;
    let key = match kind {
        MessageKind::Rejected => "store.retain-rejected-size",
        MessageKind::Large => "store.retain-large-size",
        MessageKind::Accepted | MessageKind::Any => "store.retain-messages-size",
    };
    let (outlook, at) = match (volume.cutoff, volume.reached_at) {
        _ if volume.bytes_per_day > *limit => (SizeOutlook::DoesNotHold, None),
        _ if *unmeasured > 0 => (SizeOutlook::Unmeasured, None),
        (Some(cutoff), _) => (SizeOutlook::Removing, Some(cutoff.into())),
        (None, _) if is_removing(known, now) => (SizeOutlook::Steady, None),
        (None, Some(at)) => (SizeOutlook::Reached, Some(at.into())),
        (None, None) => (SizeOutlook::Far, None),
    };
    SizedKind {
        kind: kind.name().to_owned(),
        key: key.to_owned(),
        bytes: volume.bytes,
        limit_bytes: *limit,
        bytes_per_day: volume.bytes_per_day,
        unmeasured_hours: *unmeasured as u64,
        outlook,
        at,
    }
}

/// So long after a removal the limit counts as reached.
const STEADY: SignedDuration = SignedDuration::from_hours(48);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;
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
        assert_eq!((found.code(), found.severity), (Code::SizeLimitNear, Severity::Attention));
        assert!(found.what().contains("from 2023-11-15T22:13:20Z on"), "{}", found.what());
        assert!(found.what().contains("store.retain-large-size"), "{}", found.what());
    }

    #[test]
    fn a_limit_that_holds_is_worth_knowing_and_one_that_does_not_needs_a_person() {
        let holds = LimitedKind { removed_at: Some(now()), ..known(990, 10) };
        assert_eq!(near(&[holds], now()).unwrap().severity, Severity::Info);
        let flooded = LimitedKind { removed_at: Some(now()), ..known(3000, 1001) };
        let found = near(&[flooded], now()).unwrap();
        assert_eq!(found.severity, Severity::Attention);
        assert!(found.what().contains("does not hold"), "{}", found.what());
    }
}
