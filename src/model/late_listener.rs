//! A socket that listens, or will as soon as its address is free.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::{BindError, explained};

/// A socket that listens on an address, or will.
///
/// What is not needed to receive messages must not keep the platform from it: another account of the machine
/// can take a port above 1023 while the platform restarts.
#[derive(Debug)]
pub struct LateListener {
    address: SocketAddr,
    bound: OnceCell<TcpListener>,
    bind: fn(SocketAddr) -> io::Result<TcpListener>,
}

impl LateListener {
    /// Listens on `address` by `bind`. If that is not possible, and `may_wait`, [`Self::ready`] tries again.
    ///
    /// # Errors
    /// When it is not possible, and may not wait.
    pub fn bind(
        address: SocketAddr,
        may_wait: bool,
        bind: fn(SocketAddr) -> io::Result<TcpListener>,
    ) -> Result<Self, BindError> {
        match bind(address) {
            Ok(socket) => {
                let address = socket.local_addr().unwrap_or(address);
                Ok(Self { address, bound: OnceCell::new_with(Some(socket)), bind })
            }
            Err(source) => {
                let error = BindError { address, source };
                if !may_wait {
                    return Err(error);
                }
                tracing::error!(
                    error = explained(&error),
                    help = "address-in-use",
                    "devices are served without this listener; it is tried again until the address is free"
                );
                Ok(Self { address, bound: OnceCell::new(), bind })
            }
        }
    }

    /// Its address, with the port that was chosen for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket, once there is one.
    pub async fn ready(&self) -> &TcpListener {
        self.bound.get_or_init(|| self.retry()).await
    }

    /// The same, for good.
    pub async fn into_ready(self) -> TcpListener {
        self.ready().await;
        match self.bound.into_inner() {
            Some(socket) => socket,
            None => std::future::pending().await,
        }
    }

    async fn retry(&self) -> TcpListener {
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            if let Ok(socket) = (self.bind)(self.address) {
                tracing::info!(address = %self.address, "the address is free; it listens");
                return socket;
            }
        }
    }
}

/// How often an address that is taken is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_bound_when_it_is_free() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let refused = LateListener::bind(address, false, bind).unwrap_err();
        assert_eq!((refused.address, refused.source.kind()), (address, io::ErrorKind::AddrInUse));
        let late = LateListener::bind(address, true, bind).unwrap();
        assert_eq!(late.address(), address);
        let waiting = tokio::spawn(late.into_ready());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(taken);
        assert_eq!(waiting.await.unwrap().local_addr().unwrap(), address);
    }
}
