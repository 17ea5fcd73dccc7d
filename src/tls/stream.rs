//! The bytes inside a TLS connection, of either side.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::status_request_v2::RewritingStream;

/// A finished handshake, without the TLS library's own face.
#[derive(Debug)]
pub struct SecuredStream(pub(super) TlsStream<RewritingStream<TcpStream>>);

impl AsyncRead for SecuredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        // What the TLS library answers by itself (that it does not renegotiate, RFC 5246 7.2.2) would otherwise wait
        // for the next acknowledgement. If it cannot be sent, reading or writing will say so.
        if self.0.get_ref().1.wants_write() {
            let _ = Pin::new(&mut self.0).poll_flush(cx);
        }
        read
    }
}

impl AsyncWrite for SecuredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
