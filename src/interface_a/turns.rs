//! Turns: how many handshakes compute at once.
//!
//! A handshake computes for a millisecond or two, and waits for its peer in between. It holds a turn only
//! while it computes, or blocks its thread for a revocation check: a peer that stops in the middle of its
//! handshake keeps no other one waiting. Handshakes that have begun take their turns from a number of their
//! own, so that they do not wait behind new ones; one that was asked for another ClientHello has not begun. A
//! handshake that waits for a signature of a token does not
//! compute, and gives its turn back. So does a new one whose peer has sent its certificate already, when it
//! waits for revocation data. `handshake-timeout` does not run while a handshake waits
//! for a turn.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address_shares::{Membership, Stage};
use super::fair_queue::{FairQueue, Turn};
use crate::model::{Clock, Wait, giving_back, take_hello_retry};

/// Where handshakes take their turns. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    new: Arc<FairQueue>,
    begun: Arc<Semaphore>,
    /// New handshakes that wait for a token, without a turn.
    waiting: Arc<Semaphore>,
}

/// The turns of a new handshake, of the platform and of its address.
struct NewTurn {
    _turn: Turn,
    of_address: Option<OwnedSemaphorePermit>,
    /// Where its address has turns for handshakes that have begun.
    begun_of_address: Option<Arc<Semaphore>>,
}

/// The handshake took longer than it may, without the time that it waited for turns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimedOut;

impl Turns {
    /// `number` handshakes that have begun may compute at once. Of new ones a few for each processor are
    /// enough, and more would wait where their order is not fair.
    pub(super) fn new(number: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let new = FairQueue::new(number.min(processors * NEW_PER_PROCESSOR));
        let waiting = Semaphore::new(number.min(MAX_WAITING_FOR_TOKEN));
        Self { new, begun: Arc::new(Semaphore::new(number)), waiting: Arc::new(waiting) }
    }

    /// A device was admitted from the address: its next handshakes go before those of strangers.
    pub(super) fn prefer(&self, member: &Membership) {
        self.new.prefer(member.address());
    }

    /// Runs a handshake, and notes in `member` when it waits for its peer.
    ///
    /// # Errors
    /// [`TimedOut`] after `timeout`.
    pub(super) async fn run<F: Future>(
        &self,
        handshake: F,
        member: Option<&Membership>,
        timeout: Duration,
        clock: &Clock,
    ) -> Result<F::Output, TimedOut> {
        let mut handshake = pin!(handshake);
        let (mut stage, mut left, mut has_retried) = (Stage::New, timeout, false);
        loop {
            let (began, asks_again) = {
                // First a turn of its address: the other addresses do not wait behind this one.
                let of_address = match member {
                    Some(member) => {
                        member.wait_for_platform();
                        member.turn(stage).await
                    }
                    None => None,
                };
                // The semaphore is never closed.
                let (mut new, _begun) = match stage {
                    Stage::New => {
                        let turn = self.new.turn(member.map(Membership::address)).await;
                        let begun_of_address = member.map(Membership::begun_turns);
                        (Some(NewTurn { _turn: turn, of_address, begun_of_address }), None)
                    }
                    Stage::Begun => (None, Some((of_address, self.begun.acquire().await.ok()))),
                };
                let began = clock.instant();
                let polled = poll_fn(|cx| {
                    let (turns, new) = (self.clone(), new.take());
                    let hand_over = move |what| turns.hand_over(new, what);
                    take_hello_retry();
                    let polled = giving_back(hand_over, || handshake.as_mut().poll(cx));
                    Poll::Ready((polled, take_hello_retry()))
                });
                let (polled, asks_again) = polled.await;
                if let Poll::Ready(done) = polled {
                    return Ok(done);
                }
                (began, asks_again)
            };
            // A HelloRetryRequest costs nothing: key exchange and signature come with the next ClientHello,
            // as for any new handshake. TLS allows one.
            stage =
                if asks_again && !std::mem::replace(&mut has_retried, true) { stage } else { Stage::Begun };
            if let Some(member) = member {
                member.wait_for_peer(clock.instant());
            }
            let deadline = tokio::time::Instant::from(began + left);
            tokio::time::timeout_at(deadline, wake_up()).await.map_err(|_| TimedOut)?;
            left = left.saturating_sub(clock.instant().saturating_duration_since(began));
            // The timer wakes the task as well.
            if left.is_zero() {
                return Err(TimedOut);
            }
        }
    }

    /// What a new handshake holds while it blocks its thread, in place of its turn: for revocation data the
    /// turns of a handshake that has begun; for a token a place among those that wait for it. So no more of
    /// them wait for a token without a turn than get a session of it at once, and the others wait where the
    /// addresses take turns. Without free ones it keeps its turn.
    fn hand_over(&self, turn: Option<NewTurn>, what: Wait) -> Box<dyn Any> {
        let Some(turn) = turn else { return Box::new(()) };
        let places = match what {
            Wait::Token => vec![Some(&self.waiting)],
            Wait::RevocationData => vec![Some(&self.begun), turn.begun_of_address.as_ref()],
        };
        let places: Option<Vec<_>> = places.into_iter().flatten().map(place).collect();
        match (places, what) {
            // The others of its address wait behind it for the token.
            (Some(places), Wait::Token) => Box::new((places, turn.of_address)),
            (Some(places), Wait::RevocationData) => Box::new(places),
            (None, _) => Box::new(turn),
        }
    }
}

fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).try_acquire_owned().ok()
}

/// Resolves when the task is woken: its handshake was polled before and has registered the task.
fn wake_up() -> impl Future<Output = ()> {
    let mut is_woken = false;
    poll_fn(move |_| if std::mem::replace(&mut is_woken, true) { Poll::Ready(()) } else { Poll::Pending })
}

/// New handshakes that compute at once for each processor.
const NEW_PER_PROCESSOR: usize = 2;
/// As many as a key in a token has sessions.
const MAX_WAITING_FOR_TOKEN: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use futures_util::future::poll_immediate;

    use super::*;
    use crate::model::{note_hello_retry, while_waiting};

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Answers when it has recovered.
    #[derive(Default)]
    struct Token(Mutex<bool>, Condvar);

    impl Token {
        fn answer(&self, what: Wait) {
            let wait = || drop(self.1.wait_while(self.0.lock().unwrap(), |works| !*works).unwrap());
            while_waiting(what, || tokio::task::block_in_place(wait));
        }

        fn recover(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }

    async fn run<F: Future>(turns: &Turns, handshake: F) -> Result<F::Output, TimedOut> {
        turns.run(handshake, None, TIMEOUT, &Clock::system()).await
    }

    #[tokio::test]
    async fn a_handshake_that_waits_for_its_peer_holds_no_turn() {
        let turns = Turns::new(1);
        let (answer, silent) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { run(&turns, silent).await }
        });
        for _ in 0..3 {
            assert_eq!(run(&turns, tokio::task::yield_now()).await, Ok(()), "another one goes on");
        }
        answer.send(7).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), Ok(7));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn handshakes_that_compute_at_once_are_capped_and_all_complete() {
        let turns = Turns::new(3);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (turns, now, most) = (turns.clone(), Arc::clone(&now), Arc::clone(&most));
            tasks.spawn(async move {
                let compute = async {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    #[expect(clippy::disallowed_methods, reason = "the test computes for a while")]
                    std::thread::sleep(Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                run(&turns, compute).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_handshake_that_waits_for_a_token_gives_its_turn_back() {
        let turns = Turns::new(256);
        let new_turns = std::thread::available_parallelism().unwrap().get() * NEW_PER_PROCESSOR;
        let (token, mut waiting) = (Arc::new(Token::default()), tokio::task::JoinSet::new());
        let mut wait = async |number| {
            for _ in 0..number {
                let (turns, token) = (turns.clone(), Arc::clone(&token));
                waiting.spawn(async move { run(&turns, async { token.answer(Wait::Token) }).await });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let another = async || {
            let another = run(&turns, std::future::ready(()));
            tokio::time::timeout(Duration::from_millis(200), another).await.is_ok()
        };
        wait(MAX_WAITING_FOR_TOKEN).await;
        assert!(another().await, "however many new ones there may be");
        wait(new_turns).await;
        assert!(!another().await, "the others hold their turns");
        token.recover();
        assert!(waiting.join_all().await.into_iter().all(|done| done == Ok(())));
        assert!(another().await);
    }

    // A silent responder must stop no other handshake: the certificate may be there at the first poll.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_new_handshake_that_waits_for_revocation_data_holds_no_turn_of_new_ones() {
        let turns = Turns::new(256);
        let (responder, mut waiting) = (Arc::new(Token::default()), tokio::task::JoinSet::new());
        for _ in 0..20 {
            let (turns, responder) = (turns.clone(), Arc::clone(&responder));
            let wait = async move { responder.answer(Wait::RevocationData) };
            waiting.spawn(async move { run(&turns, wait).await });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let another = run(&turns, std::future::ready(()));
        let another = tokio::time::timeout(Duration::from_secs(5), another).await;
        responder.recover();
        assert_eq!(another, Ok(Ok(())));
        assert!(waiting.join_all().await.into_iter().all(|done| done == Ok(())));
    }

    #[tokio::test]
    async fn a_handshake_that_has_begun_does_not_wait_behind_new_ones() {
        let turns = Turns::new(1);
        let (answer, peer) = tokio::sync::oneshot::channel::<()>();
        let mut begun = Box::pin(run(&turns, peer));
        assert!(poll_immediate(&mut begun).await.is_none());
        let _taken = turns.new.turn(None).await;
        answer.send(()).unwrap();
        assert!(begun.await.unwrap().is_ok());
    }

    // RFC 8446 4.1.4: the signature follows the second ClientHello.
    #[tokio::test]
    async fn a_handshake_that_asks_for_another_hello_waits_among_the_new_ones_once_more() {
        let turns = Turns::new(1);
        let (second_hello, peer) = tokio::sync::oneshot::channel::<()>();
        let (finished, last) = tokio::sync::oneshot::channel::<()>();
        let mut handshake = Box::pin(run(&turns, async move {
            note_hello_retry();
            let _ = peer.await;
            // A peer cannot make the platform ask again.
            note_hello_retry();
            last.await
        }));
        assert!(poll_immediate(&mut handshake).await.is_none());
        let taken = turns.new.turn(None).await;
        second_hello.send(()).unwrap();
        for _ in 0..3 {
            assert!(poll_immediate(&mut handshake).await.is_none());
        }
        assert!(!finished.is_closed());
        drop(taken);
        assert!(poll_immediate(&mut handshake).await.is_none());
        let _taken = turns.new.turn(None).await;
        finished.send(()).unwrap();
        assert!(handshake.await.unwrap().is_ok(), "it has begun");
    }

    #[tokio::test]
    async fn only_the_peer_is_charged_for_time() {
        let (turns, clock) = (Turns::new(1), Clock::system());
        let taken = turns.new.turn(None).await;
        let short = Duration::from_millis(400);
        let waiting = turns.run(tokio::time::sleep(short / 4), None, short, &clock);
        let release = async {
            tokio::time::sleep(short * 2).await;
            drop(taken);
        };
        assert_eq!(tokio::join!(waiting, release).0, Ok(()));
        let never = std::future::pending::<()>();
        assert_eq!(turns.run(never, None, short, &clock).await, Err(TimedOut));
    }
}
