//! Connects to a platform, sends messages, reads the acknowledgements, and takes its messages.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Sleep, timeout};
use tokio_util::codec::Framed;

use super::answer::Awaited;
use super::receiver::{Receiver, RefuseAll, answers};
use super::{Answer, ClientError};
use crate::hl7::{Message, batch};
use crate::mllp::{Codec, FrameError, Received};
use crate::tls::{Connector, SecuredStream, limit_send_buffer, prepare_tcp, reach};

/// A connection to a platform. It has no task of its own: it reads while [`send`](Self::send) waits for an
/// acknowledgement, and in [`listen`](Self::listen).
pub struct Client {
    frames: Framed<SecuredStream, Codec>,
    timeout: Duration,
    receiver: Arc<dyn Receiver>,
    /// Acknowledgements that no message waited for.
    others: Vec<Answer>,
    /// What came in one frame and is not read yet.
    parts: VecDeque<Bytes>,
    /// The wait for the last byte of a frame that has none.
    frame_end: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to `host`:`port` (B12). `limit` bounds the connection attempt and each wait for an
    /// acknowledgement.
    ///
    /// # Errors
    /// When the connection or the handshake fails, or `limit` expires.
    pub async fn connect(
        connector: &Connector,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Self, ClientError> {
        let connecting = async {
            let tcp = reach(host, port)
                .await
                .map_err(|source| ClientError::Tcp { to: format!("{host}:{port}"), source })?;
            prepare_tcp(&tcp, DEAD_PEER_TIMEOUT);
            limit_send_buffer(&tcp);
            Ok::<_, ClientError>(connector.connect(host, tcp).await?)
        };
        let stream = timeout(limit, connecting).await.map_err(|_| ClientError::Timeout(limit))??;
        Ok(Self::over(stream, limit))
    }

    /// A client on a connection that is set up: for a caller that chooses its own address. `limit` bounds
    /// each wait for an acknowledgement.
    #[must_use]
    pub fn over(stream: SecuredStream, limit: Duration) -> Self {
        Self {
            frames: Framed::new(stream, Codec::new(MAX_FRAME)),
            timeout: limit,
            receiver: Arc::new(RefuseAll),
            others: Vec::new(),
            parts: VecDeque::new(),
            frame_end: None,
        }
    }

    /// This client, which takes frames of up to so many bytes from the platform; without it, 2 MiB.
    #[must_use]
    pub fn with_max_frame(mut self, bytes: usize) -> Self {
        *self.frames.codec_mut() = Codec::new(bytes);
        self
    }

    /// This client, which sends messages as their devices framed them, also with the byte 0x1C inside.
    #[must_use]
    pub fn relaying(mut self) -> Self {
        let codec = self.frames.codec_mut();
        *codec = std::mem::replace(codec, Codec::new(0)).relaying();
        self
    }

    /// This client, which gives the messages of the platform to `receiver`. Without one it refuses them.
    #[must_use]
    pub fn with_receiver(self, receiver: Arc<dyn Receiver>) -> Self {
        Self { receiver, ..self }
    }

    /// Sends one message and waits for every acknowledgement that it requests (MSH-15, MSH-16). An
    /// acknowledgement counts if its MSA-2 is the MSH-10 of the message; the rest is for
    /// [`take_others`](Self::take_others).
    ///
    /// # Errors
    /// When the message cannot be sent, or an acknowledgement is missing.
    pub async fn send(&mut self, message: Bytes) -> Result<Vec<Answer>, ClientError> {
        let mut awaited = Awaited::of(&message)?;
        self.frames.send(message).await?;
        let mut taken = Vec::new();
        while !awaited.is_over() {
            let limit = self.timeout;
            let waiting = self.answer_to(&mut awaited);
            match timeout(limit, waiting).await.unwrap_or(Err(ClientError::Timeout(limit))) {
                Ok(answer) => taken.push(answer),
                Err(cause) if taken.is_empty() => return Err(cause),
                Err(cause) => {
                    let (answers, missing) = (taken, awaited.missing());
                    return Err(ClientError::Incomplete { answers, missing, cause: Box::new(cause) });
                }
            }
        }
        Ok(taken)
    }

    /// Sends one message, and does not wait for what it requests: [`incoming`](Self::incoming) reads that.
    /// `progress` is called when bytes have left, and others are still to leave.
    ///
    /// # Errors
    /// When the platform takes no bytes for the timeout, or the connection is lost. A large message may take
    /// longer on a slow line.
    pub async fn post(&mut self, message: Bytes, mut progress: impl FnMut()) -> Result<(), ClientError> {
        let limit = self.timeout;
        timeout(limit, self.frames.feed(message)).await.map_err(|_| ClientError::Timeout(limit))??;
        let mut late = pin!(tokio::time::sleep(limit));
        poll_fn(|cx| {
            let before = self.frames.write_buffer().len();
            if let Poll::Ready(sent) = self.frames.poll_flush_unpin(cx) {
                return Poll::Ready(sent.map_err(ClientError::from));
            }
            if self.frames.write_buffer().len() < before {
                late.set(tokio::time::sleep(limit));
                progress();
            }
            late.as_mut().poll(cx).map(|()| Err(ClientError::Timeout(limit)))
        })
        .await
    }

    /// The next thing that comes from the platform: for callers that have several messages under way. An
    /// acknowledgement with a code outside of HL7 table 0008 is left out; a frame whose text cannot be read
    /// is a message.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection ends: [`ClientError::Closed`] if the platform has closed it.
    pub async fn incoming(&mut self) -> Result<Incoming, ClientError> {
        loop {
            let received = match self.receive().await {
                Err(ClientError::Broken) => return Ok(Incoming::Broken),
                received => received?,
            };
            if !Message::parse(&received).is_ok_and(|message| message.acknowledgement().is_some()) {
                return Ok(Incoming::Message(received));
            }
            if let Some(answer) = Answer::read(received)? {
                return Ok(Incoming::Answer(answer));
            }
        }
    }

    /// Sends close_notify, and reads until the platform has closed its side. A platform that ends like this
    /// has taken every message that was sent well before: its own end may have met the last ones on their
    /// way. `hear` gets what comes meanwhile: silence may mean that a message was taken. The sender of a
    /// message that comes now gets no answer, and sends it again.
    ///
    /// # Errors
    /// When the connection was cut, or the platform does not close it within `limit`.
    pub async fn finish(
        mut self,
        limit: Duration,
        mut hear: impl FnMut(Incoming),
    ) -> Result<(), ClientError> {
        let finishing = async {
            self.frames.close().await?;
            loop {
                match self.incoming().await {
                    Ok(incoming) => hear(incoming),
                    Err(ClientError::Closed) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(limit, finishing).await.map_err(|_| ClientError::Timeout(limit))?
    }

    /// Takes messages of the platform for so long; the connection is idle otherwise.
    ///
    /// # Errors
    /// When the connection ends: [`ClientError::Closed`] if the platform has closed it.
    pub async fn listen(&mut self, during: Duration) -> Result<(), ClientError> {
        let mut end = pin!(tokio::time::sleep(during));
        loop {
            // Between two frames the wait can be given up; a message that has come is answered.
            let received = tokio::select! {
                received = self.receive() => received?,
                () = &mut end => return Ok(()),
            };
            if let Some(answer) = self.process(received).await? {
                self.keep(answer);
            }
        }
    }

    /// The acknowledgements that came and belong to no message that waited for them: of another MSA-2, or
    /// repeated. At most [`MAX_OTHERS`], the first ones.
    pub fn take_others(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.others)
    }

    /// As [`finish`](Self::finish), for a caller that waits for nothing: acknowledgements are kept for
    /// [`take_others`](Self::take_others), messages can no longer be answered.
    ///
    /// # Errors
    /// When the connection was cut, or the platform does not close it within the timeout.
    pub async fn drain(&mut self) -> Result<(), ClientError> {
        let limit = self.timeout;
        let draining = async {
            self.frames.close().await?;
            loop {
                match self.incoming().await {
                    Ok(Incoming::Answer(answer)) => self.keep(answer),
                    Ok(Incoming::Message(_) | Incoming::Broken) => {}
                    Err(ClientError::Closed) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(limit, draining).await.map_err(|_| ClientError::Timeout(limit))?
    }

    /// Closes the connection with close_notify.
    ///
    /// # Errors
    /// When the connection was lost.
    pub async fn close(mut self) -> Result<(), ClientError> {
        Ok(self.frames.close().await?)
    }

    /// The next message or acknowledgement. A frame may hold several: what stands behind an acknowledgement
    /// is no part of it.
    ///
    /// Cancel safe.
    async fn receive(&mut self) -> Result<Bytes, ClientError> {
        if let Some(part) = self.parts.pop_front() {
            return Ok(part);
        }
        let frame = match self.next_frame().await.ok_or(ClientError::Closed)?? {
            Received::Frame(frame) => frame,
            Received::Broken(broken) if broken.reason.must_close() => {
                return Err(ClientError::NoAcknowledgement);
            }
            Received::Broken(_) => return Err(ClientError::Broken),
        };
        let batch = batch::split(&frame.payload);
        let ranges = batch.into_iter().flat_map(|batch| batch.messages);
        self.parts.extend(ranges.map(|range| frame.payload.slice(range)));
        Ok(self.parts.pop_front().unwrap_or(frame.payload))
    }

    /// The next frame. One that ends without the carriage return of its end block is complete after a short
    /// wait, which goes on in the next call.
    ///
    /// Cancel safe.
    async fn next_frame(&mut self) -> Option<Result<Received, FrameError>> {
        poll_fn(|cx| {
            if let Poll::Ready(next) = self.frames.poll_next_unpin(cx) {
                self.frame_end = None;
                return Poll::Ready(next);
            }
            if !self.frames.codec().awaiting_carriage_return() {
                return Poll::Pending;
            }
            let end =
                self.frame_end.get_or_insert_with(|| Box::pin(tokio::time::sleep(CARRIAGE_RETURN_TIMEOUT)));
            ready!(end.as_mut().poll(cx));
            self.frame_end = None;
            let mut buffer = std::mem::take(self.frames.read_buffer_mut());
            let received = self.frames.codec_mut().complete_without_cr(&mut buffer);
            *self.frames.read_buffer_mut() = buffer;
            Poll::Ready(received.map(Ok))
        })
        .await
    }

    /// Reads the next acknowledgement that the message waits for.
    async fn answer_to(&mut self, awaited: &mut Awaited) -> Result<Answer, ClientError> {
        loop {
            let received = self.receive().await?;
            match self.process(received).await? {
                Some(answer) if awaited.take(&answer) => return Ok(answer),
                Some(answer) => self.keep(answer),
                None => {}
            }
        }
    }

    /// An acknowledgement; a message is answered.
    async fn process(&mut self, received: Bytes) -> Result<Option<Answer>, ClientError> {
        let message = Message::parse(&received)?;
        if message.acknowledgement().is_some() {
            return Answer::read(received.clone())?.map(Some).ok_or(ClientError::NoAcknowledgement);
        }
        let reply = self.receiver.receive(received.clone()).await;
        for answer in answers(&message, reply) {
            self.frames.send(answer).await?;
        }
        Ok(None)
    }

    fn keep(&mut self, answer: Answer) {
        if self.others.len() < MAX_OTHERS {
            self.others.push(answer);
        }
    }
}

/// Something that came from the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// An acknowledgement.
    Answer(Answer),
    /// A message, without its frame.
    Message(Bytes),
    /// A frame that was cut off, or is UTF-16. It may have been an acknowledgement.
    Broken,
}

/// Acknowledgements that are kept for [`Client::take_others`].
pub const MAX_OTHERS: usize = 64;

/// Bytes of a frame that the platform may send; longer ones are an error.
const MAX_FRAME: usize = 2 << 20;
/// How long the carriage return of an end block may take.
const CARRIAGE_RETURN_TIMEOUT: Duration = Duration::from_millis(200);
/// When a connection ends whose other side no longer answers the kernel: a platform behind a firewall that
/// has forgotten an idle connection could not send its orders.
pub const DEAD_PEER_TIMEOUT: Duration = Duration::from_mins(2);
