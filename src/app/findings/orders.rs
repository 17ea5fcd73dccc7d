//! Findings about orders.

use jiff::{SignedDuration, Timestamp};

use crate::audit::Settlement;
use crate::finding::facts::{OrderFailed, OrderOutcome};
use crate::finding::{Finding, Subject};
use crate::store::{FailedOrder, Store};

/// Orders that did not reach their goal within the last day: the latest of them.
pub(super) async fn failed(store: &Store) -> Vec<Finding> {
    let since = store.now().checked_sub(SHOWN).unwrap_or(Timestamp::MIN);
    // A store that cannot be read is a finding by itself.
    let failed = store.failed_orders(since, MAX_SHOWN).await.unwrap_or_default();
    failed.iter().map(finding).collect()
}

fn finding(FailedOrder { id, device, outcome, at, attempts }: &FailedOrder) -> Finding {
    let outcome = match outcome {
        // Who reads that it was never sent orders again, and the device does it twice.
        Settlement::Expired if *attempts > 0 => OrderOutcome::Unanswered,
        Settlement::Expired => OrderOutcome::Expired,
        Settlement::Refused => OrderOutcome::Refused,
        _ => OrderOutcome::Unconfirmed,
    };
    let facts = OrderFailed { device: device.to_string(), outcome };
    Finding::new(Subject::Order(id.to_string()), facts).since(*at)
}

/// How long a failed order stays a finding.
const SHOWN: SignedDuration = SignedDuration::from_hours(24);
/// How many of them are findings at a time; `order list` has all. Orders that fail later push none out, whose
/// finding would seem to have ended.
const MAX_SHOWN: u32 = 1000;
