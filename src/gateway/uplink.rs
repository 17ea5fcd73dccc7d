//! One connection to the platform, again and again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use super::flight::{Flight, Heard, Sent};
use super::job::Job;
use super::orders::Orders;
use super::platform::{SetupError, connector};
use super::queue::Queue;
use crate::config::{self, HostAndPort};
use crate::hl7::AcknowledgeAs;
use crate::interface_b::{Answer, Backoff, Client, ClientError, Incoming};
use crate::model::{MessageId, explained};
use crate::store::ForwardOutcome;

/// One of the connections of a gateway to its platform.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) gateway: Gateway,
    pub(super) number: usize,
    pub(super) queue: Arc<Queue>,
    pub(super) orders: Orders,
}

/// An open connection, and what is under way on it.
struct Session<'u> {
    uplink: &'u Uplink,
    client: Client,
    /// Jobs whose last message waits for an acknowledgement, or for the proof that it has arrived.
    flights: Vec<Flight>,
    /// Jobs whose next message has the MSH-10 of one that is under way here.
    held: VecDeque<Job>,
    /// Outcomes that are being recorded, and jobs that the platform cannot take at present.
    settling: FuturesUnordered<BoxFuture<'static, Option<Job>>>,
    /// Messages that were sent on this connection.
    sent: u64,
    answer_timeout: Duration,
}

/// How a connection ended.
enum Ended {
    /// The gateway shuts down.
    Done,
    /// It was closed to prove that all messages have arrived.
    Proved,
}

impl Uplink {
    /// Connects again and again until `done`.
    pub(super) async fn run(self, done: CancellationToken) {
        let clock = self.gateway.clock.clone();
        let (mut backoff, mut is_again) = (Backoff::default(), false);
        while !done.is_cancelled() {
            let began = clock.instant();
            let config = self.gateway.config.load_full();
            let wait = match &config.gateway {
                // A reload has removed the section; messages stay in the queue.
                None => NO_PLATFORM,
                Some(gateway) => {
                    let ended = tokio::select! {
                        () = done.cancelled() => return,
                        connected = self.connect(gateway) => match connected {
                            Ok(client) => self.serve(client, gateway, is_again, &done).await,
                            Err(error) => Err(error),
                        },
                    };
                    match ended {
                        Ok(Ended::Done) => return,
                        Ok(Ended::Proved) => {
                            is_again = true;
                            continue;
                        }
                        Err(error) => {
                            let wait = backoff.next(clock.instant().duration_since(began));
                            self.report(&gateway.platform, &error, wait);
                            is_again = false;
                            wait
                        }
                    }
                }
            };
            tokio::select! {
                () = done.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn connect(&self, gateway: &config::Gateway) -> Result<Client, UplinkError> {
        let connector = connector(gateway, &self.gateway.clock)?;
        let HostAndPort { host, port } = &gateway.platform;
        Ok(Client::connect(&connector, host, *port, CONNECT_TIMEOUT).await?)
    }

    async fn serve(
        &self,
        client: Client,
        gateway: &config::Gateway,
        is_again: bool,
        done: &CancellationToken,
    ) -> Result<Ended, UplinkError> {
        let Gateway { status, registry, metrics, clock, .. } = &self.gateway;
        status.opened(self.number, clock.now(), registry.relay(), metrics);
        let HostAndPort { host, port } = &gateway.platform;
        // A connection that was closed as a proof is opened again at once, which is no news.
        if !is_again {
            tracing::info!(host, port, connection = self.number, "connected to the platform");
        }
        let session = Session {
            uplink: self,
            client,
            flights: Vec::new(),
            held: VecDeque::new(),
            settling: FuturesUnordered::new(),
            sent: 0,
            answer_timeout: gateway.answer_timeout,
        };
        let ended = session.run(done).await;
        status.closed(self.number, registry.relay(), metrics);
        Ok(ended?)
    }

    /// Each failure is logged as an error (B17, B18).
    fn report(&self, HostAndPort { host, port }: &HostAndPort, error: &UplinkError, wait: Duration) {
        let (error, wait_ms) = (explained(error), wait.as_millis());
        let connection = self.number;
        tracing::error!(
            host,
            port,
            connection,
            error,
            wait_ms,
            "no connection to the platform; connecting again"
        );
        self.gateway.metrics.gateway.failures_total.inc();
        self.gateway.status.failed(error, self.gateway.clock.now());
    }

    /// Counts what the platform has answered, and logs what it refused.
    fn count(&self, settled: &[(MessageId, ForwardOutcome)]) {
        for (id, outcome) in settled {
            self.gateway.metrics.gateway.settled(outcome.is_accepted);
            if !outcome.is_accepted {
                let (code, reason) = (&outcome.code, outcome.reason.as_deref().unwrap_or_default());
                tracing::warn!(message = %id, code, reason, "the platform refused a message; it is kept");
            }
        }
    }

    /// How the directory has a device acknowledged.
    fn acknowledge(&self, job: &Job) -> AcknowledgeAs {
        let directory = self.gateway.directory.load();
        directory.active(job.device()).map_or(AcknowledgeAs::AsAsked, |device| device.acknowledge)
    }
}

impl Session<'_> {
    async fn run(mut self, done: &CancellationToken) -> Result<Ended, ClientError> {
        let ended = self.forward(done).await;
        // What the platform has answered counts, also when the connection is lost.
        while let Some(job) = self.settling.next().await {
            drop(job);
        }
        match ended {
            Ok(ended) => self.finish().await.map(|()| ended),
            Err(error) => Err(error),
        }
    }

    async fn forward(&mut self, done: &CancellationToken) -> Result<Ended, ClientError> {
        let queue = Arc::clone(&self.uplink.queue);
        let mut next = queue.next().boxed();
        loop {
            let has_room = self.flights.len() + self.held.len() + self.settling.len() < WINDOW;
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = done.cancelled() => return Ok(Ended::Done),
                incoming = self.client.incoming() => self.take(incoming?)?,
                Some(rest) = self.settling.next(), if !self.settling.is_empty() => {
                    if let Some(job) = rest {
                        self.send(job).await?;
                    }
                    self.send_held().await?;
                }
                answer = self.uplink.orders.answer() => {
                    if let Err(error) = self.client.post(answer.clone()).await {
                        self.uplink.orders.return_answer(answer);
                        return Err(error);
                    }
                }
                (claim, messages) = &mut next, if has_room => {
                    next = queue.next().boxed();
                    self.send(Job::new(claim, messages)).await?;
                }
                () = until(deadline) => {
                    if let Some(ended) = self.expire()? {
                        return Ok(ended);
                    }
                }
            }
        }
    }

    /// Sends the next messages of a job: those that ask for no acknowledgement, and the first that asks for
    /// one. A message waits while another one with its MSH-10 is under way: the platform's answer to the one
    /// must not be taken for the other's.
    async fn send(&mut self, mut job: Job) -> Result<(), ClientError> {
        let acknowledge = self.uplink.acknowledge(&job);
        let mut sent = Vec::new();
        while let Some(head) = job.head() {
            let next = Sent::of(head, acknowledge);
            let is_same = |one: &Sent| one.control_id() == next.control_id();
            if sent.iter().chain(self.flights.iter().flat_map(|flight| &flight.sent)).any(is_same) {
                break;
            }
            let Some(message) = job.take_head() else { break };
            let is_silent = next.is_silent();
            sent.push(next);
            self.sent += 1;
            let posted = self.client.post(message.raw).await;
            if posted.is_err() || !is_silent {
                self.fly(job, sent);
                return posted;
            }
        }
        if sent.is_empty() {
            self.held.push_back(job);
        } else {
            self.fly(job, sent);
        }
        Ok(())
    }

    fn fly(&mut self, job: Job, sent: Vec<Sent>) {
        let since = self.uplink.gateway.clock.instant();
        self.flights.push(Flight { job, sent, number: self.sent, since });
    }

    /// Tries again the jobs that waited for another message.
    async fn send_held(&mut self) -> Result<(), ClientError> {
        for job in std::mem::take(&mut self.held) {
            self.send(job).await?;
        }
        Ok(())
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), ClientError> {
        match incoming {
            Incoming::Answer(answer) => self.hear(&answer),
            Incoming::Message(message) => self.uplink.orders.take(message),
        }
        Ok(())
    }

    fn hear(&mut self, answer: &Answer) {
        for at in 0..self.flights.len() {
            let Some(flight) = self.flights.get_mut(at) else { return };
            match flight.hear(answer) {
                Heard::Other => continue,
                Heard::More => {}
                Heard::Settled(outcome) => self.settle(at, Some(outcome)),
                Heard::Later => {
                    let Flight { job, mut sent, .. } = self.flights.remove(at);
                    sent.pop();
                    self.settling.push(postpone(job, Flight::outcomes(sent, None)).boxed());
                }
            }
            return;
        }
        // Repeated, or of a message that was sent on another connection: the store knows its outcome.
        self.uplink.gateway.metrics.gateway.unexpected_total.inc();
    }

    /// A message was acknowledged, so every message that was sent before it has arrived: the platform answers
    /// in order. That settles what asks for no acknowledgement.
    fn settle(&mut self, at: usize, outcome: Option<ForwardOutcome>) {
        let flight = self.flights.remove(at);
        let number = flight.number;
        self.record(flight, outcome);
        while let Some(silent) =
            self.flights.iter().position(|other| !other.awaits() && other.number < number)
        {
            let silent = self.flights.remove(silent);
            self.record(silent, None);
        }
    }

    fn record(&mut self, Flight { job, sent, .. }: Flight, last: Option<ForwardOutcome>) {
        let outcomes: Vec<(MessageId, ForwardOutcome)> = Flight::outcomes(sent, last);
        self.uplink.count(&outcomes);
        let settling = async move {
            job.record(outcomes).await;
            job.rest()
        };
        self.settling.push(settling.boxed());
    }

    /// When something is late.
    fn deadline(&self) -> Option<Instant> {
        let awaited = self.flights.iter().filter(|flight| flight.awaits()).map(|flight| flight.since);
        match awaited.min() {
            Some(since) => Some(since + self.answer_timeout),
            None => self.flights.iter().map(|flight| flight.since + PROOF_AFTER).min(),
        }
    }

    /// An acknowledgement is late, or a message that asks for none has no proof of its arrival.
    fn expire(&mut self) -> Result<Option<Ended>, ClientError> {
        let now = self.uplink.gateway.clock.instant();
        let limit = self.answer_timeout;
        let late = |flight: &Flight| flight.awaits() && flight.since + limit <= now;
        while let Some(at) = self.flights.iter().position(late) {
            if !self.flights.get(at).is_some_and(Flight::is_accepted) {
                return Err(ClientError::Timeout(limit));
            }
            // It has arrived. To send it again would repeat it, and its result may never come.
            self.settle(at, None);
        }
        let is_unproved = |flight: &Flight| !flight.awaits() && flight.since + PROOF_AFTER <= now;
        let is_idle = !self.flights.iter().any(Flight::awaits);
        Ok((is_idle && self.flights.iter().any(is_unproved)).then_some(Ended::Proved))
    }

    /// Closes the connection. A platform that answers close_notify has taken everything that was sent.
    async fn finish(self) -> Result<(), ClientError> {
        let Self { uplink, client, mut flights, held, .. } = self;
        drop(held);
        let finishing = tokio::time::timeout(FINISH_TIMEOUT, client.finish()).await;
        let last = finishing.unwrap_or(Err(ClientError::Timeout(FINISH_TIMEOUT)))?;
        let answers = last.into_iter().filter_map(|incoming| match incoming {
            Incoming::Answer(answer) => Some(answer),
            // Its sender gets no answer, and sends it again.
            Incoming::Message(_) => None,
        });
        let mut outcomes: Vec<Option<ForwardOutcome>> = vec![None; flights.len()];
        for answer in answers {
            for (flight, outcome) in flights.iter_mut().zip(&mut outcomes) {
                match flight.hear(&answer) {
                    Heard::Other => continue,
                    Heard::Settled(settled) => *outcome = Some(settled),
                    Heard::More | Heard::Later => {}
                }
                break;
            }
        }
        for (Flight { job, mut sent, .. }, outcome) in flights.into_iter().zip(outcomes) {
            // What asks for an acknowledgement and has none is sent again.
            if outcome.is_none() && sent.last().is_some_and(|last| !last.is_silent()) {
                sent.pop();
            }
            let settled = Flight::outcomes(sent, outcome);
            uplink.count(&settled);
            job.record(settled).await;
        }
        Ok(())
    }
}

/// Gives a job back after a while: the platform could not take its next message. `settled` came before it.
async fn postpone(job: Job, settled: Vec<(MessageId, ForwardOutcome)>) -> Option<Job> {
    job.record(settled).await;
    tokio::time::sleep(POSTPONED).await;
    None
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// A connection could not be made, or was lost.
#[derive(Debug, thiserror::Error)]
enum UplinkError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Bounds a connection attempt, and each write.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the platform has to answer close_notify; a shutdown waits for it.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Lanes that one connection works on.
const WINDOW: usize = 16;
/// When a message that asks for no acknowledgement needs another proof that it has arrived.
const PROOF_AFTER: Duration = Duration::from_secs(2);
/// When a message is sent again that the platform could not take.
const POSTPONED: Duration = Duration::from_secs(2);
/// How often a gateway without a platform looks whether it has one.
const NO_PLATFORM: Duration = Duration::from_secs(2);
