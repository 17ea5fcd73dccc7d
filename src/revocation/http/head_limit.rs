//! The limit of what a server may send before its response: the headers, and interim responses (RFC 9110
//! 15.2), of which HTTP allows any number.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts until the response has begun. Clones share the counters.
#[derive(Debug, Clone)]
pub(super) struct HeadLimit(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    bytes: AtomicUsize,
    interim_responses: AtomicUsize,
    has_ended: AtomicBool,
    max_bytes: usize,
    max_interim_responses: usize,
}

impl HeadLimit {
    pub(super) fn new(max_bytes: usize, max_interim_responses: usize) -> Self {
        let (bytes, interim_responses, has_ended) = Default::default();
        Self(Arc::new(Counters { bytes, interim_responses, has_ended, max_bytes, max_interim_responses }))
    }

    pub(super) fn count_interim_response(&self) {
        self.0.interim_responses.fetch_add(1, Ordering::Relaxed);
    }

    /// The response has begun: its body has limits of its own.
    pub(super) fn end(&self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_exceeded(&self) -> bool {
        let Counters { bytes, interim_responses, has_ended, max_bytes, max_interim_responses } = &*self.0;
        !has_ended.load(Ordering::Relaxed)
            && (bytes.load(Ordering::Relaxed) > *max_bytes
                || interim_responses.load(Ordering::Relaxed) > *max_interim_responses)
    }
}

/// A stream that fails when the limit is exceeded.
#[derive(Debug)]
pub(super) struct LimitedStream<S> {
    stream: S,
    limit: HeadLimit,
}

impl<S> LimitedStream<S> {
    pub(super) const fn new(stream: S, limit: HeadLimit) -> Self {
        Self { stream, limit }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.limit.is_exceeded() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        self.limit.0.bytes.fetch_add(read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
