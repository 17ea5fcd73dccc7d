//! One order: from the first byte sent to the last answer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, PAUSE, Subject, pause};
use super::sendable::Sendable;
use super::verdict::Heard;
use crate::audit::Settlement;
use crate::interface_a::{Delivery, Exchange};
use crate::model::{Deadline, explained};
use crate::store::{StoreError, WaitingMessage};

/// Sends an order, or waits for the result of one that the device has accepted, until it is settled, cannot
/// be sent at present, or `over`.
pub(super) async fn send(desk: Desk, message: WaitingMessage, over: CancellationToken) {
    if let Err(error) = exchange(&desk, &message, &over).await {
        tracing::error!(
            message = %message.id,
            error = %explained(&error),
            "an order could not be sent; will retry"
        );
        // The order stays in the outbox and is read again when the store may have recovered.
        pause(PAUSE, &over).await;
    }
}

async fn exchange(desk: &Desk, message: &WaitingMessage, over: &CancellationToken) -> Result<(), StoreError> {
    let WaitingMessage { id, device, expires_at, .. } = message;
    let Some((entry, raw)) = desk.store.outbox_entry(*id).await? else { return Ok(()) };
    let sendable = match Sendable::read(&raw) {
        Ok(sendable) => sendable,
        Err(unsendable) => {
            tracing::error!(
                message = %id,
                error = %explained(&unsendable),
                "outbox entry is not a sendable HL7 message; leaving it until it expires"
            );
            let (end, settlement) = message.lapse();
            desk.until(end, over).await;
            return desk.lapse(*id, device, settlement).await;
        }
    };
    let subject = Subject { id: *id, device, owed: sendable.result };
    let mut result = message.result;
    let first_answer = desk.store.now().saturating_add(ANSWER_TIMEOUT).unwrap_or(*expires_at);
    let until = result.map_or_else(|| first_answer.min(*expires_at), |result| result.until);
    let Some(mut exchange) = begin(desk, message, &sendable, until).await? else {
        pause(RETRY, over).await;
        return Ok(());
    };
    loop {
        let until = result.map_or(until, |result| result.until);
        let answer = tokio::select! {
            biased;
            answer = exchange.answer() => answer,
            () = desk.until(until, over) => None,
        };
        let Some(answer) = answer else { break };
        let heard = Heard::new(answer.code, sendable.result);
        let accepted = desk.write_down(subject, heard, answer, over).await?;
        // The first acceptance counts: a device that repeats it does not prolong the wait.
        result = result.or(accepted);
        if result.is_none() || heard != Heard::Accepted {
            return Ok(());
        }
    }
    if result.is_none() {
        desk.store.release(*id).await?;
        if desk.clock.now() < until {
            let again = desk.clock.now().saturating_add(retry_delay(entry.attempts)).unwrap_or(*expires_at);
            desk.until(again.min(*expires_at), over).await;
        }
    }
    let (end, settlement) = result.map_or((*expires_at, Settlement::Expired), |r| (r.until, r.otherwise));
    if end <= desk.store.now() {
        desk.lapse(*id, device, settlement).await?;
    }
    Ok(())
}

/// `None` when another node has claimed the order, or the device cannot receive it at present.
async fn begin(
    desk: &Desk,
    message: &WaitingMessage,
    sendable: &Sendable,
    until: Timestamp,
) -> Result<Option<Exchange>, StoreError> {
    let WaitingMessage { id, device, result, expires_at, .. } = message;
    let control_id = sendable.control_id.as_bytes();
    if result.is_some() {
        return Ok(desk.registry.await_application(device, control_id).ok());
    }
    if !desk.store.claim(*id, device, until).await? {
        return Ok(None);
    }
    let delivery = Delivery {
        control_id: control_id.to_vec(),
        application: sendable.owes_result(),
        // The session looks at the time again: the claim, or a peer that takes no bytes, may have taken long.
        deadline: Deadline::after(&desk.clock, expires_at.duration_since(desk.store.now())),
        frame: sendable.frame(),
    };
    let exchange = desk.registry.deliver(device, delivery);
    if exchange.is_err() {
        desk.store.release(*id).await?;
    }
    Ok(exchange.ok())
}

/// How long an order waits whose device has disconnected instead of answering, after so many earlier
/// attempts. Each attempt has a row in the audit trail, and a device that always does so must not fill it.
fn retry_delay(attempts: u64) -> SignedDuration {
    let Some(later) = attempts.checked_sub(PROMPT_ATTEMPTS) else { return SignedDuration::ZERO };
    let doubled = later.min(MAX_DOUBLINGS);
    (FIRST_DELAY * (1 << doubled)).min(ANSWER_TIMEOUT)
}

/// How long a device may take to answer before an order is sent again, if it may be.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

/// Delay before an order is tried again that another node has, or that could not be handed to a session.
const RETRY: Duration = Duration::from_millis(250);

/// Attempts that follow each other at once: the network may have failed.
const PROMPT_ATTEMPTS: u64 = 3;
const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(1);
const MAX_DOUBLINGS: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempts_follow_at_once_and_later_ones_ever_more_slowly() {
        let delays: Vec<_> = (0..10).map(|attempts| retry_delay(attempts).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry_delay(u64::MAX), ANSWER_TIMEOUT);
    }
}
