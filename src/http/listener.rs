//! Where connections come from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::person::{Arrival, Ends, LocalUser};
use super::socket::SocketFile;
use crate::metrics::Metrics;
use crate::model::{Clock, Refusal};
use crate::tls::PeopleAcceptor;

/// A listener.
#[derive(Debug)]
pub(super) enum Listener {
    /// For probes: never with TLS.
    Tcp(TcpListener),
    /// For people: with TLS where that is configured.
    People(TcpListener, Arc<PeopleAcceptor>),
    /// For people and commands of this machine.
    Socket(SocketFile),
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    People(TcpStream, SocketAddr, Arc<PeopleAcceptor>),
    /// Who connected is known at once.
    Socket(UnixStream, Arc<LocalUser>),
}

/// The bytes of a connection.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytes for S {}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Accepted::Tcp(stream, peer)
            }
            Self::People(listener, acceptor) => {
                let (stream, peer) = listener.accept().await?;
                Accepted::People(stream, peer, Arc::clone(acceptor))
            }
            Self::Socket(socket) => {
                let stream = socket.listener.accept().await?.0;
                let peer = stream.peer_cred()?;
                let user = LocalUser::of(peer.uid(), peer.gid(), peer.pid());
                Accepted::Socket(stream, Arc::new(user))
            }
        })
    }
}

impl Accepted {
    /// How it came, where that is known before its first byte.
    pub(super) fn known(&self) -> Option<Arrival> {
        match self {
            Self::Socket(_, user) => Some(Arrival::Socket(Arc::clone(user))),
            Self::Tcp(..) | Self::People(..) => None,
        }
    }

    /// The bytes, and how they came; `None` when the client has gone, or is refused.
    pub(super) async fn open(self, metrics: &Metrics) -> Option<(Box<dyn Bytes>, Arrival)> {
        match self {
            Self::Tcp(stream, peer) => {
                let local = stream.local_addr().ok()?;
                Some((Box::new(stream), Arrival::Tcp(Ends { local, peer })))
            }
            Self::People(stream, peer, acceptor) => {
                let ends = Ends { local: stream.local_addr().ok()?, peer };
                if acceptor.is_on() {
                    return secure(stream, ends, &acceptor, metrics).await;
                }
                // A reload may have ended TLS where other machines reach the listener.
                let is_local = ends.local.ip().to_canonical().is_loopback();
                is_local.then(|| (Box::new(stream) as Box<dyn Bytes>, Arrival::Tcp(ends)))
            }
            Self::Socket(stream, user) => Some((Box::new(stream), Arrival::Socket(user))),
        }
    }
}

async fn secure(
    stream: TcpStream,
    ends: Ends,
    acceptor: &PeopleAcceptor,
    metrics: &Metrics,
) -> Option<(Box<dyn Bytes>, Arrival)> {
    let accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await.ok()?;
    match accepted {
        Ok((stream, certificate)) => {
            if let Some(refusal) = certificate.as_ref().and_then(|certificate| acceptor.refusal(certificate))
            {
                metrics.housekeeping.admin_refusals_total.with_label_values(&["tls"]).inc();
                report(refusal, ends.peer);
            }
            Some((Box::new(stream), Arrival::Tls(ends, certificate.map(Arc::new))))
        }
        Err(error) => {
            metrics.housekeeping.admin_refusals_total.with_label_values(&["tls"]).inc();
            report(error.refusal, ends.peer);
            None
        }
    }
}

/// Every stranger can cause it: it is counted, and in the log once in a while.
fn report(refusal: Refusal, peer: SocketAddr) {
    let now = Clock::system().now().as_second();
    let last = REPORTED.load(Ordering::Relaxed);
    let is_due = refusal != Refusal::Disconnected && now.abs_diff(last) >= REPORT_SECONDS;
    if is_due && REPORTED.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        tracing::warn!(
            reason = refusal.code(), %peer,
            "a TLS client of the admin listener is refused; others within the next minute are counted only"
        );
    } else {
        tracing::debug!(reason = refusal.code(), %peer, "a TLS client of the admin listener is refused");
    }
}

/// When a refusal was reported last, in seconds since 1970.
static REPORTED: AtomicI64 = AtomicI64::new(0);
/// How often one is reported.
const REPORT_SECONDS: u64 = 60;

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
