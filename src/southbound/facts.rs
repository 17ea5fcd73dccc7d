//! What an order and its answer say beside the outcome.

use std::collections::HashMap;

use crate::authz::{Device, DeviceKind, order_addressee};
use crate::hl7::Message;
use crate::model::DeviceId;
use crate::store::{OutboxEntry, Store, StoreError};

/// What an order and its answer say beside the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderFacts {
    /// The device behind a gateway that the order names.
    pub addressee: Option<String>,
    /// Why it was refused: ERR-5.1 of the answer, if that is a code.
    pub refusal: Option<String>,
}

impl OrderFacts {
    /// The facts of these orders, each in the place of its order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(store: &Store, orders: &[OutboxEntry]) -> Result<Vec<Self>, StoreError> {
        let mut devices = HashMap::new();
        let mut all = Vec::with_capacity(orders.len());
        for order in orders {
            if !devices.contains_key(&order.device) {
                devices.insert(order.device.clone(), gateway(store, &order.device).await?);
            }
            let gateway = devices.get(&order.device).and_then(Option::as_ref);
            all.push(Self {
                addressee: addressee(store, order, gateway).await?,
                refusal: refusal(store, order).await?,
            });
        }
        Ok(all)
    }
}

async fn gateway(store: &Store, device: &DeviceId) -> Result<Option<Device>, StoreError> {
    let device = store.device(device).await?;
    Ok(device.filter(|device| device.kind == DeviceKind::Gateway))
}

async fn addressee(
    store: &Store,
    order: &OutboxEntry,
    gateway: Option<&Device>,
) -> Result<Option<String>, StoreError> {
    let Some(gateway) = gateway else { return Ok(None) };
    let Some((_, raw)) = store.outbox_entry(order.id).await? else { return Ok(None) };
    let named = Message::parse(&raw).ok().and_then(|order| order_addressee(gateway, &order));
    Ok(named.map(|named| named.to_string()))
}

async fn refusal(store: &Store, order: &OutboxEntry) -> Result<Option<String>, StoreError> {
    let is_refusal = order.acknowledgement.as_deref().is_some_and(|code| !matches!(code, "AA" | "CA"));
    let Some(answer) = order.answer.filter(|_| is_refusal) else { return Ok(None) };
    let Some(stored) = store.message(answer).await? else { return Ok(None) };
    let answer = Message::parse(&stored.raw).ok();
    let reason = answer
        .as_ref()
        .and_then(|answer| answer.segment(b"ERR"))
        .map(|error| String::from_utf8_lossy(error.field(5).component(1).trimmed()).into_owned());
    Ok(reason.filter(|reason| is_code(reason)))
}

/// A text of a device may say something about a patient; a code does not.
fn is_code(reason: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_CODE).contains(&reason.len()) && reason.bytes().all(is_plain)
}

/// Bytes of a code.
const MAX_CODE: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_shown_if_it_is_a_code() {
        assert!(["order-device-away", "9007", "E_1.2"].into_iter().all(is_code));
        assert!(!["", "Doe, John", "a b", "M\u{fc}ller", &"x".repeat(41)].into_iter().any(is_code));
    }
}
