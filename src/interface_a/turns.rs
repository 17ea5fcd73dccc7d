//! Turns: how many handshakes compute at once, and in which order.
//!
//! Whatever a handshake computes, its first flight or what follows it, it takes a processor for. Addresses
//! from which a device was admitted go first, then the address that has waited longest: so a device waits for
//! a few computations of strangers, and not for all that they have begun.
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
use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::address_shares::{Membership, Stage};
use super::fair_queue::{FairQueue, Turn};
use super::handshake_threads::HandshakeThreads;
use crate::model::{Clock, Wait, giving_back, take_hello_retry};

/// Where handshakes take their turns. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    new: Arc<FairQueue>,
    begun: Arc<FairQueue>,
    /// For both, the last thing that a handshake waits for before it computes.
    processors: Arc<FairQueue>,
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

/// What a handshake holds while it computes, besides a processor.
enum Held {
    New(NewTurn),
    Begun { _of_address: Option<OwnedSemaphorePermit>, _turn: Turn },
}

/// What a poll has led to.
enum Step<F: Future> {
    Done(F::Output),
    /// The handshake waits for its peer.
    Waits {
        handshake: Pin<Box<F>>,
        asks_again: bool,
    },
}

/// Whether the handshake can go on.
#[derive(Default)]
struct Woken(Notify);

/// Why a handshake has no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// It took longer than it may, without the time that it waited for turns.
    TimedOut,
    /// The handshake threads have ended.
    Ended,
}

impl Turns {
    /// `number` handshakes that have begun may compute at once. Of new ones a few for each processor are
    /// enough, and more would wait where their order is not fair.
    pub(super) fn new(number: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let new = FairQueue::new(number.min(processors * NEW_PER_PROCESSOR));
        let waiting = Semaphore::new(number.min(MAX_WAITING_FOR_TOKEN));
        let (begun, processors) = (FairQueue::new(number), FairQueue::new(processors));
        Self { new, begun, processors, waiting: Arc::new(waiting) }
    }

    /// A device was admitted from the address: its next handshakes go before those of strangers.
    pub(super) fn prefer(&self, member: &Membership) {
        for queue in [&self.new, &self.begun, &self.processors] {
            queue.prefer(member.address());
        }
    }

    /// Runs a handshake, and notes in `member` when it waits for its peer. Each poll computes on `threads`,
    /// and all waiting is done here: a runtime whose tasks compute for long serves what comes from outside
    /// late, and in no order. Without `threads` it computes here.
    ///
    /// # Errors
    /// [`Unfinished::TimedOut`] after `timeout`.
    pub(super) async fn run<F>(
        &self,
        handshake: F,
        member: Option<&Membership>,
        timeout: Duration,
        clock: &Clock,
        threads: Option<&HandshakeThreads>,
    ) -> Result<F::Output, Unfinished>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let woken = Arc::new(Woken::default());
        let mut handshake = Box::pin(handshake);
        let (mut stage, mut left, mut has_retried) = (Stage::New, timeout, false);
        loop {
            let (held, compute) = self.take(stage, member).await;
            let began = clock.instant();
            let (turns, waker) = (self.clone(), Waker::from(Arc::clone(&woken)));
            let step = move || turns.poll(handshake, held, compute, &waker);
            let step = match threads {
                Some(threads) => threads.run(async move { step() }).await.ok_or(Unfinished::Ended)?,
                None => step(),
            };
            let asks_again;
            (handshake, asks_again) = match step {
                Step::Done(output) => return Ok(output),
                Step::Waits { handshake, asks_again } => (handshake, asks_again),
            };
            // A HelloRetryRequest costs nothing: key exchange and signature come with the next ClientHello,
            // as for any new handshake. TLS allows one.
            stage =
                if asks_again && !std::mem::replace(&mut has_retried, true) { stage } else { Stage::Begun };
            if let Some(member) = member {
                member.wait_for_peer(clock.instant());
            }
            let deadline = tokio::time::Instant::from(began + left);
            let woken = tokio::time::timeout_at(deadline, woken.0.notified());
            woken.await.map_err(|_| Unfinished::TimedOut)?;
            left = left.saturating_sub(clock.instant().saturating_duration_since(began));
            if left.is_zero() {
                return Err(Unfinished::TimedOut);
            }
        }
    }

    /// Waits for what a handshake holds while it computes: its turns, and a processor.
    async fn take(&self, stage: Stage, member: Option<&Membership>) -> (Held, Turn) {
        let address = member.map(Membership::address);
        // First a turn of its address: the other addresses do not wait behind this one.
        let of_address = match member {
            Some(member) => {
                member.wait_for_platform();
                member.turn(stage).await
            }
            None => None,
        };
        let held = match stage {
            Stage::New => {
                let turn = self.new.turn(address).await;
                let begun_of_address = member.map(Membership::begun_turns);
                Held::New(NewTurn { _turn: turn, of_address, begun_of_address })
            }
            Stage::Begun => Held::Begun { _of_address: of_address, _turn: self.begun.turn(address).await },
        };
        (held, self.processors.turn(address).await)
    }

    /// Polls a handshake once.
    fn poll<F: Future>(
        &self,
        mut handshake: Pin<Box<F>>,
        held: Held,
        processor: Turn,
        waker: &Waker,
    ) -> Step<F> {
        let (new, _begun) = match held {
            Held::New(turn) => (Some(turn), None),
            begun => (None, Some(begun)),
        };
        let turns = self.clone();
        let hand_over = move |what| {
            drop(processor);
            turns.hand_over(new, what)
        };
        take_hello_retry();
        let polled = giving_back(hand_over, || handshake.as_mut().poll(&mut Context::from_waker(waker)));
        match polled {
            Poll::Ready(output) => Step::Done(output),
            Poll::Pending => Step::Waits { handshake, asks_again: take_hello_retry() },
        }
    }

    /// What a new handshake holds while it blocks its thread, in place of its turn: for revocation data the
    /// turns of a handshake that has begun; for a token a place among those that wait for it. So no more of
    /// them wait for a token without a turn than get a session of it at once, and the others wait where the
    /// addresses take turns. Without free ones it keeps its turn.
    fn hand_over(&self, turn: Option<NewTurn>, what: Wait) -> Box<dyn Any> {
        let Some(turn) = turn else { return Box::new(()) };
        match what {
            Wait::Token => match place(&self.waiting) {
                // The others of its address wait behind it for the token.
                Some(place) => Box::new((place, turn.of_address)),
                None => Box::new(turn),
            },
            Wait::RevocationData => {
                let of_address = turn.begun_of_address.as_ref().map(place);
                match (self.begun.try_turn(), of_address) {
                    (Some(place), of_address @ (None | Some(Some(_)))) => Box::new((place, of_address)),
                    _ => Box::new(turn),
                }
            }
        }
    }
}

fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).try_acquire_owned().ok()
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
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

    use super::super::address_shares::{AddressShares, ShareLimits};
    use super::*;
    use crate::model::{note_hello_retry, while_waiting};

    /// Reached by a fault alone.
    const TIMEOUT: Duration = Duration::from_secs(60);

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

    async fn run<F>(turns: &Turns, handshake: F) -> Result<F::Output, Unfinished>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        turns.run(handshake, None, TIMEOUT, &Clock::system(), None).await
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
                let compute = async move {
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
                waiting.spawn(async move { run(&turns, async move { token.answer(Wait::Token) }).await });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let another = async |limit| {
            let another = run(&turns, std::future::ready(()));
            tokio::time::timeout(limit, another).await.is_ok()
        };
        wait(MAX_WAITING_FOR_TOKEN).await;
        assert!(another(TIMEOUT).await, "however many new ones there may be");
        wait(new_turns).await;
        // Until each of them has begun.
        let began = Clock::system().instant();
        while another(Duration::from_millis(200)).await {
            assert!(Clock::system().instant() - began < TIMEOUT, "the others hold their turns");
        }
        token.recover();
        assert!(waiting.join_all().await.into_iter().all(|done| done == Ok(())));
        assert!(another(TIMEOUT).await);
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
        let another = tokio::time::timeout(TIMEOUT / 2, another).await;
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

    // Strangers with costly key exchanges, however many they have begun, keep a device of a known address
    // waiting for a few of them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_known_address_waits_for_a_few_computations_of_strangers() {
        let (turns, threads) = (Turns::new(256), Arc::new(HandshakeThreads::new(256).unwrap()));
        let shares = Arc::new(AddressShares::new(16));
        let limits = ShareLimits { per_address: 1000, total: 10_000 };
        let clock = Clock::system();
        let join = |host: u8| shares.join([192, 0, 2, host].into(), limits, clock.instant()).unwrap();
        let known = join(1);
        turns.prefer(&known);
        let computed = Arc::new(AtomicUsize::new(0));
        let mut strangers = tokio::task::JoinSet::new();
        for number in 0..1000_u32 {
            let (turns, threads, clock) = (turns.clone(), Arc::clone(&threads), clock.clone());
            let (member, computed) = (join(10 + u8::try_from(number % 4).unwrap()), Arc::clone(&computed));
            strangers.spawn(async move {
                let compute = async move {
                    for _ in 0..2 {
                        #[expect(clippy::disallowed_methods, reason = "the test computes for a while")]
                        std::thread::sleep(Duration::from_millis(5));
                        computed.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                };
                turns.run(compute, Some(&member), TIMEOUT, &clock, Some(&threads)).await
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let at_its_turn = Arc::clone(&computed);
        let own = async move {
            (std::thread::current().name().map(str::to_owned), at_its_turn.load(Ordering::SeqCst))
        };
        let mut own = Box::pin(turns.run(own, Some(&known), TIMEOUT, &clock, Some(&threads)));
        // Counted from when it waits: how long this task waits for a processor is not measured.
        let done = poll_immediate(&mut own).await;
        let before = computed.load(Ordering::SeqCst);
        let (thread, at_its_turn) = match done {
            Some(done) => done,
            None => own.await,
        }
        .unwrap();
        let during = at_its_turn.saturating_sub(before);
        assert_eq!(thread.as_deref(), Some("handshake"));
        let processors = std::thread::available_parallelism().unwrap().get();
        assert!(during <= 12 * processors, "{during} computations of strangers went before");
        assert!(before > 0 && at_its_turn < 1900, "strangers still wait");
        while let Some(done) = strangers.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn only_the_peer_is_charged_for_time() {
        let (turns, clock) = (Turns::new(1), Clock::system());
        let taken = turns.new.turn(None).await;
        let short = Duration::from_millis(400);
        let waiting = turns.run(tokio::time::sleep(short / 4), None, short, &clock, None);
        let release = async {
            tokio::time::sleep(short * 2).await;
            drop(taken);
        };
        assert_eq!(tokio::join!(waiting, release).0, Ok(()));
        let never = std::future::pending::<()>();
        assert_eq!(turns.run(never, None, short, &clock, None).await, Err(Unfinished::TimedOut));
    }
}
