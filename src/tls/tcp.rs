//! The TCP connection below TLS.

use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use socket2::TcpKeepalive;
use tokio::net::TcpStream;

/// No delay, since acknowledgements are small and urgent. A connection whose peer does not answer the kernel
/// for `dead_peer_timeout` ends: an idle one is probed (RFC 9293 3.8.4), and one with bytes under way is
/// given up (RFC 5482; by itself the kernel tries for a quarter of an hour, and probes nothing meanwhile).
pub fn prepare_tcp(stream: &TcpStream, dead_peer_timeout: Duration) {
    let probe = (dead_peer_timeout / 8).max(Duration::from_secs(1));
    let quiet = dead_peer_timeout.saturating_sub(probe * PROBES).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(quiet).with_interval(probe).with_retries(PROBES);
    let milliseconds = u32::try_from(dead_peer_timeout.as_millis()).unwrap_or(u32::MAX);
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive))
        .and_then(|()| Ok(set_tcp_user_timeout(stream, milliseconds)?));
    if let Err(error) = prepared {
        tracing::debug!(%error, "cannot set socket options");
    }
}

/// Until when the peer's kernel has to acknowledge bytes that are under way (RFC 5482); then the connection
/// ends, and what has not arrived is discarded.
pub(super) fn bound_unacknowledged(stream: &TcpStream, limit: Duration) {
    // 0 would be no limit.
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX).max(1);
    if let Err(error) = set_tcp_user_timeout(stream, milliseconds) {
        tracing::debug!(%error, "cannot set the limit of unacknowledged bytes");
    }
}

/// Resets the connection at once (RFC 9293 3.10.5, ABORT): what was written and has not arrived is
/// discarded, and the peer's kernel reports the end.
pub(super) fn reset(stream: &TcpStream) {
    if let Err(error) = rustix::net::connect_unspec(stream) {
        tracing::debug!(%error, "cannot reset a connection");
    }
}

/// Lets the kernel hold little of what is sent: what was written has nearly left. On a slow line it would
/// hold megabytes otherwise, and the time for an answer would run while its message is on the way.
pub fn limit_send_buffer(stream: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(stream).set_send_buffer_size(SEND_BUFFER) {
        tracing::debug!(%error, "cannot set the size of the send buffer");
    }
}

/// Bytes that the kernel holds of what is sent; it takes twice as much for its own use (socket(7)).
const SEND_BUFFER: usize = 128 << 10;
/// Unanswered probes of an idle connection until it ends.
const PROBES: u32 = 4;

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn a_reset_connection_ends_with_an_error_on_both_sides() {
        let (mut ours, mut theirs) = pair().await;
        reset(&ours);
        let error = theirs.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(ours.write_all(b"order").await.is_err());
    }

    #[tokio::test]
    async fn bytes_that_the_peer_does_not_take_are_given_up_with_the_connection() {
        let (mut ours, mut theirs) = pair().await;
        bound_unacknowledged(&ours, Duration::from_millis(200));
        // More than the kernels hold.
        let bytes = vec![b'x'; 64 << 20];
        assert_eq!(ours.write_all(&bytes).await.unwrap_err().kind(), ErrorKind::TimedOut);
        let (mut taken, mut buffer) = (0, vec![0; 1 << 20]);
        while let Ok(count @ 1..) = theirs.read(&mut buffer).await {
            taken += count;
        }
        assert!(taken < bytes.len());
    }
}
