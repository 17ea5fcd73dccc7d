//! Findings about orders.

use jiff::{SignedDuration, Timestamp};

use crate::audit::Settlement;
use crate::finding::facts::{OrderFailed, OrderOutcome};
use crate::finding::{Finding, Subject};
use crate::model::MessageId;
use crate::southbound::OrderFacts;
use crate::store::{FailedOrder, Store};

/// Orders that did not reach their goal within the last day: the latest of them.
pub(super) async fn failed(store: &Store) -> Vec<Finding> {
    let since = store.now().checked_sub(SHOWN).unwrap_or(Timestamp::MIN);
    // A store that cannot be read is a finding by itself.
    let failed = store.failed_orders(since, MAX_SHOWN).await.unwrap_or_default();
    let mut findings = Vec::with_capacity(failed.len());
    for (number, order) in failed.iter().enumerate() {
        let facts = if number < MAX_READ { facts(store, order.id).await } else { OrderFacts::default() };
        findings.push(finding(order, facts));
    }
    findings
}

async fn facts(store: &Store, order: MessageId) -> OrderFacts {
    let Ok(Some((entry, _))) = store.outbox_entry(order).await else { return OrderFacts::default() };
    let facts = OrderFacts::read(store, &[entry]).await.unwrap_or_default();
    facts.into_iter().next().unwrap_or_default()
}

fn finding(
    FailedOrder { id, device, outcome, at, attempts }: &FailedOrder,
    OrderFacts { addressee, refusal }: OrderFacts,
) -> Finding {
    let outcome = match outcome {
        // Who reads that it was never sent orders again, and the device does it twice.
        Settlement::Expired if *attempts > 0 => OrderOutcome::Unanswered,
        Settlement::Expired => OrderOutcome::Expired,
        Settlement::Refused => OrderOutcome::Refused,
        _ => OrderOutcome::Unconfirmed,
    };
    let facts = OrderFailed { device: device.to_string(), addressee, outcome, reason: refusal };
    Finding::new(Subject::Order(id.to_string()), facts).since(*at)
}

/// How long a failed order stays a finding.
const SHOWN: SignedDuration = SignedDuration::from_hours(24);
/// How many of them are findings at a time; `order list` has all. Orders that fail later push none out, whose
/// finding would seem to have ended.
const MAX_SHOWN: u32 = 1000;
/// Of how many of the latest the finding says for which device behind a gateway it was, and why it was
/// refused: that is read from the messages.
const MAX_READ: usize = 20;
