//! The plaintext byte stream of a TLS connection, for server and client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::client::TlsStream;

use super::server_stream::ServerStream;
use super::status_request_v2::RewritingStream;
use super::status_request_v2::client::OfferingStream;

/// A TLS connection after its handshake. It hides the types of the TLS library.
#[derive(Debug)]
pub struct SecuredStream {
    inner: Inner,
    /// Of a client that has sent close_notify: when it ends its direction of the TCP connection too.
    ending: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Inner {
    /// That of a server.
    Served(Box<ServerStream<RewritingStream<TcpStream>>>),
    /// That of a client that asks for no status.
    Plain(Box<TlsStream<RewritingStream<TcpStream>>>),
    /// That of a client that asks for the status of a server.
    Offering(Box<TlsStream<OfferingStream<TcpStream>>>),
}

impl From<ServerStream<RewritingStream<TcpStream>>> for SecuredStream {
    fn from(stream: ServerStream<RewritingStream<TcpStream>>) -> Self {
        Self::of(Inner::Served(Box::new(stream)))
    }
}

impl From<TlsStream<RewritingStream<TcpStream>>> for SecuredStream {
    fn from(stream: TlsStream<RewritingStream<TcpStream>>) -> Self {
        Self::of(Inner::Plain(Box::new(stream)))
    }
}

impl From<TlsStream<OfferingStream<TcpStream>>> for SecuredStream {
    fn from(stream: TlsStream<OfferingStream<TcpStream>>) -> Self {
        Self::of(Inner::Offering(Box::new(stream)))
    }
}

/// Reads, and flushes what the TLS library answers itself, as a request to renegotiate with no_renegotiation
/// (RFC 5246 7.2.2). Without this flush, the answer would wait for the next acknowledgement. A failed flush
/// shows at the next read or write.
fn poll_read<IO: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut TlsStream<IO>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let read = Pin::new(&mut *stream).poll_read(cx, buf);
    if stream.get_ref().1.wants_write() {
        let _ = Pin::new(stream).poll_flush(cx);
    }
    read
}

/// Sends close_notify and keeps the TCP connection open for a while: a relay that ends both sides when one
/// has ended, as nginx does, would lose what the server still says, and with it the proof of what has
/// arrived. Servers that end a connection only when TCP ends get that afterwards.
fn poll_end<IO: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut TlsStream<IO>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    stream.get_mut().1.send_close_notify();
    Pin::new(stream).poll_flush(cx)
}

impl SecuredStream {
    const fn of(inner: Inner) -> Self {
        Self { inner, ending: None }
    }

    /// Nothing has come: ends our direction of the TCP connection, if it is time.
    fn poll_tcp_end(&mut self, cx: &mut Context<'_>) {
        let is_time = self.ending.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready());
        if !is_time {
            return;
        }
        self.ending = None;
        // Whether that is possible shows at the next read.
        let _ = match &mut self.inner {
            Inner::Served(_) => Poll::Ready(Ok(())),
            Inner::Plain(stream) => Pin::new(stream.get_mut().0).poll_shutdown(cx),
            Inner::Offering(stream) => Pin::new(stream.get_mut().0).poll_shutdown(cx),
        };
    }

    /// Whether a part of a TLS record has come whose rest is on its way. Known on the server's side only.
    #[must_use]
    pub const fn has_partial_record(&self) -> bool {
        match &self.inner {
            Inner::Served(stream) => stream.has_partial_record(),
            Inner::Plain(_) | Inner::Offering(_) => false,
        }
    }

    /// Ends our side of the connection without close_notify, behind everything that was written: the peer
    /// must not take its end for a proof that all of its bytes were read (RFC 8446 6.1, RFC 5246 7.2.1).
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Served(stream) => stream.poll_cut(cx),
            Inner::Plain(stream) => {
                ready!(Pin::new(stream.as_mut()).poll_flush(cx))?;
                Pin::new(stream.get_mut().0).poll_shutdown(cx)
            }
            Inner::Offering(stream) => {
                ready!(Pin::new(stream.as_mut()).poll_flush(cx))?;
                Pin::new(stream.get_mut().0).poll_shutdown(cx)
            }
        }
    }

    /// Resets the connection: what was written and has not arrived is discarded.
    pub fn reset(&self) {
        super::tcp::reset(self.tcp());
    }

    /// How long what is written may stay without acknowledgement of the peer's kernel, until the connection
    /// is given up.
    pub fn bound_unacknowledged(&self, limit: Duration) {
        super::tcp::bound_unacknowledged(self.tcp(), limit);
    }

    fn tcp(&self) -> &TcpStream {
        match &self.inner {
            Inner::Served(stream) => stream.get_ref().0.get_ref(),
            Inner::Plain(stream) => stream.get_ref().0.get_ref(),
            Inner::Offering(stream) => stream.get_ref().0.get_ref(),
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match &mut self.inner {
            Inner::Served(stream) => Pin::new(stream.as_mut()),
            Inner::Plain(stream) => Pin::new(stream.as_mut()),
            Inner::Offering(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl AsyncRead for SecuredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.inner {
            Inner::Served(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Inner::Plain(stream) => poll_read(stream, cx, buf),
            Inner::Offering(stream) => poll_read(stream, cx, buf),
        };
        if read.is_pending() {
            self.poll_tcp_end(cx);
        }
        read
    }
}

impl AsyncWrite for SecuredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writer().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = match &mut self.inner {
            Inner::Served(stream) => return Pin::new(stream.as_mut()).poll_shutdown(cx),
            Inner::Plain(stream) => poll_end(stream, cx),
            Inner::Offering(stream) => poll_end(stream, cx),
        };
        if ended.is_ready() && self.ending.is_none() {
            self.ending = Some(Box::pin(tokio::time::sleep(TCP_ENDS_AFTER)));
        }
        ended
    }
}

/// How long a client that has sent close_notify waits for that of the server until it ends TCP too.
const TCP_ENDS_AFTER: Duration = Duration::from_secs(1);
