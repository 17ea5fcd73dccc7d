//! Messages that are not answered yet.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::effect::Ticket;
use crate::interface_a::inbound::{Label, Relayed, Reply, StoreFailure};

/// A message that is not answered yet, in the order of arrival.
#[derive(Debug)]
pub(super) enum InFlight {
    Storing { ticket: Ticket, pending: Box<PendingAnswer>, since: Instant },
    Answered(Bytes),
}

/// What is sent once the store has the record of a message.
#[derive(Debug)]
pub(super) struct PendingAnswer {
    pub(super) frames: Bytes,
    pub(super) label: Label,
    /// Of an accepted message only.
    pub(super) on_store_failure: Option<StoreFailure>,
    /// What the platform of a gateway answers.
    pub(super) relayed: Option<Relayed>,
    /// Whether the answer leaves in its turn among the application acknowledgements.
    pub(super) is_in_turn: bool,
    /// The answer to an order that the message carries. The order is settled when the answer is durable.
    pub(super) settles: Option<Reply>,
}

/// Takes what is to be sent for a message that is being stored, and its time of arrival. An empty answer
/// stays in its place.
pub(super) fn take_pending(
    in_flight: &mut VecDeque<InFlight>,
    stored: Ticket,
) -> Option<(&mut InFlight, PendingAnswer, Instant)> {
    let is_storing =
        |message: &&mut InFlight| matches!(message, InFlight::Storing { ticket, .. } if *ticket == stored);
    let message = in_flight.iter_mut().find(is_storing)?;
    match std::mem::replace(message, InFlight::Answered(Bytes::new())) {
        InFlight::Storing { pending, since, .. } => Some((message, *pending, since)),
        InFlight::Answered(_) => None,
    }
}
