//! The end of a connection.
//!
//! A sender may take close_notify for the word that everything it has sent was taken: it is the only word
//! about messages that ask for no acknowledgement. So it is sent only where that is true.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::tls::SecuredStream;

/// A stream that can end with or without close_notify.
pub(in crate::interface_a) trait Closing: AsyncRead + AsyncWrite + Unpin {
    /// Whether a part of a record has come whose rest is on its way.
    fn has_partial_record(&self) -> bool;

    /// Ends our side without close_notify, behind everything that was written.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Resets the connection: what was written and has not arrived is discarded.
    fn reset(&self);

    /// Until when the peer's kernel has to acknowledge what is written; later the connection is given up.
    fn bound_unacknowledged(&self, limit: Duration);
}

impl Closing for SecuredStream {
    fn has_partial_record(&self) -> bool {
        Self::has_partial_record(self)
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_cut(self, cx)
    }

    fn reset(&self) {
        Self::reset(self);
    }

    fn bound_unacknowledged(&self, limit: Duration) {
        Self::bound_unacknowledged(self, limit);
    }
}

/// Whether the peer gets close_notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::interface_a) enum Notice {
    /// It has closed its side, and everything before that was taken.
    Given,
    /// Unless something has come that the session has not read.
    UnlessUnread,
    /// Something was read, and not taken.
    Withheld,
}

/// Ends our side, then reads and discards what the peer still sends: a TCP connection closed with unread
/// bytes is reset, and a reset discards our last acknowledgement.
pub(in crate::interface_a) async fn close<S: Closing>(stream: &mut S, notice: Notice) {
    let closing = async {
        let is_given = match notice {
            Notice::Given => true,
            Notice::UnlessUnread => !has_unread(stream).await,
            Notice::Withheld => false,
        };
        if is_given {
            stream.shutdown().await?;
        } else {
            poll_fn(|cx| stream.poll_cut(cx)).await?;
        }
        tokio::io::copy(&mut stream.take(MAX_LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // The result does not matter: a peer that breaks the connection now has lost nothing.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
}

/// Whether bytes of the peer are here that the session has not read.
async fn has_unread<S: Closing>(stream: &mut S) -> bool {
    let mut byte = [0];
    let mut byte = ReadBuf::new(&mut byte);
    let read = poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut byte).is_ready()));
    // A task that has used up its share of the processor would find nothing.
    let is_read = tokio::task::unconstrained(read).await;
    if is_read { !byte.filled().is_empty() } else { stream.has_partial_record() }
}

/// How long a peer has to take the end of our side and to close its own.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes that are read and discarded while a connection closes.
const MAX_LINGER_BYTES: u64 = 4 << 20;

#[cfg(test)]
impl Closing for tokio::io::DuplexStream {
    fn has_partial_record(&self) -> bool {
        false
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_shutdown(cx)
    }

    fn reset(&self) {}

    fn bound_unacknowledged(&self, _limit: Duration) {}
}
