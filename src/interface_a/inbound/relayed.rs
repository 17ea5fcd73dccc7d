//! In a gateway: what is forwarded, what is answered here, and what the platform answers.
//!
//! An accept acknowledgement says that the message is safe, so the gateway sends it once the message is
//! durable here. An application acknowledgement says that the message was processed: only the platform does
//! that (HL7 2.6 ch. 2, 2.9).

use crate::config::{DuringOutage, Gateway};
use crate::hl7::{AcknowledgementRequest, Condition, Outcome, Rejection};
use crate::interface_a::relay::Relay;
use crate::pcd::Transaction;
use crate::store::ForwardClass;

/// The application acknowledgement of a message comes from the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// Whether the device gets nothing else: later messages of its session are answered after it.
    pub(crate) holds_place: bool,
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

/// Why a gateway does not take a message that could be taken otherwise. Its device keeps it.
pub(super) fn refusal(
    gateway: Option<&Gateway>,
    relay: Option<&Relay>,
    request: AcknowledgementRequest,
) -> Option<Rejection> {
    let (gateway, relay) = (gateway?, relay?);
    if relay.queued() >= gateway.max_waiting {
        return Some(Rejection::ForwardQueueFull);
    }
    let is_held = Shares::of(request, Some(gateway)).platform.is_some_and(|relayed| relayed.holds_place);
    let is_refused = is_held && gateway.during_outage == DuringOutage::Refuse && !relay.is_connected();
    is_refused.then_some(Rejection::PlatformUnreachable)
}

/// What a message is forwarded as.
pub(super) const fn class(transaction: Option<Transaction>) -> ForwardClass {
    match transaction {
        Some(Transaction::Pcd04) => ForwardClass::Alarm,
        Some(Transaction::Pcd01 | Transaction::Pcd09) => ForwardClass::Data,
        _ => ForwardClass::Event,
    }
}
