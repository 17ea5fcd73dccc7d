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
    let Some((_, raw)) = desk.store.outbox_entry(*id).await? else { return Ok(()) };
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
    }
    let (end, settlement) = result.map_or((*expires_at, Settlement::Expired), |r| (r.until, r.otherwise));
    if end <= desk.store.now() {
        desk.lapse(*id, device, settlement).await?;
    }
    Ok(())
}

/// `None` when another node has claimed the order, it is too soon for another attempt, or the device cannot
/// receive it at present.
async fn begin(
    desk: &Desk,
    message: &WaitingMessage,
    sendable: &Sendable,
    until: Timestamp,
) -> Result<Option<Exchange>, StoreError> {
    let WaitingMessage { id, device, result, expires_at, .. } = message;
    let control_id = sendable.control_id.as_bytes();
    if result.is_some() {
        return Ok(desk.registry.await_application(device, control_id, sendable.mode.clone()).ok());
    }
    let Ok(recipient) = desk.registry.recipient(device) else { return Ok(None) };
    if !desk.store.claim(*id, device, until).await? {
        return Ok(None);
    }
    let delivery = Delivery {
        control_id: control_id.to_vec(),
        application: sendable.owes_result(),
        mode: sendable.mode.clone(),
        // The session looks at the time again: the claim, or a peer that takes no bytes, may have taken long.
        deadline: Deadline::after(&desk.clock, expires_at.duration_since(desk.store.now())),
        frame: sendable.frame(),
    };
    let exchange = desk.registry.deliver(&recipient, delivery);
    if exchange.is_err() {
        desk.store.release(*id).await?;
    }
    Ok(exchange.ok())
}

/// How long a device may take to answer before an order is sent again, if it may be.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

/// Delay before an order is tried again that another node has, or that could not be handed to a session.
const RETRY: Duration = Duration::from_millis(250);
