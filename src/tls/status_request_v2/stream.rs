//! The stream between rustls and the TCP connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::hello_reader::{READ_SIZE, SecondHello};
use super::record_limit::RecordLimit;
use super::records::RecordTracker;
use super::reframer::Reframer;
use super::rewriter::REWRITER;
use crate::model::note_hello_retry;

/// A connection that replays the bytes read for the ClientHello, and rewrites the server's flight. After the
/// flight all bytes pass without a copy.
#[derive(Debug)]
pub struct RewritingStream<IO> {
    io: IO,
    /// Bytes that were read for the ClientHello.
    received: Vec<u8>,
    /// How many of them have been delivered to rustls.
    delivered: usize,
    /// The position in the server's flight.
    flight: Flight,
    /// After a HelloRetryRequest: its answer, if it has to be changed for rustls.
    second_hello: Option<SecondHello>,
    /// During a handshake, what its peer may still send.
    allowance: Option<Allowance>,
}

/// How much a peer sends in its handshake. rustls holds an incomplete message of up to 64 KiB, and thousands
/// of peers could fill the memory without a certificate.
#[derive(Debug)]
struct Allowance {
    read: usize,
    /// Handshakes that may read beyond [`MAX_UNLIMITED`] at once.
    large: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
}

/// What happens to the bytes that rustls writes.
#[derive(Debug)]
enum Flight {
    /// They pass unchanged.
    Passing,
    /// The flight is overwritten where it has replacements.
    Replaced(RecordTracker),
    /// The flight is put into other records.
    Reframed(Box<Reframed>),
}

/// A flight in other records.
#[derive(Debug)]
struct Reframed {
    reframer: Reframer,
    /// Records for the client that have not been written.
    unwritten: Vec<u8>,
}

impl<IO> RewritingStream<IO> {
    /// The connection below.
    pub(in crate::tls) const fn get_ref(&self) -> &IO {
        &self.io
    }

    /// A connection without any rewriting.
    pub const fn plain(io: IO) -> Self {
        Self {
            io,
            received: Vec::new(),
            delivered: 0,
            flight: Flight::Passing,
            second_hello: None,
            allowance: None,
        }
    }

    /// A connection from which `received` has been read. `is_flight_plaintext`: the flight passes here
    /// unencrypted and may have to be rewritten.
    pub(super) fn new(io: IO, received: Vec<u8>, is_flight_plaintext: bool) -> Self {
        let flight =
            if is_flight_plaintext { Flight::Replaced(RecordTracker::default()) } else { Flight::Passing };
        Self { io, received, delivered: 0, flight, second_hello: None, allowance: None }
    }

    /// This connection, with an unencrypted flight in records that the client can receive.
    pub(super) fn with_limit(self, limit: Option<&RecordLimit>) -> Self {
        match (limit, &self.flight) {
            (Some(limit), Flight::Replaced(_)) => {
                let reframer = Reframer::new(limit.content());
                let flight = Flight::Reframed(Box::new(Reframed { reframer, unwritten: Vec::new() }));
                Self { flight, ..self }
            }
            _ => self,
        }
    }

    /// This connection, for a handshake: beyond [`MAX_UNLIMITED`] bytes its peer is read with a permit only.
    pub(super) fn with_allowance(self, large: Arc<Semaphore>) -> Self {
        let allowance = Allowance { read: 0, large: PollSemaphore::new(large), permit: None };
        Self { allowance: Some(allowance), ..self }
    }

    /// Notes a HelloRetryRequest (RFC 8446 4.1.3): a ServerHello with this random.
    fn notice_retry(&mut self, written: &[u8]) {
        let is_server_hello = written.first() == Some(&22) && written.get(5) == Some(&2);
        if self.allowance.is_some() && is_server_hello && written.get(11..43) == Some(&RETRY_RANDOM) {
            note_hello_retry();
            if REWRITER.try_with(|rewriter| rewriter.borrow().changes_second_hello()).unwrap_or(false) {
                self.second_hello.get_or_insert_default();
            }
        }
    }

    /// The handshake is complete.
    pub(super) fn end_handshake(&mut self) {
        self.allowance = None;
    }

    /// The connection, without the bytes that have been read from it.
    pub fn into_inner(self) -> IO {
        self.io
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for RewritingStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.received.is_empty() {
            ready!(self.poll_second_hello(cx))?;
        }
        let rest = self.received.get(self.delivered..).unwrap_or_default();
        if rest.is_empty() {
            return self.poll_new(cx, buf);
        }
        let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(now);
        if later.is_empty() {
            (self.received, self.delivered) = (Vec::new(), 0);
        } else {
            self.delivered += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> RewritingStream<IO> {
    /// Reads the answer to a HelloRetryRequest, and changes it as the first ClientHello.
    fn poll_second_hello(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.second_hello.is_some() {
            let mut step = [0; READ_SIZE];
            let mut step = ReadBuf::new(&mut step);
            ready!(self.poll_new(cx, &mut step))?;
            let read = self.second_hello.as_mut().and_then(|second| second.push(step.filled()));
            let Some((before, mut records, message)) = read else { continue };
            self.second_hello = None;
            if let Some(message) = message {
                let _ = REWRITER
                    .try_with(|rewriter| rewriter.borrow_mut().patch_second_hello(&message, &mut records));
            }
            self.received = [before, records].concat();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_new(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(allowance) = &mut self.allowance else { return Pin::new(&mut self.io).poll_read(cx, buf) };
        if allowance.read >= MAX_UNLIMITED && allowance.permit.is_none() {
            // The semaphore is never closed.
            allowance.permit = ready!(allowance.large.poll_acquire(cx));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        allowance.read += buf.filled().len() - before;
        polled
    }
}

impl<IO: AsyncWrite + Unpin> RewritingStream<IO> {
    /// Writes this part of the flight, or less, as the client is to see it.
    fn poll_flight(&mut self, cx: &mut Context<'_>, bytes: Vec<u8>) -> Poll<io::Result<usize>> {
        match self.flight {
            Flight::Passing => Pin::new(&mut self.io).poll_write(cx, &bytes),
            Flight::Replaced(position) => self.poll_replaced(cx, position, bytes),
            Flight::Reframed(_) => self.poll_reframed(cx, &bytes),
        }
    }

    fn poll_replaced(
        &mut self,
        cx: &mut Context<'_>,
        mut position: RecordTracker,
        mut rewritten: Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let _ = REWRITER.try_with(|rewriter| {
            // A copy of the position: the number of bytes that will be written is not known yet.
            let mut ahead = position;
            ahead.replace(&mut rewritten, rewriter.borrow().replacements());
        });
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, &rewritten))?;
        rewritten.truncate(written);
        position.advance(&mut rewritten, |_, _| {});
        self.flight = if position.is_finished() { Flight::Passing } else { Flight::Replaced(position) };
        Poll::Ready(Ok(written))
    }

    /// Accepts all bytes. Those that the connection does not take at once wait for the next write or flush.
    fn poll_reframed(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_unwritten(cx))?;
        if let Flight::Reframed(reframed) = &mut self.flight {
            let Reframed { reframer, unwritten } = &mut **reframed;
            let rewrite = |message: &[u8]| {
                REWRITER.try_with(|rewriter| rewriter.borrow().rewrite(message)).ok().flatten()
            };
            reframer.push(bytes, rewrite, unwritten);
        }
        match self.poll_unwritten(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(bytes.len())),
        }
    }

    /// Writes the records of a reframed flight. Ready when none is left.
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Flight::Reframed(reframed) = &mut self.flight else { return Poll::Ready(Ok(())) };
        while !reframed.unwritten.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &reframed.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            reframed.unwritten.drain(..written);
        }
        if reframed.reframer.is_finished() {
            self.flight = Flight::Passing;
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for RewritingStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.notice_retry(buf);
        if matches!(self.flight, Flight::Passing) {
            return Pin::new(&mut self.io).poll_write(cx, buf);
        }
        // The flight advances by as many bytes as the connection accepts. rustls offers the rest again.
        self.poll_flight(cx, buf.get(..MAX_COPY).unwrap_or(buf).to_vec())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unwritten(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unwritten(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.notice_retry(bufs.first().map_or(&[], |first| first));
        if matches!(self.flight, Flight::Passing) {
            return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        }
        // One write for all buffers, as rustls requests it, and thus one packet. Small separate packets would
        // wait for each other's acknowledgement while TCP_NODELAY is off.
        let mut together = Vec::with_capacity(bufs.iter().map(|buf| buf.len()).sum::<usize>().min(MAX_COPY));
        for buf in bufs {
            let room = MAX_COPY - together.len();
            together.extend_from_slice(buf.get(..room).unwrap_or(buf));
        }
        self.poll_flight(cx, together)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// The random of a HelloRetryRequest: the SHA-256 of its name.
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Bytes of a flight that are copied at a time: about one record.
const MAX_COPY: usize = 16 * 1024;

/// Bytes of a handshake after the ClientHello that every peer may send: more than the chains of devices have.
const MAX_UNLIMITED: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Reads as rustls does, a few kilobytes at a time.
    async fn read(stream: &mut RewritingStream<tokio::io::DuplexStream>, bytes: usize) {
        for _ in 0..bytes / 4096 {
            stream.read_exact(&mut [0; 4096]).await.unwrap();
        }
    }

    #[tokio::test]
    async fn few_handshakes_at_once_read_a_message_larger_than_the_chain_of_a_device() {
        let large = Arc::new(Semaphore::new(1));
        let connect = async || {
            let (mut peer, io) = tokio::io::duplex(128 * 1024);
            peer.write_all(&[0; 64 * 1024]).await.unwrap();
            (peer, RewritingStream::new(io, Vec::new(), false).with_allowance(Arc::clone(&large)))
        };
        let (_first_peer, mut first) = connect().await;
        let (_second_peer, mut second) = connect().await;
        read(&mut first, 64 * 1024).await;
        read(&mut second, MAX_UNLIMITED).await;
        let short = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(short, second.read_u8()).await.is_err());
        first.end_handshake();
        read(&mut second, 64 * 1024 - MAX_UNLIMITED).await;
    }
}
