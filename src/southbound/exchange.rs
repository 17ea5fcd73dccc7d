//! One order: from the first byte sent to the last answer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, PAUSE, Subject, pause};
use super::sendable::Sendable;
use super::verdict::Heard;
use crate::audit::Settlement;
use crate::interface_a::{Delivery, Exchange, Recipient};
use crate::model::{Deadline, explained};
use crate::store::{AwaitedResult, Store, StoreError, WaitingMessage};

/// Sends an order, or waits for the result of one that the device has accepted, until it is settled, cannot
/// be sent at present, or `over`.
pub(super) async fn send(desk: Desk, message: WaitingMessage, is_gateway: bool, over: CancellationToken) {
    if let Err(error) = exchange(&desk, &message, is_gateway, &over).await {
        tracing::error!(
            message = %message.id,
            error = %explained(&error),
            "an order could not be sent; will retry"
        );
        // The order stays in the outbox and is read again when the store may have recovered.
        pause(PAUSE, &over).await;
    }
}

/// An order that was sent, or whose result is awaited.
struct Begun {
    exchange: Exchange,
    /// The session; `None` when the device has accepted the order before.
    sent_on: Option<Recipient>,
    /// Until when the next answer is awaited.
    until: Timestamp,
}

async fn exchange(
    desk: &Desk,
    message: &WaitingMessage,
    is_gateway: bool,
    over: &CancellationToken,
) -> Result<(), StoreError> {
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
    let Some(Begun { mut exchange, sent_on, until }) = begin(desk, message, &sendable).await? else {
        pause(RETRY, over).await;
        return Ok(());
    };
    loop {
        let until = result.map_or(until, |result| result.until);
        let answer = tokio::select! {
            biased;
            answer = exchange.answer() => answer,
            // An answer that arrives with the end of the wait counts: the order must not be sent again.
            () = desk.until(until, over) => exchange.end(),
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
        if let Some(recipient) = sent_on {
            end_unanswered(desk, message, &recipient, is_gateway, over).await;
        }
        desk.store.release(*id).await?;
    }
    let (end, settlement) = result.map_or((*expires_at, Settlement::Expired), |r| (r.until, r.otherwise));
    if end <= desk.store.now() {
        desk.lapse(*id, device, settlement).await?;
    }
    Ok(())
}

/// An order was sent on this session, and not answered. A gateway has a queue of its own, and its order must
/// not arrive later, so its connection is reset; a device may answer late.
async fn end_unanswered(
    desk: &Desk,
    message: &WaitingMessage,
    recipient: &Recipient,
    is_gateway: bool,
    over: &CancellationToken,
) {
    if !over.is_cancelled() {
        desk.registry.left_unanswered(recipient);
    }
    let is_given_up = !over.is_cancelled() || is_settled(desk, message).await;
    if is_gateway && is_given_up && desk.registry.discard(recipient) {
        let WaitingMessage { id, device, .. } = message;
        tracing::warn!(message = %id, %device, "an order was not answered; its connection is reset");
    }
}

/// Whether the order has an outcome: it was withdrawn, or another node has heard the answer.
async fn is_settled(desk: &Desk, WaitingMessage { id, .. }: &WaitingMessage) -> bool {
    let entry = desk.store.outbox_entry(*id).await;
    entry.is_ok_and(|entry| entry.is_some_and(|(entry, _)| entry.settled.is_some()))
}

/// `None` when another node has claimed the order, it is too soon for another attempt, or the device cannot
/// receive it at present.
async fn begin(
    desk: &Desk,
    message: &WaitingMessage,
    sendable: &Sendable,
) -> Result<Option<Begun>, StoreError> {
    let WaitingMessage { id, device, result, expires_at, is_relayed, .. } = message;
    let control_id = sendable.control_id.as_bytes();
    if let Some(AwaitedResult { until, .. }) = *result {
        let exchange = desk.registry.await_application(device, control_id, sendable.mode.clone());
        return Ok(exchange.ok().map(|exchange| Begun { exchange, sent_on: None, until }));
    }
    // In a gateway: the platform may have given it up meanwhile. One that another process took is not sent.
    let limit = || {
        let limit = desk.registry.relay().order_limit(*id, desk.clock.instant());
        limit.or(is_relayed.then_some(Duration::ZERO))
    };
    if is_over(limit()) {
        return Ok(None);
    }
    let Ok(recipient) = desk.registry.recipient(device) else { return Ok(None) };
    let now = desk.store.now();
    let until = now.saturating_add(ANSWER_TIMEOUT).map_or(*expires_at, |until| until.min(*expires_at));
    let Some(limit) = claim(&desk.store, message, until, limit).await? else { return Ok(None) };
    let delivery = Delivery {
        control_id: control_id.to_vec(),
        application: sendable.owes_result(),
        mode: sendable.mode.clone(),
        // The session looks at the time again: a peer that takes no bytes may take long.
        deadline: Deadline::after(&desk.clock, time_left(expires_at.duration_since(desk.store.now()), limit)),
        frame: sendable.frame(),
    };
    let exchange = desk.registry.deliver(&recipient, delivery);
    if exchange.is_err() {
        desk.store.release(*id).await?;
    }
    Ok(exchange.ok().map(|exchange| Begun { exchange, sent_on: Some(recipient), until }))
}

/// Claims an order, and says for how long it may be sent; `None` inside: until it expires. `None` when
/// another node has claimed it, or when `limit` is over: a claim may take long.
async fn claim(
    store: &Store,
    WaitingMessage { id, device, .. }: &WaitingMessage,
    until: Timestamp,
    limit: impl Fn() -> Option<Duration>,
) -> Result<Option<Option<Duration>>, StoreError> {
    if !store.claim(*id, device, until).await? {
        return Ok(None);
    }
    let limit = limit();
    if is_over(limit) {
        store.release(*id).await?;
        return Ok(None);
    }
    Ok(Some(limit))
}

fn is_over(limit: Option<Duration>) -> bool {
    limit.is_some_and(|left| left.is_zero())
}

fn time_left(left: SignedDuration, limit: Option<Duration>) -> SignedDuration {
    limit.and_then(|limit| SignedDuration::try_from(limit).ok()).map_or(left, |limit| left.min(limit))
}

/// How long a device may take to answer before an order is sent again, if it may be: on every session, also
/// where another one may be the one that takes orders. A device that is slow must not get it twice.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

/// Delay before an order is tried again that another node has, or that could not be handed to a session.
const RETRY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceId, MessageId};
    use crate::store::QueuedMessage;
    use crate::store::fixtures::{TestStore, gateway};

    // The platform may give an order up while a disk stalls.
    #[tokio::test]
    async fn an_order_whose_time_ends_while_it_is_claimed_is_not_sent() {
        let place = TestStore::new();
        let store = place.open().await;
        let device: DeviceId = "PUMP-1".parse().unwrap();
        store.add_device(gateway("PUMP-1"), "alice").await.unwrap();
        let now = store.now();
        let expires_at = now + SignedDuration::from_secs(28);
        let message = QueuedMessage {
            id: MessageId::at(now),
            device: device.clone(),
            message_type: "RGV^O15^RGV_O15".to_owned(),
            control_id: "1".to_owned(),
            expires_at,
            actor: "platform p:2575".to_owned(),
            raw: bytes::Bytes::from_static(b"MSH|^~\\&|A\r"),
            is_relayed: true,
        };
        store.queue(message).await.unwrap();
        let waiting = async || store.waiting_messages(None, 1).await.unwrap().remove(0);
        let order = waiting().await;
        assert!(order.is_relayed);
        for left in [Duration::ZERO, Duration::from_secs(1)] {
            let begun = claim(&store, &order, expires_at, || Some(left)).await.unwrap();
            assert_eq!(begun, (!left.is_zero()).then_some(Some(left)));
            assert_eq!(waiting().await.claimed_until.is_some(), !left.is_zero());
            place.clock.advance(Duration::from_secs(2));
        }
    }
}
