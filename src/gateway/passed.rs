//! Answers to orders that were sent to the platform, which acknowledges none of them.
//!
//! An answer may make the platform end every connection on which it comes, as a message may
//! ([`Suspects`](super::suspects)). Sent again on each new connection, before anything else, it would keep
//! every device from the platform.

use std::collections::VecDeque;
use std::time::Instant;

use tokio::sync::mpsc;

use super::orders::{Last, OrderReply, Orders};
use super::queue::Queue;
use super::suspects::{Loss, Next};
use super::window::is_proved_by_end;

/// The last answers to orders that were sent on a connection, until it is proved that they have arrived: by
/// the acknowledgement of a later message, or by a clean end of the connection. Dropped, it gives back the
/// others.
#[derive(Debug)]
pub(super) struct Passed {
    /// Where answers go that have not arrived.
    returned: mpsc::Sender<OrderReply>,
    /// In the order in which they were sent.
    sent: Vec<One>,
    /// Those that go alone, and have not been sent.
    alone: VecDeque<OrderReply>,
}

#[derive(Debug)]
struct One {
    reply: OrderReply,
    last: Last,
    /// How many messages had been sent on the connection before.
    after: u64,
    since: Instant,
}

impl Passed {
    pub(super) const fn new(returned: mpsc::Sender<OrderReply>) -> Self {
        Self { returned, sent: Vec::new(), alone: VecDeque::new() }
    }

    /// An answer was sent, after so many messages.
    pub(super) fn add(&mut self, reply: OrderReply, after: u64, since: Instant) {
        // An accept acknowledgement that is lost comes again when the platform sends the order again.
        if let Some(last) = reply.finishes {
            self.sent.push(One { reply, last, after, since });
        }
    }

    /// Keeps an answer until it may go alone.
    pub(super) fn keep_alone(&mut self, reply: OrderReply) {
        self.alone.push_back(reply);
    }

    /// The next one that goes alone.
    pub(super) fn take_alone(&mut self) -> Option<OrderReply> {
        self.alone.pop_front()
    }

    /// Whether some wait until they may go alone.
    pub(super) fn has_alone(&self) -> bool {
        !self.alone.is_empty()
    }

    /// How many were sent without proof.
    pub(super) const fn len(&self) -> usize {
        self.sent.len()
    }

    /// The message with this number was acknowledged: the orders whose answers have arrived before it.
    pub(super) fn proved_by(&mut self, number: u64) -> Vec<Last> {
        let count = self.sent.iter().take_while(|one| one.after < number).count();
        self.sent.drain(..count).map(|one| one.last).collect()
    }

    /// The connection has ended with close_notify: the orders whose answers have arrived.
    pub(super) fn proved_by_end(&mut self, now: Instant) -> Vec<Last> {
        let count = self.sent.iter().take_while(|one| is_proved_by_end(one.since, now)).count();
        self.sent.drain(..count).map(|one| one.last).collect()
    }

    /// The gateway has closed the connection, and the platform has ended it without close_notify, as some
    /// do (a reset, or no end at all, is none of that): which orders are over, because that has happened with
    /// their answers before.
    pub(super) fn taken_twice(&mut self, now: Instant) -> Vec<Last> {
        let mut over = Vec::new();
        self.sent.retain_mut(|one| {
            let is_over =
                is_proved_by_end(one.since, now) && std::mem::replace(&mut one.reply.is_closed, true);
            over.extend(is_over.then_some(one.last));
            !is_over
        });
        over
    }

    /// Since when the oldest has been without proof.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sent.first().map(|one| one.since)
    }

    /// The connection was lost before these answers had arrived; `how` says whether anything else was under
    /// way on it. One that ends connections waits, and is given up in the end: the platform then has its
    /// order without an answer.
    pub(super) async fn lost(mut self, orders: &Orders, queue: &Queue, how: Loss) {
        let mut given_up = Vec::new();
        for One { reply, last, .. } in std::mem::take(&mut self.sent) {
            match queue.suspects().lost(last.order, how) {
                Next::Again => give_back(&self.returned, reply),
                Next::After(pause) => {
                    let (returned, done) = (self.returned.clone(), queue.done.clone());
                    tokio::spawn(async move {
                        let _ = done.run_until_cancelled(tokio::time::sleep(pause)).await;
                        give_back(&returned, reply);
                    });
                }
                Next::Never => {
                    given_up.push(last);
                }
            }
        }
        orders.give_up(given_up).await;
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        let sent = self.sent.drain(..).map(|one| one.reply);
        sent.chain(self.alone.drain(..)).for_each(|reply| give_back(&self.returned, reply));
    }
}

fn give_back(returned: &mpsc::Sender<OrderReply>, reply: OrderReply) {
    // A refusal is not sent again by itself: the platform may repeat the order at the same moment, and its
    // device, which is back, carry it out. Who repeats an order that was refused is refused again.
    if reply.finishes.is_some_and(|last| last.is_refusal()) {
        return;
    }
    // While too many wait, the platform does without it until the next start.
    let _ = returned.try_send(reply);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::model::{Clock, MessageId};

    // Many TLS servers answer close_notify with the end of TCP alone.
    #[test]
    fn an_answer_that_only_such_an_end_follows_is_sent_twice_and_no_more() {
        let (clock, order) = (Clock::system(), MessageId::at(Clock::system().now()));
        let (returned, mut again) = mpsc::channel(1);
        let mut reply =
            OrderReply { raw: Bytes::new(), finishes: Some(Last::of_device(order)), is_closed: false };
        let began = clock.instant();
        for (after, over) in [(0, 0), (60, 0), (0, 0), (60, 1)] {
            let mut passed = Passed::new(returned.clone());
            passed.add(reply.clone(), 0, began);
            assert_eq!(passed.taken_twice(began + Duration::from_secs(after)).len(), over);
            drop(passed);
            match again.try_recv() {
                Ok(returned) => reply = returned,
                Err(_) => assert_eq!(over, 1),
            }
        }
    }

    // The platform repeats an order whose refusal it did not get.
    #[test]
    fn a_refusal_that_is_lost_is_not_sent_again_by_itself() {
        let (clock, order) = (Clock::system(), MessageId::at(Clock::system().now()));
        for (last, is_again) in [(Last::of_device(order), true), (Last { order, answer: order }, false)] {
            let (returned, mut again) = mpsc::channel(1);
            let mut passed = Passed::new(returned);
            let reply = OrderReply { raw: Bytes::new(), finishes: Some(last), is_closed: false };
            passed.add(reply, 0, clock.instant());
            drop(passed);
            assert_eq!(again.try_recv().is_ok(), is_again);
        }
    }
}
