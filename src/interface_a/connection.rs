//! The task around a session: reads, writes, stores, and keeps its deadlines.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::registry::{Links, Outgoing};
use super::session::{Effect, Now, Session, Ticket};
use crate::audit::{self, SessionEnd};
use crate::hl7::Message;
use crate::liveness::{Liveness, heartbeat_interval};
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId};
use crate::pcd::Transaction;
use crate::store::{MessageRecord, RecordOutcome, Store, StoreError};

/// Room that is made for each read.
const READ_SIZE: usize = 8 * 1024;
/// A peer that takes no bytes for so long is gone.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a peer gets to take our close_notify, and to close its own side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes that are read and thrown away meanwhile.
const LINGER_BYTES: u64 = 4 << 20;

/// What a connection needs of the platform.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) store: Store,
    pub(super) liveness: Liveness,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    /// Cancelled when the platform stops: finish what is in flight, then close.
    pub(super) drain: CancellationToken,
}

/// Drives one session until it ends.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) session: Session,
    pub(super) services: Arc<Services>,
    pub(super) links: Links,
    /// How long a peer may refuse to take bytes: [`WRITE_TIMEOUT`].
    pub(super) write_timeout: Duration,
}

/// Something that the store has finished.
enum Finished {
    Recorded(Ticket, Result<RecordOutcome, StoreError>),
    Audited,
}

/// What the session waits for.
enum Happened {
    Read(io::Result<usize>),
    Finished(Finished),
    Deliver(Outgoing),
    Withdrawn,
    Drain,
    Deadline,
}

impl Services {
    pub(super) fn now(&self) -> Now {
        Now { wall: self.clock.now(), instant: self.clock.instant() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Runs until the session ends; says why.
    pub(super) async fn run(mut self, opening: audit::Event) -> SessionEnd {
        let mut busy: FuturesUnordered<BoxFuture<'static, Finished>> = FuturesUnordered::new();
        busy.push(audited(Arc::clone(&self.services), opening));
        // Made once: to enter and leave the lists of those who wait costs something, with each message.
        let mut drained = pin!(self.services.drain.clone().cancelled_owned());
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        let mut takes_bytes = true;
        let end = loop {
            match self.perform(&mut busy).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(_) => {
                    takes_bytes = false;
                    break self.lost();
                }
            }
            let happened = self.wait(&mut busy, drained.as_mut(), alarm.as_mut()).await;
            let now = self.services.now();
            match happened {
                Happened::Read(Ok(0)) => self.session.peer_closed(now),
                Happened::Read(Ok(_)) => self.session.received(now),
                // A close without close_notify is how many devices leave.
                Happened::Read(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.session.peer_closed(now);
                }
                Happened::Read(Err(_)) => self.session.drain(SessionEnd::ConnectionLost),
                Happened::Finished(Finished::Recorded(ticket, outcome)) => {
                    self.session.recorded(ticket, &outcome, now);
                }
                Happened::Finished(Finished::Audited) => {}
                Happened::Deliver(outgoing) => self.session.deliver(outgoing),
                Happened::Withdrawn => {
                    if let Some(refusal) = *self.links.withdrawn.borrow_and_update() {
                        self.session.withdraw(refusal);
                    }
                }
                Happened::Drain => self.session.drain(SessionEnd::Shutdown),
                Happened::Deadline => self.session.expired(now),
            }
        };
        if takes_bytes {
            // A peer that leaves in the middle of our farewell has had it.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.say_goodbye()).await;
        }
        while busy.next().await.is_some() {}
        end
    }

    /// Our close_notify tells the peer that nothing was cut off. What it still sends is read and thrown away for a
    /// moment: a connection closed with unread bytes is reset, and a reset takes our last acknowledgement with it.
    async fn say_goodbye(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        tokio::io::copy(&mut (&mut self.stream).take(LINGER_BYTES), &mut tokio::io::sink()).await?;
        Ok(())
    }

    /// Does what the session wants done; everything to be sent goes out in one write.
    async fn perform(
        &mut self,
        busy: &mut FuturesUnordered<BoxFuture<'static, Finished>>,
    ) -> io::Result<Option<SessionEnd>> {
        let mut out: Vec<Bytes> = Vec::new();
        let mut end = None;
        while let Some(effect) = self.session.next_effect() {
            match effect {
                Effect::Record(ticket, record) => {
                    busy.push(recorded(Arc::clone(&self.services), ticket, record));
                }
                Effect::Audit(event) => busy.push(audited(Arc::clone(&self.services), event)),
                Effect::Send(frames) => out.push(frames),
                Effect::Count(label, since) => {
                    let metrics = &self.services.metrics;
                    metrics
                        .messages_total
                        .with_label_values(&[label.transaction, label.acknowledgement])
                        .inc();
                    let spent = self.services.clock.instant().saturating_duration_since(since);
                    metrics
                        .message_duration_seconds
                        .with_label_values(&["acknowledged"])
                        .observe(spent.as_secs_f64());
                }
                Effect::Deviated(code) => {
                    self.services.metrics.frame_deviations_total.with_label_values(&[code]).inc();
                }
                Effect::End(why) => end = Some(why),
            }
        }
        self.write(&out).await?;
        Ok(end)
    }

    async fn write(&mut self, out: &[Bytes]) -> io::Result<()> {
        let all = match out {
            [] => return Ok(()),
            [one] => one.clone(),
            many => {
                let mut all = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
                many.iter().for_each(|frames| all.extend_from_slice(frames));
                all.freeze()
            }
        };
        let writing = async {
            self.stream.write_all(&all).await?;
            self.stream.flush().await
        };
        let (withdrawn, drain) = (&mut self.links.withdrawn, &self.services.drain);
        // A peer that takes nothing must not keep a right that it has lost, nor the platform from stopping.
        let hurried = async {
            tokio::select! {
                _ = withdrawn.wait_for(Option::is_some) => {}
                () = drain.cancelled() => {}
            }
            tokio::time::sleep(CLOSE_TIMEOUT).await;
        };
        tokio::select! {
            // As a rule the socket takes everything at once.
            biased;
            written = tokio::time::timeout(self.write_timeout, writing) => {
                written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            () = hurried => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Why a session is over whose peer takes nothing any more.
    fn lost(&self) -> SessionEnd {
        match *self.links.withdrawn.borrow() {
            Some(refusal) => SessionEnd::Withdrawn(refusal),
            None if self.services.drain.is_cancelled() => SessionEnd::Shutdown,
            None => SessionEnd::ConnectionLost,
        }
    }

    async fn wait(
        &mut self,
        busy: &mut FuturesUnordered<BoxFuture<'static, Finished>>,
        drained: Pin<&mut WaitForCancellationFutureOwned>,
        alarm: Pin<&mut Sleep>,
    ) -> Happened {
        // While the store is full, a session has at most what it has read already; what is in flight wakes it.
        let reads = self.session.wants_input() && (busy.is_empty() || !self.services.store.is_full());
        self.session.reading(reads, self.services.now());
        let draining = self.session.is_draining();
        let deadline = self.session.deadline();
        if reads {
            self.session.buffer().reserve(READ_SIZE);
        }
        // In this order: a right that is lost waits for nothing, and a peer is late only when nothing of it is there to
        // read. Whoever drips has nothing there, and whoever does not comes to the longest frame.
        tokio::select! {
            biased;
            Ok(()) = self.links.withdrawn.changed(), if !draining => Happened::Withdrawn,
            () = drained, if !draining => Happened::Drain,
            Some(finished) = busy.next(), if !busy.is_empty() => Happened::Finished(finished),
            Some(outgoing) = self.links.deliveries.recv(), if !draining => Happened::Deliver(outgoing),
            read = self.stream.read_buf(self.session.buffer()), if reads => Happened::Read(read),
            () = at(alarm, deadline), if deadline.is_some() => Happened::Deadline,
        }
    }
}

fn recorded(
    services: Arc<Services>,
    ticket: Ticket,
    record: Box<MessageRecord>,
) -> BoxFuture<'static, Finished> {
    async move {
        let began = services.clock.instant();
        let heard = sign_of_life(&record);
        let outcome = services.store.record(record).await;
        if let (Some((device, at, promised)), Ok(_)) = (heard, &outcome) {
            services.liveness.hear(&device, at, promised);
        }
        let spent = services.clock.instant().saturating_duration_since(began);
        services.metrics.message_duration_seconds.with_label_values(&["stored"]).observe(spent.as_secs_f64());
        if let Err(error) = &outcome {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a message could not be stored; its sender was told to keep it"
            );
        }
        Finished::Recorded(ticket, outcome)
    }
    .boxed()
}

/// Who was heard when, and how soon the next sign of life is promised; what was rejected is none.
fn sign_of_life(record: &MessageRecord) -> Option<(DeviceId, Timestamp, Option<Duration>)> {
    if record.verdict.rejection().is_some() {
        return None;
    }
    let is_watchdog = |name: &str| name.eq_ignore_ascii_case(Transaction::Watchdog.label());
    let watchdog = record.transaction.as_deref().is_some_and(is_watchdog);
    let message = watchdog.then(|| Message::parse(&record.raw).ok()).flatten();
    let promised = message.and_then(|message| heartbeat_interval(&message));
    Some((record.device.clone(), record.received_at, promised))
}

fn audited(services: Arc<Services>, event: audit::Event) -> BoxFuture<'static, Finished> {
    async move {
        services.store.audit_or_log(event).await;
        Finished::Audited
    }
    .boxed()
}

/// Returns at `deadline`. Deadlines move on with every message: a timer that goes off too early is set anew then, which is
/// seldom, instead of with each of them.
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

#[cfg(test)]
mod tests;
