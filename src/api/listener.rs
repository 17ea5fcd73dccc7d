//! The sockets of the listener.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::follower;
use super::oauth;
use super::places::Entered;
use super::state::ApiState;
use crate::model::{BindError, LateListener};

/// The bound listener; without an address it waits until the end.
#[derive(Debug)]
pub struct ApiListener {
    sockets: Vec<LateListener>,
}

impl ApiListener {
    /// Listens on the addresses; `may_wait`: or as soon as they are free.
    ///
    /// # Errors
    /// When one of them cannot be bound, and may not be waited for.
    pub fn bind(addresses: &[SocketAddr], may_wait: bool) -> Result<Self, BindError> {
        let bind = |address: &SocketAddr| LateListener::bind(*address, may_wait, bind);
        Ok(Self { sockets: addresses.iter().map(bind).collect::<Result<_, _>>()? })
    }

    /// Its addresses, with the ports that were chosen for port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(LateListener::address).collect()
    }

    /// Accepts connections and serves them until `done`. Open requests are then answered for a moment more.
    pub async fn serve(self: Arc<Self>, state: ApiState, done: CancellationToken) {
        if self.sockets.is_empty() {
            done.cancelled().await;
            return;
        }
        let first = follower::read_first(&state).await;
        let accepts = self.sockets.iter().map(|socket| accept_all(socket, &state, &done));
        tokio::join!(
            join_all(accepts),
            follower::follow(&state, first, done.clone()),
            oauth::forget_ended(&state, done.clone())
        );
        state.reads.finish().await;
    }
}

async fn accept_all(socket: &LateListener, state: &ApiState, done: &CancellationToken) {
    let socket = tokio::select! {
        () = done.cancelled() => return,
        socket = socket.ready() => socket,
    };
    loop {
        let accepted = tokio::select! {
            () = done.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
            Err(error) => {
                // Without a free descriptor the next attempt fails as well.
                tracing::debug!(kind = ?error.kind(), "the listener for hospital systems could not accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match state.places.enter(state.config.load().api.max_connections) {
            Entered::Free(place) => place,
            Entered::InPlaceOfAnother(place) => {
                state.metrics.api.refuse("displaced");
                place
            }
            Entered::Full => {
                state.metrics.api.refuse("connections");
                continue;
            }
        };
        state.metrics.api.set_connections(state.places.count());
        let (state, done) = (state.clone(), done.clone());
        tokio::spawn(async move {
            connection::serve(&state, stream, peer, place, done).await;
            state.metrics.api.set_connections(state.places.count());
        });
    }
}

/// `[::]` accepts IPv4 as well, and means `0.0.0.0` on a machine without IPv6.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match bind_one(address) {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && lacks_ipv6(&error) => {
            bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    }
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Connections that the kernel queues.
const BACKLOG: i32 = 256;
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
