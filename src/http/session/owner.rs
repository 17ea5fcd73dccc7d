//! The account that owns the other end of a TCP connection within this machine.
//!
//! A cookie is no secret between the users of a machine: a browser sends it to every port of the host, also
//! to the server of another user. So the session of an account counts only on connections of this account.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};

use crate::http::person::{Arrival, Ends, LocalUser};

/// Whether the other end of the connection acts for this account.
pub(in crate::http) async fn acts_for(arrival: &Arrival, user: &LocalUser) -> bool {
    if let Arrival::Socket(own) = arrival {
        return user.is_also(own.user);
    }
    let Some(Ends { local, peer }) = arrival.ends() else { return false };
    // It reads a file of the kernel, which is long on a busy machine.
    let owner = tokio::task::spawn_blocking(move || socket_owner(peer, local)).await;
    owner.ok().flatten().is_some_and(|owner| user.is_also(owner))
}

/// The owner of the socket with the address `peer` that is connected to `local`; `None` when it is not of
/// this machine, or its process has closed it.
fn socket_owner(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let table = if peer.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    let lines = BufReader::new(File::open(table).ok()?).lines();
    let (peer, local) = (shown(peer), shown(local));
    lines.map_while(Result::ok).find_map(|line| owner(&line, &peer, &local))
}

/// The owner in a line of the table, if the line is about this connection.
fn owner(line: &str, peer: &str, local: &str) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let is_it = fields.next() == Some(peer) && fields.next() == Some(local);
    if !is_it {
        return None;
    }
    // The state, the queues, the timer and the retransmissions stand before it.
    let owner = fields.nth(4)?.parse().ok()?;
    // A socket that its process has closed has no inode, and the table shows it as one of root.
    let has_process = fields.nth(1)? != "0";
    has_process.then_some(owner)
}

/// An address as the table has it: words of 32 bits in the machine's byte order.
fn shown(address: SocketAddr) -> String {
    let words = |octets: &[u8]| -> String {
        let words = octets.chunks_exact(4).filter_map(|word| <[u8; 4]>::try_from(word).ok());
        words.map(|word| format!("{:08X}", u32::from_ne_bytes(word))).collect()
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&ip.octets()),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_owner_of_a_connection_within_the_machine_is_known() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            let local = accepted.local_addr().unwrap();
            assert_eq!(stream.local_addr().unwrap(), peer);
            assert_eq!(socket_owner(peer, local), Some(rustix::process::getuid().as_raw()), "{address}");
            assert_eq!(socket_owner("192.0.2.7:50123".parse().unwrap(), local), None);
            drop(stream);
            assert_eq!(socket_owner(peer, local), None, "without a process it is not of root: {address}");
        }
    }

    #[test]
    fn the_owner_stands_in_the_eighth_field() {
        let line = "   7: 0100007F:C3B2 0100007F:2567 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1";
        assert_eq!(owner(line, "0100007F:C3B2", "0100007F:2567"), Some(1000));
        assert_eq!(owner(line, "0100007F:2567", "0100007F:C3B2"), None);
        let closed =
            line.replace("01 00000000:", "05 00000000:").replace("1000        0 4711", "0        0 0");
        assert_eq!(owner(&closed, "0100007F:C3B2", "0100007F:2567"), None);
    }
}
