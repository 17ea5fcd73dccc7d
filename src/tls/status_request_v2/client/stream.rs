//! The stream between rustls and the TCP connection of a client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::handshake::CLIENT;
use crate::tls::status_request_v2::hello::CLIENT_HELLO;
use crate::tls::status_request_v2::hello_reader::READ_SIZE;
use crate::tls::status_request_v2::reframer::Reframer;
use crate::tls::status_request_v2::wire::{Reader, put_vector};

/// A connection that changes the first messages of a handshake: the ClientHello on its way out, the answers
/// of the server on their way in. After these all bytes pass without a copy.
#[derive(Debug)]
pub struct OfferingStream<IO> {
    io: IO,
    /// Whether the next record to write may have a ClientHello.
    offering: bool,
    /// Records that the connection has not taken.
    unwritten: Vec<u8>,
    /// The server's messages, while they are not encrypted.
    answers: Option<Reframer>,
    /// Records for rustls, and how much of them it has got.
    records: Vec<u8>,
    delivered: usize,
}

impl<IO> OfferingStream<IO> {
    /// The connection below.
    pub(in crate::tls) const fn get_ref(&self) -> &IO {
        &self.io
    }

    pub(super) const fn new(io: IO) -> Self {
        Self {
            io,
            offering: true,
            unwritten: Vec::new(),
            answers: Some(Reframer::new(MAX_CONTENT)),
            records: Vec::new(),
            delivered: 0,
        }
    }

    /// The handshake is complete: nothing is changed from here on.
    pub(super) fn end_handshake(&mut self) {
        self.offering = false;
        self.answers = None;
    }

    /// The records to write for those of rustls.
    fn offer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut changed = Vec::with_capacity(bytes.len() + 32);
        let mut rest = Reader::new(bytes);
        while self.offering && !rest.is_empty() {
            let before = rest.rest();
            let (Some(&[kind, high, low]), Some(content)) =
                (rest.take(3).and_then(|head| <&[u8; 3]>::try_from(head).ok()), rest.vector::<2>())
            else {
                self.offering = false;
                changed.extend_from_slice(before);
                return changed;
            };
            let record = before.split_at(before.len() - rest.rest().len()).0;
            match (kind, content.first()) {
                (HANDSHAKE, Some(&CLIENT_HELLO)) => {
                    let offered = CLIENT.try_with(|client| client.borrow().on_wire(content));
                    let mut longer = vec![kind, high, low];
                    match offered.ok().flatten().and_then(|hello| put_vector::<2>(&mut longer, &hello)) {
                        Some(()) if longer.len() <= MAX_CONTENT => changed.extend(longer),
                        _ => changed.extend_from_slice(record),
                    }
                }
                // Before the answer to a HelloRetryRequest (RFC 8446 appendix D.4).
                (CHANGE_CIPHER_SPEC, _) => changed.extend_from_slice(record),
                _ => {
                    self.offering = false;
                    changed.extend_from_slice(record);
                }
            }
        }
        changed.extend_from_slice(rest.rest());
        changed
    }
}

impl<IO: AsyncWrite + Unpin> OfferingStream<IO> {
    /// Writes what the connection has not taken. Ready when nothing is left.
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes all bytes. Those that the connection does not take at once wait for the next write or flush.
    fn poll_offer(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_unwritten(cx))?;
        self.unwritten = self.offer(bytes);
        match self.poll_unwritten(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(bytes.len())),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for OfferingStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let rest = this.records.get(this.delivered..).unwrap_or_default();
            if !rest.is_empty() {
                let now = rest.get(..buf.remaining()).unwrap_or(rest);
                buf.put_slice(now);
                this.delivered += now.len();
                return Poll::Ready(Ok(()));
            }
            (this.records, this.delivered) = (Vec::new(), 0);
            let Some(answers) = &mut this.answers else { return Pin::new(&mut this.io).poll_read(cx, buf) };
            let mut step = [0; READ_SIZE];
            let mut step = ReadBuf::new(&mut step);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut step))?;
            if step.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let change = |message: &[u8]| {
                CLIENT.try_with(|client| client.borrow_mut().for_rustls(message)).ok().flatten()
            };
            answers.push(step.filled(), change, &mut this.records);
            if answers.is_finished() {
                this.answers = None;
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for OfferingStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.offering {
            return self.poll_offer(cx, buf);
        }
        ready!(self.poll_unwritten(cx))?;
        Pin::new(&mut self.io).poll_write(cx, buf)
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
        if self.offering {
            return self
                .poll_offer(cx, &bufs.iter().flat_map(|buf| buf.iter().copied()).collect::<Vec<u8>>());
        }
        ready!(self.poll_unwritten(cx))?;
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Bytes of plaintext in a record at most (RFC 5246 section 6.2.1).
const MAX_CONTENT: usize = 1 << 14;
/// Content types of records.
const HANDSHAKE: u8 = 22;
const CHANGE_CIPHER_SPEC: u8 = 20;
