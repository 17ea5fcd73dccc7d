//! Answers to orders that were sent to the platform, which acknowledges none of them.

use std::time::Instant;

use tokio::sync::mpsc;

use super::orders::OrderReply;
use super::window::is_proved_by_end;
use crate::model::MessageId;

/// The last answers to orders that were sent on a connection, until it is proved that they have arrived: by
/// the acknowledgement of a later message, or by a clean end of the connection. Dropped, it gives back the
/// others.
#[derive(Debug)]
pub(super) struct Passed {
    /// Where answers go that have not arrived.
    returned: mpsc::Sender<OrderReply>,
    /// In the order in which they were sent.
    sent: Vec<One>,
}

#[derive(Debug)]
struct One {
    reply: OrderReply,
    order: MessageId,
    /// How many messages had been sent on the connection before.
    after: u64,
    since: Instant,
}

impl Passed {
    pub(super) const fn new(returned: mpsc::Sender<OrderReply>) -> Self {
        Self { returned, sent: Vec::new() }
    }

    /// An answer was sent, after so many messages.
    pub(super) fn add(&mut self, reply: OrderReply, after: u64, since: Instant) {
        // An accept acknowledgement that is lost comes again when the platform sends the order again.
        if let Some(order) = reply.finishes {
            self.sent.push(One { reply, order, after, since });
        }
    }

    /// The message with this number was acknowledged: the orders whose answers have arrived before it.
    pub(super) fn proved_by(&mut self, number: u64) -> Vec<MessageId> {
        let count = self.sent.iter().take_while(|one| one.after < number).count();
        self.sent.drain(..count).map(|one| one.order).collect()
    }

    /// The connection has ended with close_notify: the orders whose answers have arrived.
    pub(super) fn proved_by_end(&mut self, now: Instant) -> Vec<MessageId> {
        let count = self.sent.iter().take_while(|one| is_proved_by_end(one.since, now)).count();
        self.sent.drain(..count).map(|one| one.order).collect()
    }

    /// Since when the oldest has been without proof.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sent.first().map(|one| one.since)
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        for One { reply, .. } in self.sent.drain(..) {
            // While too many wait, the platform does without it until the next start.
            let _ = self.returned.try_send(reply);
        }
    }
}
