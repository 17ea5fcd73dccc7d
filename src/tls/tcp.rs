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
