//! What reaches a session from the rest of the platform: messages for its device, and the loss of its right
//! to be open.
//!
//! One small allocation for each session, because most sessions wait most of the time: a channel of the
//! runtime takes three kilobytes before the first message is in it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::outgoing::{DeliverError, Outgoing};
use crate::model::Refusal;

/// Shared by a session, which takes from it, and by the list of sessions. Only the task of the session waits.
#[derive(Debug, Default)]
pub(in crate::interface_a) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<Outgoing>,
    withdrawn: Option<Refusal>,
    /// Whether the session has not taken the last withdrawal.
    is_withdrawal_new: bool,
    /// Whether an order that was sent on the session is given up.
    has_stale_order: bool,
    /// Since when the session has been idle; `None` while it is busy.
    idle_since: Option<Instant>,
    /// Whether the session is over.
    is_closed: bool,
    /// Wakes the task of the session.
    waker: Option<Waker>,
}

impl Inbox {
    /// Queues a message.
    ///
    /// # Errors
    /// When the session is over, or too many messages wait.
    pub(super) fn deliver(&self, outgoing: Outgoing) -> Result<(), DeliverError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(DeliverError::NotConnected);
        }
        if state.deliveries.len() >= MAX_QUEUED_DELIVERIES {
            return Err(DeliverError::Busy);
        }
        state.deliveries.push_back(outgoing);
        wake(state);
        Ok(())
    }

    /// Takes the right to be open from the session.
    pub(super) fn withdraw(&self, refusal: Refusal) {
        let mut state = self.lock();
        state.withdrawn = Some(refusal);
        state.is_withdrawal_new = true;
        wake(state);
    }

    /// Why the session has lost the right to be open, if it has.
    pub(in crate::interface_a) fn withdrawn(&self) -> Option<Refusal> {
        self.lock().withdrawn
    }

    /// Waits until the session loses that right, and returns why: once for each loss.
    ///
    /// Cancel safe.
    pub(in crate::interface_a) async fn withdrawal(&self) -> Refusal {
        let take = |state: &mut State| {
            let withdrawn = state.withdrawn.filter(|_| state.is_withdrawal_new);
            state.is_withdrawal_new = false;
            withdrawn
        };
        poll_fn(|cx| self.poll(cx, take)).await
    }

    /// Returns as soon as the session has lost that right.
    pub(in crate::interface_a) async fn is_withdrawn(&self) {
        poll_fn(|cx| self.poll(cx, |state| state.withdrawn.map(drop))).await;
    }

    /// An order that was sent on the session is given up: nothing of it may arrive any more. Whether the
    /// session was open.
    pub(super) fn give_up_order(&self) -> bool {
        let mut state = self.lock();
        let was_open = !state.is_closed;
        state.has_stale_order = true;
        wake(state);
        was_open
    }

    /// Returns as soon as an order that was sent on the session is given up.
    pub(in crate::interface_a) async fn has_stale_order(&self) {
        poll_fn(|cx| self.poll(cx, |state| state.has_stale_order.then_some(()))).await;
    }

    /// Waits for the next message.
    ///
    /// Cancel safe.
    pub(in crate::interface_a) async fn delivery(&self) -> Outgoing {
        poll_fn(|cx| self.poll(cx, State::take_delivery)).await
    }

    /// The next message, if one is there.
    #[cfg(test)]
    pub(super) fn try_delivery(&self) -> Option<Outgoing> {
        self.lock().take_delivery()
    }

    pub(super) fn set_idle_since(&self, since: Option<Instant>) {
        self.lock().idle_since = since;
    }

    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.lock().idle_since
    }

    /// The session is over, or ends: nothing more is taken. Returns what waits.
    pub(in crate::interface_a) fn close(&self) -> VecDeque<Outgoing> {
        let mut state = self.lock();
        state.is_closed = true;
        let (deliveries, waker) = (std::mem::take(&mut state.deliveries), state.waker.take());
        drop(state);
        drop(waker);
        deliveries
    }

    /// Whether the session takes messages: it neither ends nor has been asked to.
    pub(super) fn is_open(&self) -> bool {
        let state = self.lock();
        !state.is_closed && state.withdrawn.is_none() && !state.has_stale_order
    }

    fn poll<T>(&self, cx: &Context<'_>, take: impl FnOnce(&mut State) -> Option<T>) -> Poll<T> {
        let mut state = self.lock();
        if let Some(taken) = take(&mut state) {
            return Poll::Ready(taken);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_delivery(&mut self) -> Option<Outgoing> {
        let next = self.deliveries.pop_front();
        if self.deliveries.is_empty() {
            // An idle session holds no memory for messages.
            self.deliveries = VecDeque::new();
        }
        next
    }
}

/// Wakes the session outside of the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Messages that may wait for one session.
const MAX_QUEUED_DELIVERIES: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::super::super::fixtures::clock;
    use super::super::super::pending_replies::PendingReplies;
    use super::*;
    use crate::model::Deadline;

    fn outgoing(frame: &'static [u8]) -> Outgoing {
        let deadline = Deadline::after(&clock(), jiff::SignedDuration::MAX);
        let device = "PUMP-1".parse().unwrap();
        let exchange = PendingReplies::default().expect(&device, b"1", None, false, Vec::new()).unwrap().id();
        Outgoing { control_id: b"1".to_vec(), exchange, deadline, frame: Bytes::from_static(frame) }
    }

    #[tokio::test]
    async fn a_waiting_session_wakes_for_a_message_and_for_the_loss_of_its_right() {
        let inbox = Arc::new(Inbox::default());
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move {
                let first = tokio::select! {
                    biased;
                    _ = inbox.withdrawal() => panic!("nothing was withdrawn"),
                    outgoing = inbox.delivery() => outgoing.frame,
                };
                let refusal = tokio::select! {
                    biased;
                    refusal = inbox.withdrawal() => refusal,
                    _ = inbox.delivery() => panic!("no further message"),
                };
                (first, refusal)
            }
        });
        tokio::task::yield_now().await;
        inbox.deliver(outgoing(b"first")).unwrap();
        tokio::task::yield_now().await;
        inbox.withdraw(Refusal::SuspendedDevice);
        let (first, refusal) = waiting.await.unwrap();
        assert_eq!((first, refusal), (Bytes::from_static(b"first"), Refusal::SuspendedDevice));
    }

    #[test]
    fn a_loss_is_reported_once_and_remains_known() {
        let inbox = Inbox::default();
        assert_eq!((inbox.withdrawal().now_or_never(), inbox.withdrawn()), (None, None));
        inbox.withdraw(Refusal::Revoked);
        assert_eq!(inbox.withdrawal().now_or_never(), Some(Refusal::Revoked));
        assert_eq!(inbox.withdrawal().now_or_never(), None);
        assert_eq!(inbox.withdrawn(), Some(Refusal::Revoked));
        assert_eq!(inbox.is_withdrawn().now_or_never(), Some(()));
    }

    #[test]
    fn messages_are_bounded_and_none_is_taken_by_a_session_that_is_over() {
        let inbox = Inbox::default();
        for _ in 0..MAX_QUEUED_DELIVERIES {
            inbox.deliver(outgoing(b"order")).unwrap();
        }
        assert_eq!(inbox.deliver(outgoing(b"order")), Err(DeliverError::Busy));
        assert!(inbox.try_delivery().is_some());
        inbox.deliver(outgoing(b"order")).unwrap();
        inbox.close();
        assert_eq!(inbox.deliver(outgoing(b"order")), Err(DeliverError::NotConnected));
        assert!(inbox.try_delivery().is_none());
    }
}
