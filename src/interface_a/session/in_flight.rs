//! Messages that are not answered yet.

use std::time::Instant;

use bytes::Bytes;

use super::effect::Ticket;
use crate::interface_a::inbound::{Label, Reply, StoreFailure};

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
    /// The answer to an order that the message carries. The order is settled when the answer is durable.
    pub(super) settles: Option<Reply>,
}
