//! The task of a session: it reads, writes, stores, and keeps the deadlines.

mod closing;
mod recording;
mod services;
mod writes;

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;

use self::closing::{CLOSE_TIMEOUT, Closing};
pub(super) use self::closing::{Notice, close};
pub(super) use self::recording::Relays;
use self::recording::{Recording, record_message, wait_for_platform};
pub(super) use self::services::Services;
use self::services::StoreResult;
use self::writes::Writing;
use super::device_limits::DeviceShare;
use super::frame_memory::{FrameShare, SMALL_FRAME};
use super::inbound::is_large;
use super::opening::Opening;
use super::registry::{Channels, Outgoing};
use super::relay::PlatformWord;
use super::session::{Effect, Now, READ_SIZE, Session, Ticket};
use super::unawaited::UnawaitedAnswer;
use crate::audit::{self, SessionEnd};
use crate::contact::Activity;
use crate::mllp::BrokenReason;
use crate::model::{Refusal, beside_tasks};

/// Drives one session until it ends.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) session: Session,
    pub(super) services: Arc<Services>,
    pub(super) channels: Channels,
    /// The row about its beginning, until it is written.
    pub(super) opening: Arc<Opening>,
    /// What it has stored.
    pub(super) activity: Arc<Activity>,
    /// What its device uses over all of its sessions.
    pub(super) share: Arc<DeviceShare>,
    /// The turn of the device while a large message is evaluated, until the message is stored.
    pub(super) large_turn: Option<OwnedSemaphorePermit>,
    /// The messages whose device waits for what the platform of a gateway answers.
    pub(super) relays: Relays,
    /// The memory of its incomplete frame.
    pub(super) frame: FrameShare,
    /// Whether the kernel has a limit for the bytes of an order.
    pub(super) is_bounded: bool,
    /// How long a peer may take no bytes: [`WRITE_TIMEOUT`].
    pub(super) write_timeout: Duration,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) reason: SessionEnd,
    /// How many messages came; `None` after an internal fault.
    pub(super) messages: Option<u64>,
}

type StoreTasks = FuturesUnordered<BoxFuture<'static, StoreResult>>;

/// What a session waits for.
enum Event {
    Read(io::Result<usize>),
    StoreResult(StoreResult),
    Deliver(Outgoing),
    Relayed(Ticket, PlatformWord),
    Withdrawn(Refusal),
    StaleOrder,
    Drain,
    FrameRefused,
    Deadline,
}

impl<S: Closing> Connection<S> {
    /// Runs until the session ends.
    pub(super) async fn run(mut self: Box<Self>) -> Ended {
        let mut tasks = StoreTasks::new();
        // Created once: each of them takes a lock to join and to leave the list of its waiters.
        let mut drained = pin!(self.services.drain.clone().cancelled_owned());
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        let mut takes_bytes = true;
        let reason = loop {
            if self.opening.is_due(self.services.clock.instant()) {
                self.record_opening(&tasks);
            }
            if self.session.is_draining() {
                self.channels.refuse_deliveries(self.session.device());
            }
            match self.perform(&mut tasks).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(_) => {
                    takes_bytes = false;
                    break self.lose();
                }
            }
            if let Some(bytes) = self.session.waiting_large_message() {
                Box::pin(self.evaluate_large(bytes, &mut tasks)).await;
            } else if self.session.has_more() {
                tokio::task::yield_now().await;
                self.session.evaluate(self.services.now());
            } else {
                let event = self.wait(&mut tasks, drained.as_mut(), alarm.as_mut()).await;
                if matches!(event, Event::Deliver(_)) {
                    self.record_opening(&tasks);
                } else if matches!(event, Event::StaleOrder) {
                    takes_bytes = false;
                    break self.lose();
                }
                self.handle(event);
            }
        };
        self.channels.refuse_deliveries(self.session.device());
        if takes_bytes {
            // What comes after the peer's own end is none of its messages.
            let notice = match (self.session.has_taken_all(), reason) {
                (false, _) => Notice::Withheld,
                (true, SessionEnd::PeerClosed) => Notice::Given,
                (true, _) => Notice::UnlessUnread,
            };
            Box::pin(close(&mut self.stream, notice)).await;
        }
        // An answer of the device to an order counts when it is durable, also after the end of the session.
        // A frame that was cut off is stored.
        loop {
            let _ = self.perform_without_writing(&mut tasks);
            let Some(result) = tasks.next().await else { break };
            self.handle(Event::StoreResult(result));
        }
        Ended { reason, messages: Some(self.session.messages()) }
    }

    /// Writes the row about the beginning of the session, unless that was done.
    fn record_opening(&self, tasks: &StoreTasks) {
        if let Some(event) = self.opening.take() {
            tasks.push(audit(Arc::clone(&self.services), event));
        }
    }

    fn record_event(&self, event: audit::Event, tasks: &StoreTasks) {
        if let audit::Event::BytesBetweenFrames { count, .. } = &event
            && self.opening.count_stray(*count)
        {
            return;
        }
        self.record_opening(tasks);
        tasks.push(audit(Arc::clone(&self.services), event));
    }

    fn handle(&mut self, event: Event) {
        let now = self.services.now();
        match event {
            Event::Read(Ok(0)) => self.session.peer_closed(now),
            Event::Read(Ok(_)) => {
                self.frame.touch(now.instant);
                self.session.received(now);
                // A frame that is complete must not be refused while it waits for its turn.
                if self.session.frame_bytes() <= SMALL_FRAME {
                    self.has_frame_memory(now);
                }
            }
            // Many devices close without close_notify.
            Event::Read(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.session.peer_closed(now);
            }
            Event::Read(Err(_)) => self.session.connection_lost(SessionEnd::ConnectionLost, now),
            Event::StoreResult(StoreResult::Recorded(ticket, outcome, answer)) => {
                self.session.recorded(ticket, &outcome, now);
                let limit = self.session.platform_timeout();
                match answer.filter(|_| self.session.awaits(ticket)) {
                    Some(answer) => self.relays.push(wait_for_platform(ticket, answer, limit)),
                    // A message that waits for the platform must not hold up what is behind it forever.
                    None => self.session.relayed(ticket, PlatformWord::Late, now),
                }
            }
            Event::StoreResult(StoreResult::Audited | StoreResult::PassedOn) => {}
            Event::Relayed(ticket, word) => self.session.relayed(ticket, word, now),
            Event::Deliver(outgoing) => {
                self.bound_order(&outgoing);
                self.session.deliver(outgoing, now);
            }
            Event::Withdrawn(refusal) => self.session.withdraw(refusal),
            // It ends the session.
            Event::StaleOrder => {}
            Event::Drain => self.session.shut_down(now),
            Event::FrameRefused => self.session.refuse_frame(now),
            Event::Deadline => self.session.expired(now),
        }
        self.release_bound();
    }

    /// Evaluates a large message, in the turn of its device, beside the tasks of other sessions, and with
    /// only as many others as the memory for reading them allows.
    async fn evaluate_large(&mut self, bytes: usize, tasks: &mut StoreTasks) {
        // A message that is being stored may have the turn.
        let result = tokio::select! {
            biased;
            Some(result) = tasks.next(), if !tasks.is_empty() => Some(result),
            turns = async { (self.share.large_turn().await, self.frame.reading_turn(bytes).await) } => {
                let (turn, reading) = turns;
                self.large_turn = turn;
                let now = self.services.now();
                beside_tasks(|| self.session.evaluate(now));
                drop(reading);
                None
            }
        };
        if let Some(result) = result {
            self.handle(Event::StoreResult(result));
        }
    }

    /// Performs the effects of the session; what is to be sent goes out in few writes.
    async fn perform(&mut self, tasks: &mut StoreTasks) -> io::Result<Option<SessionEnd>> {
        let (out, end) = self.perform_without_writing(tasks);
        self.write(&out).await?;
        Ok(end)
    }

    /// Returns what is to be sent, and the end of the session.
    fn perform_without_writing(&mut self, tasks: &mut StoreTasks) -> (Vec<Bytes>, Option<SessionEnd>) {
        let mut out: Vec<Bytes> = Vec::new();
        let mut end = None;
        while let Some(effect) = self.session.next_effect() {
            match effect {
                Effect::Record { ticket, record, sign, relayed } => {
                    self.record_opening(tasks);
                    let turn = self.large_turn.take_if(|_| is_large(record.raw.len()));
                    let services = Arc::clone(&self.services);
                    let activity = Arc::clone(&self.activity);
                    let recording = Recording { ticket, record, sign, relayed, turn };
                    tasks.push(record_message(services, activity, recording));
                }
                Effect::PassOn(answer) => self.pass_on(answer, tasks),
                Effect::Audit(event) => self.record_event(event, tasks),
                Effect::Send(frames) => out.push(frames),
                Effect::Count(label, since) => {
                    let metrics = &self.services.metrics;
                    metrics
                        .messages_total
                        .with_label_values(&[label.transaction, label.acknowledgement])
                        .inc();
                    self.services.observe("acknowledged", since);
                }
                Effect::Deviated(code) => {
                    self.services.metrics.frame_deviations_total.with_label_values(&[code]).inc();
                }
                Effect::Refused(reason, bytes) => self.log_refused_frame(reason, bytes),
                Effect::Rejected(code) => {
                    self.services.metrics.rejections_total.with_label_values(&[&*code]).inc();
                }
                Effect::NotStored => self.services.metrics.rejections_not_stored_total.inc(),
                Effect::Slowed => {
                    self.services.metrics.read_pauses_total.with_label_values(&["message-rate"]).inc();
                }
                Effect::End(reason) => end = Some(reason),
            }
        }
        // The message was rejected, and is not stored.
        self.large_turn = None;
        (out, end)
    }

    fn log_refused_frame(&self, reason: BrokenReason, bytes: usize) {
        if self.share.may_log_refusal(self.services.clock.instant()) {
            let (device, reason) = (self.session.device(), reason.code());
            tracing::warn!(%device, reason, bytes, "frame refused; the connection is closed");
        }
    }

    /// A device that answers without end waits for the dispatcher, and only its own answers are lost: they
    /// are stored, but change no outcome.
    fn pass_on(&self, answer: UnawaitedAnswer, tasks: &StoreTasks) {
        let Ok(permit) = Arc::clone(&self.channels.unawaited_permits).try_acquire_owned() else { return };
        let unawaited = self.channels.unawaited.clone();
        let passing = async move {
            unawaited.pass_on(answer).await;
            drop(permit);
            StoreResult::PassedOn
        };
        tasks.push(passing.boxed());
    }

    async fn write(&mut self, out: &[Bytes]) -> io::Result<()> {
        let mut writing = Writing::new(out);
        // As a rule the socket takes everything at once.
        match poll_fn(|cx| Poll::Ready(writing.poll(&mut self.stream, cx))).await {
            Poll::Ready(written) => written,
            Poll::Pending => Box::pin(self.write_slowly(writing)).await,
        }
    }

    /// Writes to a peer that takes no bytes at present.
    async fn write_slowly(&mut self, writing: Writing) -> io::Result<()> {
        let (inbox, drain) = (&self.channels.inbox, &self.services.drain);
        let written = writing.finish(&mut self.stream, self.write_timeout);
        // Such a peer must neither keep a session that it has lost the right to, nor delay a shutdown.
        let cut_short = async {
            tokio::select! {
                () = inbox.is_withdrawn() => {}
                () = drain.cancelled() => {}
            }
            tokio::time::sleep(CLOSE_TIMEOUT).await;
        };
        tokio::select! {
            biased;
            written = written => written,
            () = inbox.has_stale_order() => Err(io::ErrorKind::ConnectionReset.into()),
            () = cut_short => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// An order is sent: if its bytes stay on the way until its time is over, the kernel gives them up with
    /// the connection.
    fn bound_order(&mut self, outgoing: &Outgoing) {
        let left = outgoing.deadline.left(self.services.now().instant);
        if let Some(left) = left.filter(|left| *left < self.session.dead_peer_timeout()) {
            self.stream.bound_unacknowledged(left.max(MIN_BOUND));
            self.is_bounded = true;
        }
    }

    /// The orders of the session are answered, or over.
    fn release_bound(&mut self) {
        if self.is_bounded && !self.session.awaits_order() {
            self.stream.bound_unacknowledged(self.session.dead_peer_timeout());
            self.is_bounded = false;
        }
    }

    /// The connection is lost, or is reset: at once, for what the store still does takes a while.
    fn lose(&mut self) -> SessionEnd {
        let end = self.lost();
        if end == SessionEnd::OrderGivenUp {
            self.stream.reset();
        }
        self.session.connection_lost(end, self.services.now());
        end
    }

    /// Why the session of a peer that takes no more bytes is over.
    fn lost(&self) -> SessionEnd {
        match self.channels.inbox.withdrawn() {
            _ if self.channels.inbox.has_stale_order().now_or_never().is_some() => SessionEnd::OrderGivenUp,
            Some(refusal) => SessionEnd::Withdrawn(refusal),
            None if self.services.drain.is_cancelled() => SessionEnd::Shutdown,
            None => SessionEnd::ConnectionLost,
        }
    }

    async fn wait(
        &mut self,
        tasks: &mut StoreTasks,
        drained: Pin<&mut WaitForCancellationFutureOwned>,
        alarm: Pin<&mut Sleep>,
    ) -> Event {
        // Backpressure: while the queue of the store is full, a session reads no more. Its task for the store
        // wakes it.
        let now = self.services.now();
        let is_full = || self.services.store.is_full(self.session.device());
        let may_read = self.session.wants_input() && (tasks.is_empty() || !is_full());
        let reads = may_read && self.has_frame_memory(now);
        self.session.set_reading(reads, now);
        self.channels.set_idle_since(self.session.idle_since());
        let draining = self.session.is_draining();
        let shutting_down = self.session.is_shutting_down();
        let mut deadline = self.session.deadline();
        if tasks.is_empty() {
            self.session.release_memory();
        }
        if reads && self.session.frame_bytes() > 0 {
            // Between frames, a session needs no space.
            self.session.grow_buffer();
        } else if may_read && !reads {
            let again = now.instant + FRAME_MEMORY_INTERVAL;
            deadline = Some(deadline.map_or(again, |deadline| deadline.min(again)));
        }
        // Biased order: loss of authorization first, the deadline last, so that it fires only with no input
        // pending. A peer that sends a byte at a time leaves no input pending; one that floods ends at the
        // largest frame.
        tokio::select! {
            biased;
            () = self.channels.inbox.has_stale_order() => Event::StaleOrder,
            refusal = self.channels.inbox.withdrawal(), if !draining => Event::Withdrawn(refusal),
            () = drained, if !draining && !shutting_down => Event::Drain,
            () = async { tokio::time::sleep(ANSWER_POLL).await }, if shutting_down => Event::Drain,
            Some(result) = tasks.next(), if !tasks.is_empty() => Event::StoreResult(result),
            Some((ticket, word)) = self.relays.next(), if !self.relays.is_empty() => Event::Relayed(ticket, word),
            () = self.frame.refused(), if !draining => Event::FrameRefused,
            outgoing = self.channels.inbox.delivery(), if !draining => Event::Deliver(outgoing),
            read = read(&mut self.stream, self.session.buffer()), if reads => Event::Read(read),
            () = at(alarm, deadline), if deadline.is_some() => Event::Deadline,
        }
    }
}

impl<S> Connection<S> {
    /// Whether there is memory for the next read: always between frames.
    fn has_frame_memory(&mut self, now: Now) -> bool {
        self.frame.resize(self.session.frame_bytes(), self.session.held_bytes(), now.instant)
    }
}

/// Reads into the buffer. Without space in it, the bytes come into it by way of the stack: most sessions wait
/// for a message most of the time, and need no memory for that.
///
/// Cancel safe.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> io::Result<usize> {
    if buffer.capacity() - buffer.len() >= READ_SIZE {
        return stream.read_buf(buffer).await;
    }
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); READ_SIZE];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut space))?;
        buffer.extend_from_slice(space.filled());
        Poll::Ready(Ok(space.filled().len()))
    })
    .await
}

fn audit(services: Arc<Services>, event: audit::Event) -> BoxFuture<'static, StoreResult> {
    async move {
        services.store.audit_or_defer(event).await;
        StoreResult::Audited
    }
    .boxed()
}

/// Returns at `deadline`. The deadline moves with each message: a timer that fires too early is set again
/// then, which is rare, and not with each message.
async fn at(mut alarm: Pin<&mut Sleep>, deadline: Option<Instant>) {
    let Some(deadline) = deadline.map(tokio::time::Instant::from) else {
        return std::future::pending().await;
    };
    if alarm.deadline() > deadline {
        alarm.as_mut().reset(deadline);
    }
    loop {
        alarm.as_mut().await;
        if alarm.deadline() >= deadline {
            return;
        }
        alarm.as_mut().reset(deadline);
    }
}

/// How often a session whose frame may not grow tries again.
const FRAME_MEMORY_INTERVAL: Duration = Duration::from_millis(100);
/// How long a peer may take no bytes before its connection counts as lost.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The least time that the peer's kernel has to acknowledge the bytes of an order.
const MIN_BOUND: Duration = Duration::from_millis(500);
/// How often a shutdown asks whether the device has answered the order that it was sent.
const ANSWER_POLL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
