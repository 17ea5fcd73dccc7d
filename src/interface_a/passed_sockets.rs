//! Listening sockets that the service manager has opened: socket activation, sd_listen_fds(3). The port of
//! the devices then stays open while the platform restarts.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

/// The sockets that this process got at its start.
#[derive(Debug, Default)]
pub struct PassedSockets(Vec<PassedSocket>);

#[derive(Debug)]
struct PassedSocket {
    /// `FileDescriptorName=` of the socket unit.
    name: Option<String>,
    socket: io::Result<TcpListener>,
}

/// An address of `interface-a.listen`, with the socket that was passed for it.
pub type ListenAt = (SocketAddr, Option<TcpListener>);

/// Why a socket that was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketError {
    /// It has another name.
    #[error(
        "socket activation passes a socket with the name \"{0}\"; only sockets for devices can be passed, with \
         FileDescriptorName=interface-a"
    )]
    Name(String),
    /// It does not listen on a TCP port.
    #[error(
        "socket activation passes something else than a listening TCP socket (ListenStream=ADDRESS:PORT)"
    )]
    Kind(#[source] io::Error),
    /// It listens on an address that the configuration does not have.
    #[error(
        "socket activation passes a socket on {passed}, and interface-a.listen has {configured}: let them agree"
    )]
    Address {
        /// Where it listens.
        passed: SocketAddr,
        /// The addresses in `interface-a.listen`.
        configured: String,
    },
}

impl PassedSockets {
    /// The sockets that `LISTEN_FDS` announces to this process. To be called before the process has a second
    /// thread: it removes the variables.
    #[must_use]
    pub fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        // Without a name there is one of these words, or nothing.
        let mut names =
            names.split(':').map(|name| (!["", "unknown"].contains(&name)).then(|| name.to_owned()));
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).map(|at| PassedSocket {
            name: names.next().flatten(),
            socket: passed.take_tcp_listener(at).and_then(listening),
        });
        Self(sockets.collect())
    }

    /// The configured addresses, each with the socket that was passed for it, if there is one.
    ///
    /// # Errors
    /// When a socket was passed that is for none of them.
    pub fn assign(self, configured: &[SocketAddr]) -> Result<Vec<ListenAt>, PassedSocketError> {
        let mut all: Vec<ListenAt> = configured.iter().map(|address| (*address, None)).collect();
        for PassedSocket { name, socket } in self.0 {
            if let Some(name) = name.filter(|name| name != NAME) {
                return Err(PassedSocketError::Name(name));
            }
            let socket = socket.map_err(PassedSocketError::Kind)?;
            let passed = socket.local_addr().map_err(PassedSocketError::Kind)?;
            let place = all.iter_mut().find(|(address, known)| *address == passed && known.is_none());
            let Some((_, place)) = place else {
                let configured: Vec<_> = configured.iter().map(ToString::to_string).collect();
                return Err(PassedSocketError::Address { passed, configured: configured.join(", ") });
            };
            *place = Some(socket);
        }
        Ok(all)
    }
}

/// The socket, if it listens.
fn listening(socket: Option<TcpListener>) -> io::Result<TcpListener> {
    let socket = socket.ok_or(io::ErrorKind::NotFound)?;
    socket.set_nonblocking(true)?;
    if socket_acceptconn(&socket)? { Ok(socket) } else { Err(io::ErrorKind::NotConnected.into()) }
}

/// The name of the sockets for devices.
const NAME: &str = "interface-a";

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(name: Option<&str>, socket: TcpListener) -> PassedSockets {
        PassedSockets(vec![PassedSocket { name: name.map(str::to_owned), socket: Ok(socket) }])
    }

    #[test]
    fn a_socket_is_assigned_to_its_address_and_any_other_one_is_named() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let other: SocketAddr = "127.0.0.1:1".parse().unwrap();
        for name in [None, Some("interface-a")] {
            let socket = socket();
            let own = socket.local_addr().unwrap();
            let assigned = passed(name, socket).assign(&[other, own]).unwrap();
            assert!(assigned[0].1.is_none() && assigned[1].1.is_some());
        }
        let foreign = socket();
        let address = foreign.local_addr().unwrap().to_string();
        let error = passed(None, foreign).assign(&[other]).unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("127.0.0.1:1"), "{error}");
        let error = passed(Some("pcd-platform.socket"), socket()).assign(&[other]).unwrap_err().to_string();
        assert!(error.contains("pcd-platform.socket") && error.contains("FileDescriptorName"), "{error}");
    }
}
