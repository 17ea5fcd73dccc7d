//! Listening sockets. `accept` survives every error that is transient.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::resources::Accepting;
use crate::model::BindError;

/// A listening socket that takes a permit before it takes a connection.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    permits: Arc<Semaphore>,
}

/// What an error of `accept` means for the loop (accept(2)).
#[derive(Debug, PartialEq, Eq)]
enum AcceptFault {
    /// The error concerns one connection: the next one may be fine.
    Connection,
    /// Out of file descriptors or memory: wait until something is freed.
    Exhausted,
    /// The listening socket failed.
    Socket,
}

impl Listener {
    /// Listens on `address`; `permits` bounds the connections of all listeners that share it.
    ///
    /// `[::]` accepts IPv4 as well, and means `0.0.0.0` on a machine without IPv6.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(address: SocketAddr, permits: Arc<Semaphore>) -> Result<Self, BindError> {
        let bound = match bind(address) {
            Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && lacks_ipv6(&error) => {
                bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
            }
            bound => bound,
        };
        bound.map(|socket| Self { socket, permits }).map_err(|source| BindError { address, source })
    }

    /// Accepts on a listening socket that the service manager has opened and keeps.
    ///
    /// # Errors
    /// When the runtime cannot wait for it.
    pub fn of_passed(socket: std::net::TcpListener, permits: Arc<Semaphore>) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::from_std(socket)?, permits })
    }

    /// Its address, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// When the operating system does not report it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Whether the last permit is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.permits.available_permits() == 0
    }

    /// The next connection, with the permit that it holds until it ends. `accepting` learns when the process
    /// has no descriptor for it.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Only when the listening socket failed.
    pub async fn accept(
        &self,
        accepting: &Accepting,
    ) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        // The permit first: without one, connections wait in the queue of the kernel and are not lost.
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        loop {
            let error = match self.socket.accept().await {
                Ok((stream, peer)) => {
                    return Ok((stream, canonical(peer), permit));
                }
                Err(error) => error,
            };
            match fault(&error) {
                AcceptFault::Connection => {
                    tracing::debug!(%error, "a connection was closed before it was accepted")
                }
                AcceptFault::Exhausted => {
                    accepting.report_exhausted(&error);
                    tokio::time::sleep(EXHAUSTED_DELAY).await;
                }
                AcceptFault::Socket => return Err(error),
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
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
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// The address of an IPv4 peer of a dual-stack socket as an IPv4 address.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn fault(error: &io::Error) -> AcceptFault {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => AcceptFault::Exhausted,
        Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP | Errno::FAULT) => {
            AcceptFault::Socket
        }
        // accept(2): Linux reports pending network errors of the new connection here.
        _ => AcceptFault::Connection,
    }
}

/// Connections that the kernel queues while all permits are taken.
const BACKLOG: i32 = 4096;
/// How long to wait when the process or the machine has run out of file descriptors or memory.
const EXHAUSTED_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::super::fixtures::clock;
    use super::*;
    use crate::metrics::Metrics;
    use tokio_util::task::TaskTracker;

    fn accepting() -> Accepting {
        Accepting::new(TaskTracker::new(), Metrics::new().unwrap(), clock())
    }

    #[test]
    fn running_out_of_file_descriptors_is_transient() {
        let meaning = |errno: Errno| fault(&io::Error::from_raw_os_error(errno.raw_os_error()));
        assert_eq!(meaning(Errno::MFILE), AcceptFault::Exhausted);
        assert_eq!(meaning(Errno::NFILE), AcceptFault::Exhausted);
        assert_eq!(meaning(Errno::CONNABORTED), AcceptFault::Connection);
        assert_eq!(meaning(Errno::NETDOWN), AcceptFault::Connection);
        assert_eq!(meaning(Errno::BADF), AcceptFault::Socket);
    }

    #[tokio::test]
    async fn one_socket_accepts_both_address_families() {
        // A1
        let listener = Listener::bind("[::]:0".parse().unwrap(), Arc::new(Semaphore::new(2))).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "::1"] {
            let host: IpAddr = host.parse().unwrap();
            let client = TcpStream::connect((host, port)).await.unwrap();
            let (_, peer, _permit) = listener.accept(&accepting()).await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn a_connection_without_a_permit_waits() {
        let permits = Arc::new(Semaphore::new(1));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), permits).unwrap();
        let address = listener.local_addr().unwrap();
        let _clients =
            [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let (_first, _, permit) = listener.accept(&accepting()).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(50), listener.accept(&accepting())).await;
        assert!(waiting.is_err(), "no permit, no connection");
        drop(permit);
        let (_second, _, _permit) = listener.accept(&accepting()).await.unwrap();
    }
}
