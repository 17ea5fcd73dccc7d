//! An open connection to the platform: what is under way on it, and what comes.

mod ending;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use super::history::{CLOSE_TIMEOUT, History};
use super::job::Job;
use super::orders::OrderReply;
use super::passed::Passed;
use super::uplink::Uplink;
use super::window::{Done, Effect, Expired, Late, Limits, Run as _, Window};
use crate::config;
use crate::interface_b::{Client, ClientError, Incoming};
use crate::model::MessageId;
use crate::store::{ForwardClass, ForwardLane};

/// An open connection, and what is under way on it.
pub(super) struct Session<'u> {
    uplink: &'u Uplink,
    client: Client,
    window: Window<Job>,
    /// Outcomes that are being recorded, and jobs that the platform cannot take at present.
    settling: Settling,
    /// Lanes whose next message has the MSH-10 of one that is under way here: other connections take them.
    avoided: HashSet<ForwardLane>,
    /// Jobs whose next message goes alone.
    alone: VecDeque<Job>,
    /// When the first of those may be sent: others have had their time by then.
    alone_at: Instant,
    /// Whether one of those is under way.
    is_alone: bool,
    /// Whether the platform has acknowledged a message on it.
    is_answered: bool,
    /// When an order of the platform last came on it.
    ordered: Option<Instant>,
    /// When something last came on it, or when it was opened.
    heard: Instant,
    /// When the log says that it is connected, if the platform says nothing before: in TLS 1.3 a gateway is
    /// refused after the handshake. `None`: the log has it.
    reported_at: Option<Instant>,
    /// Orders that have just come, and when they are passed on.
    held: VecDeque<(Instant, Bytes)>,
    /// Answers to orders that were sent.
    passed: Passed,
    /// The section of the configuration that it was opened with.
    settings: config::Gateway,
}

/// Each gives its job back, if something of it is left.
type Settling = FuturesUnordered<BoxFuture<'static, Option<Job>>>;

/// How a connection ended.
pub(super) enum Ended {
    /// The gateway shuts down.
    Done,
    /// It was closed to prove that all messages have arrived.
    Proved,
    /// The acknowledgement of this message did not come in time.
    Late(Option<MessageId>),
    /// The platform has acknowledged messages on it, and has closed it.
    Closed,
    /// The platform has reset it, because it has given up an order that it sent on it.
    Discarded,
}

impl<'u> Session<'u> {
    /// `is_news`: it is reported in the log.
    pub(super) fn new(uplink: &'u Uplink, client: Client, settings: config::Gateway, is_news: bool) -> Self {
        let now = uplink.gateway.clock.instant();
        Self {
            uplink,
            client,
            window: Window::new(),
            settling: FuturesUnordered::new(),
            avoided: HashSet::new(),
            alone: VecDeque::new(),
            alone_at: now + ALONE_AFTER,
            is_alone: false,
            is_answered: false,
            ordered: None,
            heard: now,
            reported_at: is_news.then_some(now + REPORTED_AFTER),
            held: VecDeque::new(),
            passed: Passed::new(uplink.orders.returned()),
            settings,
        }
    }

    pub(super) async fn run(
        mut self,
        done: &CancellationToken,
        history: &mut History,
    ) -> Result<Ended, ClientError> {
        let stuck = async {
            done.cancelled().await;
            tokio::time::sleep(CLOSE_TIMEOUT).await;
        };
        let ended = tokio::select! {
            biased;
            ended = self.forward(done) => ended,
            // The platform takes no bytes.
            () = stuck => Err(ClientError::Timeout(CLOSE_TIMEOUT)),
        };
        // Of what was sent just before this moment the end of the connection proves nothing.
        let closed_at = self.uplink.gateway.clock.instant();
        // The platform repeats those that it has not given up.
        self.held.drain(..).for_each(|_| self.uplink.orders.drop_one());
        self.end(ended, closed_at, history).await
    }

    async fn forward(&mut self, done: &CancellationToken) -> Result<Ended, ClientError> {
        let queue = Arc::clone(&self.uplink.queue);
        let fresh = |room: Option<ForwardClass>, avoided: &HashSet<ForwardLane>| {
            let (queue, avoided) = (Arc::clone(&queue), avoided.clone());
            async move { queue.next(room.unwrap_or(ForwardClass::Alarm), &avoided).await }.boxed()
        };
        let (mut room, mut avoided) = (None, HashSet::new());
        let mut next = fresh(room, &avoided);
        loop {
            if self.window.is_over() || self.is_outdated() || self.may_be_dead() && self.window.jobs() == 0 {
                // An end that the platform has made meanwhile proves nothing of what was sent before it came.
                let Some(incoming) = self.client.incoming().now_or_never() else {
                    return Ok(Ended::Proved);
                };
                self.take(incoming?);
                continue;
            }
            // What is not polled must hold no lane: another connection has room for it.
            if self.is_alone_due() {
                if self.waits_alone() {
                    (room, next) = (None, fresh(None, &avoided));
                }
                self.post_alone().await?;
            }
            if self.room() != room || self.avoided != avoided {
                (room, avoided) = (self.room(), self.avoided.clone());
                next = fresh(room, &avoided);
            }
            self.uplink.gateway.status.awaits(self.uplink.number, self.window.oldest_awaited());
            let deadline = self.next_deadline();
            tokio::select! {
                biased;
                () = done.cancelled() => return Ok(Ended::Done),
                incoming = self.client.incoming() => self.take(incoming?),
                Some(rest) = self.settling.next(), if !self.settling.is_empty() => {
                    if let Some(job) = rest {
                        self.send(job).await?;
                    }
                }
                (claim, messages) = &mut next, if room.is_some() => {
                    next = fresh(room, &avoided);
                    // An alarm must not walk through one dead connection after the other.
                    if self.may_be_dead() {
                        continue;
                    }
                    self.send(Job::new(claim, messages)).await?;
                }
                // Behind the messages that wait: alarms may be among them.
                answer = self.uplink.orders.answer(), if !self.waits_alone() => self.pass_on(answer).await?,
                () = until(deadline) => {
                    if let Some(ended) = self.expire() {
                        return Ok(ended);
                    }
                }
            }
        }
    }

    /// When something has to be looked at, whatever comes.
    fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.window.deadline(self.limits(), self.passed.oldest());
        let alone_at = (self.has_alone() && !self.is_alone_due()).then_some(self.alone_at);
        let held_until = self.held.front().map(|(until, _)| *until);
        let look = Some(self.uplink.gateway.clock.instant() + RELOADED_WITHIN);
        [deadline, alone_at, self.reported_at, held_until, look].into_iter().flatten().min()
    }

    /// The least urgent class of which one more lane has room. The last places are for alarms.
    fn room(&self) -> Option<ForwardClass> {
        let taken = self.window.jobs() + self.settling.len() + self.alone.len();
        if self.window.is_spent() || self.waits_alone() || self.may_be_dead() || taken >= WINDOW {
            return None;
        }
        Some(if taken < WINDOW - ALARM_RESERVE { ForwardClass::Data } else { ForwardClass::Alarm })
    }

    /// Whether nothing has come on this connection since a message was sent that had no acknowledgement on
    /// another one: a firewall may have forgotten all of them.
    fn may_be_dead(&self) -> bool {
        self.uplink.queue.distrusts(self.heard)
    }

    /// Whether a reload has changed the section of the configuration: the messages of a device go to one
    /// platform.
    fn is_outdated(&self) -> bool {
        self.uplink.gateway.config.load().gateway.as_ref() != Some(&self.settings)
    }

    /// Sends the next messages of a job, or keeps them until they may go alone.
    async fn send(&mut self, job: Job) -> Result<(), ClientError> {
        if job.goes_alone() || self.waits_alone() {
            self.alone.push_back(job);
            return Ok(());
        }
        self.post(job).await
    }

    /// Whether something else waits until a message that goes alone is over.
    fn waits_alone(&self) -> bool {
        self.is_alone || self.has_alone() && self.is_alone_due()
    }

    /// Whether something waits until it may go alone.
    fn has_alone(&self) -> bool {
        !self.alone.is_empty() || self.passed.has_alone()
    }

    fn is_alone_due(&self) -> bool {
        self.alone_at <= self.uplink.gateway.clock.instant()
    }

    /// Sends what goes alone, when nothing else is under way.
    async fn post_alone(&mut self) -> Result<(), ClientError> {
        while self.window.jobs() == 0 && !(self.is_alone && self.passed.len() > 0) {
            if let Some(job) = self.alone.pop_front() {
                self.is_alone = job.goes_alone();
                self.post(job).await?;
            } else if self.passed.len() == 0
                && let Some(answer) = self.passed.take_alone()
            {
                // The end of the connection proves its arrival.
                self.is_alone = true;
                self.post_answer(answer).await?;
            } else {
                self.is_alone = false;
                break;
            }
        }
        Ok(())
    }

    /// Sends the answer to an order, or keeps it until it may go alone.
    async fn pass_on(&mut self, answer: OrderReply) -> Result<(), ClientError> {
        if answer.finishes.is_some_and(|last| self.uplink.queue.suspects().goes_alone(last.order)) {
            self.passed.keep_alone(answer);
            return Ok(());
        }
        self.post_answer(answer).await
    }

    async fn post_answer(&mut self, answer: OrderReply) -> Result<(), ClientError> {
        let raw = answer.raw.clone();
        self.passed.add(answer, self.window.sent(), self.uplink.gateway.clock.instant());
        self.write(raw).await
    }

    /// Sends a message. Nothing is read meanwhile, and as long as bytes leave the platform is there.
    async fn write(&mut self, message: Bytes) -> Result<(), ClientError> {
        let (Gateway { status, clock, .. }, number) = (&self.uplink.gateway, self.uplink.number);
        status.awaits(number, Some(self.window.oldest_awaited().unwrap_or_else(|| clock.instant())));
        self.client.post(message, || status.leaves(clock)).await
    }

    async fn post(&mut self, job: Job) -> Result<(), ClientError> {
        let acknowledge = self.uplink.acknowledge(&job);
        let now = self.uplink.gateway.clock.instant();
        let messages = match self.window.send(job, acknowledge, now) {
            Ok(messages) => messages,
            Err(job) => {
                self.avoided.insert(job.leave_to_others());
                return Ok(());
            }
        };
        for message in messages {
            self.write(message).await?;
        }
        // A large message takes its time on a slow line, in which no acknowledgement can come.
        self.window.left(self.uplink.gateway.clock.instant());
        Ok(())
    }

    /// How long acknowledgements may take.
    fn limits(&self) -> Limits {
        let answer = self.settings.answer_timeout;
        Limits { answer, result: self.uplink.gateway.status.result_timeout(answer) }
    }

    fn take(&mut self, incoming: Incoming) {
        self.report();
        self.heard = self.uplink.gateway.clock.instant();
        match incoming {
            Incoming::Answer(answer) => {
                let effect = self.window.hear(&answer);
                // What counts for no message, or an order, does not say that the platform takes messages.
                if !matches!(effect, Effect::Unexpected) {
                    self.uplink.gateway.status.heard(&self.uplink.gateway.clock);
                }
                self.apply(effect);
            }
            Incoming::Message(message) => self.hold(message),
            Incoming::Broken => {
                self.window.doubt();
                self.uplink.queue.log_broken();
            }
        }
    }

    /// Takes an order, and keeps it for a moment. The platform resets a connection when it gives up an order
    /// on it. Bytes that were delayed on their way, or while this process was stopped, come together with
    /// that end: such an order is dropped with its connection, and the platform repeats one that it has not
    /// given up.
    fn hold(&mut self, message: Bytes) {
        self.ordered = Some(self.uplink.gateway.clock.instant());
        if self.held.len() < MAX_HELD {
            self.held.push_back((self.uplink.gateway.clock.instant() + HELD, message));
        } else {
            self.uplink.orders.drop_one();
        }
    }

    fn pass_on_held(&mut self, now: Instant) {
        while let Some((_, message)) = self.held.pop_front_if(|(until, _)| *until <= now) {
            self.uplink.orders.take(message);
        }
    }

    /// Says once in the log that the platform is reached.
    fn report(&mut self) {
        if self.reported_at.take().is_some() {
            let config = self.uplink.gateway.config.load();
            let at = config.gateway.as_ref().map(|gateway| &gateway.platform);
            let (host, port) = (at.map(|at| at.host.as_str()), at.map(|at| at.port));
            tracing::info!(host, port, connection = self.uplink.number, "connected to the platform");
        }
    }

    fn apply(&mut self, effect: Effect<Job>) {
        match effect {
            // Repeated, or of a message that was sent on another connection: the store knows its outcome.
            Effect::Unexpected => self.uplink.gateway.metrics.gateway.unexpected_total.inc(),
            Effect::Nothing => {}
            Effect::Result(id, outcome) => self.settling.push(self.uplink.correct(id, outcome)),
            Effect::Settled(settled, number) => {
                self.is_answered = true;
                self.avoided.clear();
                self.note(&settled);
                settled.into_iter().for_each(|done| self.record(done));
                let finished = self.passed.proved_by(number);
                if !finished.is_empty() {
                    let orders = self.uplink.orders.clone();
                    self.settling.push(async move { orders.arrive(finished).await }.map(|()| None).boxed());
                }
            }
        }
    }

    /// Whether the platform takes messages.
    fn note(&self, settled: &[Done<Job>]) {
        let Gateway { status, clock, .. } = &self.uplink.gateway;
        if settled.iter().any(|done| !done.outcomes.is_empty()) {
            status.answered();
        } else if settled.iter().any(|done| done.unanswered.is_empty() && done.is_postponed) {
            status.postponed(clock);
        }
    }

    fn record(&mut self, done: Done<Job>) {
        let Done { job, mut outcomes, unanswered, refused_now, is_postponed, has_result, awaits_errors } =
            done;
        if has_result {
            self.uplink.gateway.status.result_came();
        }
        outcomes.extend(self.uplink.give_up(&unanswered));
        self.uplink.queue.count(&outcomes);
        let Gateway { status, clock, .. } = &self.uplink.gateway;
        status.settled(&outcomes);
        for message in refused_now {
            if job.let_others_pass(message) && status.stuck(message, job.lane(), clock) {
                tracing::error!(
                    %message,
                    "the platform cannot take a message for long, though it takes others; those behind it go first"
                );
            }
        }
        let settling = async move {
            job.record(outcomes, awaits_errors).await;
            if is_postponed {
                tokio::time::sleep(POSTPONED).await;
                return None;
            }
            job.rest()
        };
        self.settling.push(settling.boxed());
    }

    /// An acknowledgement is late, or something that asks for none has no proof of its arrival.
    fn expire(&mut self) -> Option<Ended> {
        let now = self.uplink.gateway.clock.instant();
        if self.reported_at.is_some_and(|at| at <= now) {
            self.report();
        }
        self.pass_on_held(now);
        let Expired { effects, missing, is_skipped, late } = self.window.expire(now, self.limits());
        for id in missing {
            self.uplink.gateway.status.result_missing(id, &self.uplink.gateway.clock);
            self.uplink.gateway.metrics.gateway.missing_results_total.inc();
        }
        effects.into_iter().for_each(|effect| self.apply(effect));
        if let Some(Late(message)) = late {
            let since = now.checked_sub(self.settings.answer_timeout).unwrap_or(now);
            self.uplink.queue.distrust(since);
            return Some(Ended::Late(message));
        }
        let needs_end = is_skipped || self.window.needs_proof(self.passed.oldest(), now);
        needs_end.then_some(Ended::Proved)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// How long a connection works on other messages before it sends one that may end it.
const ALONE_AFTER: Duration = Duration::from_secs(2);
/// When a connection counts as one in the log on which the platform says nothing.
const REPORTED_AFTER: Duration = Duration::from_secs(5);
/// How soon a connection follows a reload.
const RELOADED_WITHIN: Duration = Duration::from_secs(1);
/// How long an order is kept until it is passed on, if its connection goes on.
const HELD: Duration = Duration::from_millis(500);
/// Orders that are kept on a connection.
const MAX_HELD: usize = 256;
/// Lanes that one connection works on.
const WINDOW: usize = 16;
/// Those of them that only alarms may have.
const ALARM_RESERVE: usize = 2;
/// When a message is sent again that the platform could not take.
const POSTPONED: Duration = Duration::from_secs(2);
