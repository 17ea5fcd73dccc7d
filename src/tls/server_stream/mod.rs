//! The server's side of a TLS connection, without buffers between messages.
//!
//! The buffered connection of rustls holds four kilobytes for its next read, and most sessions of devices
//! wait most of the time. Here records are read by way of the stack. In memory is only what is incomplete,
//! what the caller has not taken, and what the peer does not take.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TLS connection of a server. Reads return `UnexpectedEof` where the peer closes without close_notify.
pub struct ServerStream<IO> {
    io: IO,
    connection: UnbufferedServerConnection,
    /// Records that are not complete, and messages of a handshake that are not.
    incoming: Vec<u8>,
    /// What the caller has not taken.
    plaintext: Vec<u8>,
    /// How much of it the caller has taken.
    delivered: usize,
    /// Records that the peer has not taken.
    outgoing: Vec<u8>,
    /// How much of them it has taken.
    written: usize,
    /// Whether the peer has sent its close_notify.
    is_closed: bool,
    /// Whether no byte of the peer will follow.
    has_ended: bool,
    /// Why nothing more is read or written: as a rule the peer has broken the protocol.
    failure: Option<rustls::Error>,
    /// Whether the rest of what the TLS library answers itself is left to the next read.
    owes_answer: bool,
}

/// What is to be done when the connection can encrypt.
#[derive(Clone, Copy)]
enum Action<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ServerStream<IO> {
    /// Performs the handshake.
    ///
    /// # Errors
    /// When it fails, with the connection. As far as the peer takes it, the alert is written.
    pub(super) async fn accept(config: Arc<ServerConfig>, io: IO) -> Result<Self, (io::Error, IO)> {
        let connection = match UnbufferedServerConnection::new(config) {
            Ok(connection) => connection,
            Err(error) => return Err((io::Error::other(error), io)),
        };
        let mut stream = Self {
            io,
            connection,
            incoming: Vec::new(),
            plaintext: Vec::new(),
            delivered: 0,
            outgoing: Vec::new(),
            written: 0,
            is_closed: false,
            has_ended: false,
            failure: None,
            owes_answer: false,
        };
        match std::future::poll_fn(|cx| stream.poll_handshake(cx)).await {
            Ok(()) => Ok(stream),
            Err(error) => Err((error, stream.io)),
        }
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let written = self.poll_outgoing(cx)?;
            if !self.connection.is_handshaking() {
                ready!(written);
                return Pin::new(&mut self.io).poll_flush(cx);
            }
            if self.has_ended || self.is_closed {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            // Otherwise what the connection below has taken but not written would wait until the timeout.
            let _ = Pin::new(&mut self.io).poll_flush(cx)?;
            // An unwritten part of a flight does not keep us from reading: the peer may have sent an alert.
            ready!(self.poll_records::<HANDSHAKE_READ_SIZE>(cx, None))?;
        }
    }

    /// Reads once, and processes what is complete. What does not go into `buf` waits in the stream.
    fn poll_records<const SIZE: usize>(
        &mut self,
        cx: &mut Context<'_>,
        buf: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = &self.failure {
            return Poll::Ready(Err(invalid(error.clone())));
        }
        if self.incoming.len() >= MAX_INCOMING {
            return Poll::Ready(Err(invalid("the peer fills the memory for one message")));
        }
        let mut space = [MaybeUninit::uninit(); SIZE];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut space))?;
        let fresh = space.filled_mut();
        self.has_ended = fresh.is_empty();
        let processed = if self.incoming.is_empty() {
            let processed = self.process(fresh, buf, Action::Nothing);
            if let Ok(used) = processed {
                self.incoming.extend_from_slice(fresh.get(used..).unwrap_or_default());
            }
            processed.map(drop)
        } else {
            self.incoming.extend_from_slice(fresh);
            self.process_incoming(buf, Action::Nothing)
        };
        Poll::Ready(processed.map_err(|error| self.fail(cx, error)))
    }

    /// Ends the connection: the alert about it, or close_notify, is the last that is written.
    fn fail(&mut self, cx: &mut Context<'_>, error: rustls::Error) -> io::Error {
        self.failure = Some(error.clone());
        self.incoming = Vec::new();
        self.append_last();
        let _ = self.poll_outgoing(cx);
        invalid(error)
    }

    /// Ends our side of the connection without close_notify, behind everything that was written.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owes_answer = false;
        ready!(self.poll_outgoing(cx))?;
        match ready!(Pin::new(&mut self.io).poll_shutdown(cx)) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            closed => Poll::Ready(closed),
        }
    }

    /// Writes records. Ready when none is left.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.outgoing.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        (self.outgoing, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

impl<IO> ServerStream<IO> {
    /// The connection below, and the state of the TLS connection.
    pub(super) fn get_ref(&self) -> (&IO, &CommonState) {
        let state: &CommonState = &self.connection;
        (&self.io, state)
    }

    /// The connection below.
    pub(super) const fn io_mut(&mut self) -> &mut IO {
        &mut self.io
    }

    /// Whether a part of a record has come whose rest is on its way.
    pub(super) const fn has_partial_record(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Processes what is in memory: as a rule nothing.
    fn process_incoming(
        &mut self,
        buf: Option<&mut ReadBuf<'_>>,
        action: Action<'_>,
    ) -> Result<(), rustls::Error> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let used = self.process(&mut incoming, buf, action)?;
        if used < incoming.len() {
            incoming.drain(..used);
            self.incoming = incoming;
        }
        Ok(())
    }

    /// Processes the records at the beginning of `incoming`, then performs `action`. Returns how many bytes
    /// are used up.
    fn process(
        &mut self,
        incoming: &mut [u8],
        mut buf: Option<&mut ReadBuf<'_>>,
        action: Action<'_>,
    ) -> Result<usize, rustls::Error> {
        let mut used = 0;
        loop {
            let records = incoming.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(records);
            used += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        used += record.discard;
                        let mut rest = record.payload;
                        if let Some(buf) = buf.as_mut().filter(|_| self.plaintext.is_empty()) {
                            let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
                            buf.put_slice(now);
                            rest = later;
                        }
                        self.plaintext.extend_from_slice(rest);
                    }
                }
                ConnectionState::EncodeTlsData(data) => encode(&mut self.outgoing, data)?,
                ConnectionState::TransmitTlsData(transmitted) => transmitted.done(),
                ConnectionState::PeerClosed => self.is_closed = true,
                ConnectionState::WriteTraffic(traffic) => {
                    perform(&mut self.outgoing, traffic, action)?;
                    return Ok(used);
                }
                ConnectionState::BlockedHandshake | ConnectionState::Closed => {
                    return match action {
                        Action::Encrypt(_) => Err(cannot("write to a closed connection")),
                        Action::Nothing | Action::Close => Ok(used),
                    };
                }
                // 0-RTT is off.
                _ => return Err(cannot("go on in an unknown state")),
            }
        }
    }

    /// Appends what the TLS library has still to send.
    fn append_last(&mut self) {
        while self.connection.wants_write() {
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(data)) = state else { return };
            if encode(&mut self.outgoing, data).is_err() {
                return;
            }
        }
    }
}

/// Appends a record of a handshake, or an alert.
fn encode<Data>(outgoing: &mut Vec<u8>, mut data: EncodeTlsData<'_, Data>) -> Result<(), rustls::Error> {
    append(outgoing, 0, |space| {
        data.encode(space).map_err(|error| match error {
            EncodeError::InsufficientSize(needed) => Some(needed),
            EncodeError::AlreadyEncoded => None,
        })
    })
}

/// Encrypts, or closes.
fn perform<Data>(
    outgoing: &mut Vec<u8>,
    mut traffic: WriteTraffic<'_, Data>,
    action: Action<'_>,
) -> Result<(), rustls::Error> {
    let needed = |error| match error {
        EncryptError::InsufficientSize(needed) => Some(needed),
        EncryptError::EncryptExhausted => None,
    };
    match action {
        Action::Nothing => Ok(()),
        Action::Encrypt(data) => append(outgoing, data.len() + RECORD_OVERHEAD, |space| {
            traffic.encrypt(data, space).map_err(needed)
        }),
        Action::Close => {
            append(outgoing, RECORD_OVERHEAD, |space| traffic.queue_close_notify(space).map_err(needed))
        }
    }
}

/// Appends what `encode` writes into the space that it gets: `expected` bytes, or as many as it asks for.
fn append(
    outgoing: &mut Vec<u8>,
    expected: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), rustls::Error> {
    let begin = outgoing.len();
    let mut size = expected;
    // The first answer is the size that is needed.
    for _ in 0..2 {
        outgoing.resize(begin + size, 0);
        match encode(outgoing.get_mut(begin..).unwrap_or_default()) {
            Ok(written) => {
                outgoing.truncate(begin + written);
                return Ok(());
            }
            Err(Some(InsufficientSizeError { required_size })) => size = required_size,
            Err(None) => break,
        }
    }
    outgoing.truncate(begin);
    Err(rustls::Error::EncryptError)
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            let rest = this.plaintext.get(this.delivered..).unwrap_or_default();
            let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
            buf.put_slice(now);
            if later.is_empty() {
                (this.plaintext, this.delivered) = (Vec::new(), 0);
            } else {
                this.delivered += now.len();
            }
            if buf.filled().len() > before || buf.remaining() == 0 || this.is_closed {
                return Poll::Ready(Ok(()));
            }
            if this.has_ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let is_own = this.outgoing.is_empty() || this.owes_answer;
            let read = this.poll_records::<READ_SIZE>(cx, Some(&mut *buf));
            // What the TLS library answers itself, as a request to renegotiate with no_renegotiation
            // (RFC 5246 7.2.2), must not wait for the next message. A failed write shows at the next one. The
            // rest of an earlier write is left to its writer, which would not learn that it is written.
            if is_own {
                this.owes_answer = this.poll_outgoing(cx).is_pending();
            }
            let has_read = buf.filled().len() > before || !this.plaintext.is_empty();
            // What came whole before a record that is broken is read first.
            if !(has_read && matches!(read, Poll::Ready(Err(_)))) {
                ready!(read)?;
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = &self.failure {
            return Poll::Ready(Err(invalid(error.clone())));
        }
        self.owes_answer = false;
        ready!(self.poll_outgoing(cx))?;
        let taken = buf.get(..MAX_WRITE).unwrap_or(buf);
        if let Err(error) = self.process_incoming(None, Action::Encrypt(taken)) {
            // The keys of TLS 1.2 are used up, for instance: the peer learns it by close_notify.
            return Poll::Ready(Err(self.fail(cx, error)));
        }
        match self.poll_outgoing(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What the connection does not take at once waits for the next write or flush.
            _ => Poll::Ready(Ok(taken.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owes_answer = false;
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Sends close_notify.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // rustls sends it once. A connection that has failed has sent an alert.
        if self.failure.is_none() {
            let _ = self.process_incoming(None, Action::Close);
        }
        self.poll_cut(cx)
    }
}

// It holds keys, and plaintext.
impl<IO> fmt::Debug for ServerStream<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream").finish_non_exhaustive()
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cannot(what: &str) -> rustls::Error {
    rustls::Error::General(format!("the TLS connection cannot {what}"))
}

/// Bytes of a read: a whole record (RFC 8446 section 5.2).
const READ_SIZE: usize = 5 + (1 << 14) + 256;
/// Bytes of a read in the handshake, in which a peer that has proved nothing is read in small steps.
const HANDSHAKE_READ_SIZE: usize = 4096;
/// Bytes of incomplete records and messages: the longest message of a handshake that rustls accepts.
const MAX_INCOMING: usize = 0xffff;
/// Bytes that are encrypted at once.
const MAX_WRITE: usize = 64 * 1024;
/// What a record needs besides its data: header, initialisation vector, MAC and padding of every suite.
const RECORD_OVERHEAD: usize = 128;

#[cfg(test)]
mod tests;
