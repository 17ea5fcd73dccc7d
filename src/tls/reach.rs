//! Connects by TCP to a name that may have several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};

/// Connects to one of the addresses of `host`, in the order in which the resolver names them. An address that
/// does not answer soon is not waited for: the next one is tried beside it (RFC 8305, 5).
///
/// # Errors
/// When the name has no address, or no address can be reached.
pub async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    reach_first(lookup_host((host, port)).await?).await
}

/// Connects to one of these addresses, as [`reach`] does.
pub(super) async fn reach_first(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut failed = None;
    loop {
        let next = addresses.next();
        let is_last = next.is_none();
        attempts.extend(next.map(TcpStream::connect));
        let next_is_due = async {
            if is_last { std::future::pending().await } else { tokio::time::sleep(ALONE_FOR).await }
        };
        tokio::select! {
            () = next_is_due => {}
            ended = attempts.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = Some(error),
                None => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                    return Err(failed.unwrap_or_else(none));
                }
            },
        }
    }
}

/// How long an address alone may take.
const ALONE_FOR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// A listener that takes no further connection: the kernel drops what comes, as a firewall does.
    fn deaf() -> (socket2::Socket, Vec<socket2::Socket>, SocketAddr) {
        use socket2::{Domain, SockAddr, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        // The queue of a listener holds one more than it says.
        let waiting = (0..4).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&SockAddr::from(address));
            socket
        });
        let waiting = waiting.collect();
        (listener, waiting, address)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_keep_from_the_next_one() {
        let (_listener, _waiting, silent) = deaf();
        let good = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addresses = [silent, good.local_addr().unwrap()];
        let limit = Duration::from_secs(60);
        let reached = tokio::time::timeout(limit, reach_first(addresses.into_iter())).await.expect("in time");
        assert_eq!(reached.unwrap().peer_addr().unwrap(), addresses[1]);
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next_one_at_once() {
        let gone = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let good = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addresses = [gone, good].map(|listener| (listener.local_addr().unwrap(), listener));
        let [(refusing, gone), (answering, _good)] = addresses;
        drop(gone);
        let reached = reach_first([refusing, answering].into_iter()).await.unwrap();
        assert_eq!(reached.peer_addr().unwrap(), answering);
        let refused = reach_first([refusing].into_iter()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(reach_first([].into_iter()).await.is_err());
    }
}
