//! What devices with a fault do.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_util::codec::Framed;

use super::Fault;
use super::counters::{add, subtract};
use super::device::{Device, reason};
use super::fault::{ACKNOWLEDGED, AGAIN, CLOSED, NOT_ADMITTED, OPEN};
use super::traffic::{Equipment, Kind, Report};
use crate::hl7::Message;
use crate::interface_b::{Answer, Client, ClientError};
use crate::mllp::{CR, Codec, FS, Received, VT};
use crate::tls::SecuredStream;

impl Device {
    /// Shows its fault again and again, until the simulation stops.
    pub(super) async fn run_faulty(mut self, fault: Fault) {
        let shared = self.shared.clone();
        let mut is_admitted = false;
        while !shared.stop.is_cancelled() {
            // Each attempt has an end of its own, so that no message is left without its answer.
            match Box::pin(self.connect_and_show(fault)).await {
                Ok(()) => is_admitted = true,
                Err(error) => {
                    let reason = reason(&error);
                    let is_early = shared.clock.instant().duration_since(shared.started) < ADMISSION_TIME;
                    if is_admitted || !is_early || fault == Fault::Unknown || reason != NOT_ADMITTED {
                        shared.counters.fault(fault, reason);
                    }
                }
            }
            let pause =
                if fault == Fault::Reconnects { RECONNECT_INTERVAL } else { shared.schedule.interval };
            tokio::select! {
                () = sleep(pause) => {}
                () = shared.stop.cancelled() => return,
            }
        }
    }

    async fn connect_and_show(&mut self, fault: Fault) -> Result<(), ClientError> {
        let permit = self.shared.handshakes.acquire().await.ok();
        let stream = self.shared.connect(&self.connector, self.number).await?;
        drop(permit);
        add(&self.shared.counters.handshakes);
        let shown = self.attempt(fault, stream).await;
        // In TLS 1.3 a refusal comes after the handshake.
        if matches!(shown, Err(ClientError::Refused(_))) {
            subtract(&self.shared.counters.handshakes);
        }
        shown
    }

    /// One session with the fault.
    async fn attempt(&mut self, fault: Fault, mut stream: SecuredStream) -> Result<(), ClientError> {
        match fault {
            Fault::Garbage => {
                write(&mut stream, &[0x55; 512]).await?;
                self.end_of(fault, stream).await;
            }
            Fault::HalfFrame => {
                let message = self.next_message(Duration::ZERO);
                let half = message.get(..message.len() / 2).unwrap_or_default();
                write(&mut stream, &[&[VT][..], half].concat()).await?;
                self.end_of(fault, stream).await;
            }
            Fault::SlowWriter => self.write_slowly(stream).await?,
            Fault::SlowReader => self.read_late(stream).await?,
            _ => {
                let mut client = Client::over(stream, self.shared.timeout);
                self.exchange(fault, &mut client).await?;
                // What matters is acknowledged.
                let _ = client.close().await;
            }
        }
        Ok(())
    }

    /// Faults that leave the session itself as it has to be.
    async fn exchange(&mut self, fault: Fault, client: &mut Client) -> Result<(), ClientError> {
        let ahead = if fault == Fault::ClockOff { CLOCK_DIFFERENCE } else { Duration::ZERO };
        let message = self.next_message(ahead);
        let counters = self.shared.counters.clone();
        self.record(fault, &client.send(message.clone()).await?, ACKNOWLEDGED);
        match fault {
            Fault::Duplicate => {
                let answers = client.send(message).await?;
                counters.fault(fault, outcome(&answers, AGAIN));
            }
            Fault::Silent => {
                tokio::select! {
                    ended = client.listen(LONG) => ended?,
                    () = self.shared.stop.cancelled() => {}
                }
                counters.fault(fault, OPEN.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    async fn write_slowly(&mut self, mut stream: SecuredStream) -> Result<(), ClientError> {
        let message = self.next_message(Duration::ZERO);
        let frame = [&[VT][..], &message, &[FS, CR]].concat();
        for chunk in frame.chunks(SLOW_CHUNK) {
            write(&mut stream, chunk).await?;
            sleep(SLOW_INTERVAL).await;
        }
        let mut frames = Framed::new(stream, Codec::new(MAX_FRAME_BYTES));
        let answer = next(&mut frames, self.shared.timeout).await?;
        self.record(Fault::SlowWriter, &[answer], ACKNOWLEDGED);
        let _ = frames.close().await;
        Ok(())
    }

    async fn read_late(&mut self, stream: SecuredStream) -> Result<(), ClientError> {
        let mut frames = Framed::new(stream, Codec::new(MAX_FRAME_BYTES));
        for _ in 0..LATE_MESSAGES {
            frames.send(self.next_message(Duration::ZERO)).await?;
        }
        sleep(LATE_BY).await;
        for _ in 0..LATE_MESSAGES {
            let answer = next(&mut frames, self.shared.timeout).await?;
            self.record(Fault::SlowReader, &[answer], ACKNOWLEDGED);
        }
        let _ = frames.close().await;
        Ok(())
    }

    /// Waits until the platform ends the session, for a time in which it should have.
    async fn end_of(&self, fault: Fault, mut stream: SecuredStream) {
        let mut answered = false;
        let reading = async {
            let mut bytes = [0; 1024];
            loop {
                match stream.read(&mut bytes).await {
                    Ok(0) | Err(_) => return,
                    Ok(length) => answered |= contains_positive(bytes.get(..length).unwrap_or_default()),
                }
            }
        };
        let ended = tokio::select! {
            ended = timeout(END_TIMEOUT, reading) => ended.is_ok(),
            () = self.shared.stop.cancelled() => false,
        };
        let outcome = match (answered, ended) {
            (true, _) => ACKNOWLEDGED,
            (false, true) => CLOSED,
            (false, false) => OPEN,
        };
        self.shared.counters.fault(fault, outcome.to_owned());
    }

    /// The next message: vital signs of the device itself, or of another one.
    fn next_message(&mut self, ahead: Duration) -> Bytes {
        let own = &self.device.id;
        let about = match self.device.fault {
            // The first device of the fleet.
            Some(Fault::WrongName) => format!("{}{:08X}", own.get(..8).unwrap_or_default(), 0),
            _ => own.clone(),
        };
        let equipment = Equipment::new(about, Kind::Monitor, self.number, 0);
        let report = Report::Values(super::traffic::Strain::default());
        let message = self.shared.message(own, &equipment, &report, self.messages, ahead);
        self.messages += 1;
        message
    }

    /// Counts a message that was answered; one of a refused device has not been sent.
    fn record(&self, fault: Fault, answers: &[Answer], accepted: &str) {
        let counters = &self.shared.counters;
        counters.sent(TRANSACTION);
        if answers.iter().all(|answer| answer.code.is_positive()) {
            counters.acknowledged(TRANSACTION);
        } else {
            add(&counters.rejected_with_fault);
        }
        counters.fault(fault, outcome(answers, accepted));
    }
}

fn outcome(answers: &[Answer], accepted: &str) -> String {
    match answers.iter().find(|answer| !answer.code.is_positive()) {
        None => accepted.to_owned(),
        Some(refusal) => {
            format!("rejected: {}", refusal.reason.as_deref().unwrap_or(refusal.code.as_str()))
        }
    }
}

/// Whether the bytes have a positive acknowledgement.
fn contains_positive(bytes: &[u8]) -> bool {
    [&b"MSA|CA|"[..], b"MSA|AA|"].iter().any(|code| bytes.windows(code.len()).any(|part| part == *code))
}

async fn write(stream: &mut SecuredStream, bytes: &[u8]) -> Result<(), ClientError> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    written.await.map_err(|error| ClientError::from(crate::mllp::FrameError::Io(error)))
}

/// The next acknowledgement.
async fn next(frames: &mut Framed<SecuredStream, Codec>, limit: Duration) -> Result<Answer, ClientError> {
    let received = timeout(limit, frames.next()).await.map_err(|_| ClientError::Timeout(limit))?;
    let Received::Frame(frame) = received.ok_or(ClientError::Closed)?? else {
        return Err(ClientError::NoAcknowledgement);
    };
    Message::parse(&frame.payload)?;
    Answer::read(frame.payload)?.ok_or(ClientError::NoAcknowledgement)
}

const TRANSACTION: &str = "pcd-01";
/// A platform applies a change of its directory within a second, on a busy machine later.
const ADMISSION_TIME: Duration = Duration::from_secs(30);
/// What the clock of a device is fast by.
const CLOCK_DIFFERENCE: Duration = Duration::from_hours(1);
const LONG: Duration = Duration::from_hours(24);
/// Bytes that a slow writer writes at once, and the time between two writes.
const SLOW_CHUNK: usize = 256;
const SLOW_INTERVAL: Duration = Duration::from_millis(400);
/// Messages that a slow reader sends before it reads, and for how long it does not.
const LATE_MESSAGES: u32 = 20;
const LATE_BY: Duration = Duration::from_secs(2);
/// A platform waits 30 s for the end of a frame by default.
const END_TIMEOUT: Duration = Duration::from_secs(45);
const RECONNECT_INTERVAL: Duration = Duration::from_millis(20);
const MAX_FRAME_BYTES: usize = 1 << 20;
