//! The connection under rustls.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::records::RecordTracker;
use super::rewriter::REWRITER;

/// Bytes of a flight that are copied at a time: about a record.
const MOST: usize = 16 * 1024;

/// A connection whose ClientHello has been read, and whose server flight may be different from what is
/// written to it. After the flight it is what it was: no byte is looked at or copied any more.
#[derive(Debug)]
pub struct RewritingStream<IO> {
    io: IO,
    /// What was read of it to see the ClientHello.
    received: Vec<u8>,
    /// Bytes of that which have been passed on.
    passed_on: usize,
    /// The flight.
    sent: RecordTracker,
}

impl<IO> RewritingStream<IO> {
    /// A connection on which nothing happens.
    pub const fn plain(io: IO) -> Self {
        Self { io, received: Vec::new(), passed_on: 0, sent: RecordTracker::OVER }
    }

    /// One from which `received` has been read already; `in_the_clear` if the flight may be different and
    /// passes here.
    pub(super) fn new(io: IO, received: Vec<u8>, in_the_clear: bool) -> Self {
        let sent = if in_the_clear { RecordTracker::default() } else { RecordTracker::OVER };
        Self { io, received, passed_on: 0, sent }
    }

    /// The connection itself, without what has been read of it.
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
        let rest = self.received.get(self.passed_on..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(now);
        if later.is_empty() {
            self.received = Vec::new();
        } else {
            self.passed_on += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> RewritingStream<IO> {
    /// Writes this part of the flight, or less of it, as it is to look.
    fn poll_flight(&mut self, cx: &mut Context<'_>, mut different: Vec<u8>) -> Poll<io::Result<usize>> {
        let _ = REWRITER.try_with(|splice| {
            // A look ahead: how far the flight goes on is not known yet.
            let mut ahead = self.sent;
            ahead.replace(&mut different, splice.borrow().replacements());
        });
        let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &different))?;
        different.truncate(written);
        self.sent.follow(&mut different, |_, _| {});
        Poll::Ready(Ok(written))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for RewritingStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.sent.is_over() {
            return Pin::new(&mut self.io).poll_write(cx, buf);
        }
        // As much of it goes as the connection takes: that much the flight has gone on, and the rest comes
        // again.
        self.poll_flight(cx, buf.get(..MOST).unwrap_or(buf).to_vec())
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
        if self.sent.is_over() {
            return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        }
        // Together, as rustls wants them to go: in one packet. Small ones that go one by one wait for each
        // other's acknowledgement where TCP_NODELAY is off.
        let mut together = Vec::with_capacity(bufs.iter().map(|buf| buf.len()).sum::<usize>().min(MOST));
        for buf in bufs {
            let room = MOST - together.len();
            together.extend_from_slice(buf.get(..room).unwrap_or(buf));
        }
        self.poll_flight(cx, together)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
