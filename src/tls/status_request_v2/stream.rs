//! The stream between rustls and the TCP connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::records::RecordTracker;
use super::rewriter::REWRITER;

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
    flight: RecordTracker,
}

impl<IO> RewritingStream<IO> {
    /// A connection without any rewriting.
    pub const fn plain(io: IO) -> Self {
        Self { io, received: Vec::new(), delivered: 0, flight: RecordTracker::FINISHED }
    }

    /// A connection from which `received` has been read. `is_flight_plaintext`: the flight passes here
    /// unencrypted and may have to be rewritten.
    pub(super) fn new(io: IO, received: Vec<u8>, is_flight_plaintext: bool) -> Self {
        let flight = if is_flight_plaintext { RecordTracker::default() } else { RecordTracker::FINISHED };
        Self { io, received, delivered: 0, flight }
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
        let rest = self.received.get(self.delivered..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(now);
        if later.is_empty() {
            self.received = Vec::new();
        } else {
            self.delivered += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> RewritingStream<IO> {
    /// Writes this part of the flight, or less, with its replacements.
    fn poll_flight(&mut self, cx: &mut Context<'_>, mut rewritten: Vec<u8>) -> Poll<io::Result<usize>> {
        let _ = REWRITER.try_with(|rewriter| {
            // A copy of the position: the number of bytes that will be written is not known yet.
            let mut ahead = self.flight;
            ahead.replace(&mut rewritten, rewriter.borrow().replacements());
        });
        let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &rewritten))?;
        rewritten.truncate(written);
        self.flight.advance(&mut rewritten, |_, _| {});
        Poll::Ready(Ok(written))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for RewritingStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.flight.is_finished() {
            return Pin::new(&mut self.io).poll_write(cx, buf);
        }
        // The flight advances by as many bytes as the connection accepts. rustls offers the rest again.
        self.poll_flight(cx, buf.get(..MAX_COPY).unwrap_or(buf).to_vec())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.flight.is_finished() {
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

/// Bytes of a flight that are copied at a time: about one record.
const MAX_COPY: usize = 16 * 1024;
