//! Whether devices reach the ports of Interface A, as far as this machine can say, and whether a start finds
//! each port free.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::cli::check_finding::Finding;
use crate::config::Config;
use crate::finding::SetupCode;

/// A running platform is connected to at each address, the one to the outside included; without one the
/// addresses have to be free.
pub(super) async fn look(config: &Config, is_running: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listen in config.interface_a.listen.iter().filter(|listen| listen.port() != 0) {
        if is_running {
            for address in addresses(*listen) {
                findings.push(reached(address).await);
            }
        } else {
            findings.push(free("interface-a.listen", *listen));
        }
    }
    let admin =
        [("admin.listen", Some(config.admin.listen)), ("admin.health-listen", config.admin.health_listen)];
    for (key, listen) in admin.into_iter().filter(|_| !is_running) {
        let listen = listen.filter(|listen| listen.port() != 0);
        findings.extend(listen.map(|listen| free(key, listen)));
    }
    findings
}

async fn reached(address: SocketAddr) -> Finding {
    let failed = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => return Finding::ok("port", format!("{address} accepts connections from this machine")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    let text = format!("{address} accepts no connection from this machine: {failed}");
    Finding::error("port", SetupCode::PortUnreachable.code(), text)
}

fn free(key: &str, address: SocketAddr) -> Finding {
    let (code, what) = match TcpListener::bind(address) {
        Ok(_) => return Finding::ok("port", format!("{address} ({key}) is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => (
            SetupCode::AddressInUse,
            "is in use, by another process or by pcd-platform.socket of systemd".to_owned(),
        ),
        Err(error) => (SetupCode::PortUnreachable, format!("cannot be bound: {error}")),
    };
    Finding::warning("port", code.code(), format!("{address} ({key}) {what}"))
}

/// The address itself; of an unspecified one loopback and the address that this machine has to the outside,
/// of IPv4 as well where it is of IPv6: the platform listens on both.
fn addresses(listen: SocketAddr) -> Vec<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return vec![listen];
    }
    let four = [Some(Ipv4Addr::LOCALHOST.into()), to_the_outside("0.0.0.0:0", "192.0.2.1:9")];
    let six = [Some(Ipv6Addr::LOCALHOST.into()), to_the_outside("[::]:0", "[2001:db8::1]:9")];
    let six = six.into_iter().filter(|_| listen.is_ipv6());
    four.into_iter().chain(six).flatten().map(|ip: IpAddr| SocketAddr::new(ip, listen.port())).collect()
}

/// The address with which this machine would send to others; nothing is sent. `other` is one for
/// documentation (RFC 5737, RFC 3849): the default route leads there.
fn to_the_outside(any: &str, other: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(other).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_reached_and_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(reached(address).await.code, None);
        assert_eq!(free("admin.listen", address).code, Some("address-in-use"));
        drop(listener);
        assert_eq!(reached(address).await.code, Some("port-unreachable"));
        assert_eq!(free("admin.listen", address).code, None);
        assert_eq!(addresses(address), [address]);
        let all = |listen: &str| addresses(listen.parse().unwrap());
        assert_eq!(all("0.0.0.0:2575")[0], "127.0.0.1:2575".parse().unwrap());
        assert!(all("0.0.0.0:2575").iter().all(SocketAddr::is_ipv4));
        assert!(
            ["127.0.0.1:2575", "[::1]:2575"]
                .iter()
                .all(|one| all("[::]:2575").contains(&one.parse().unwrap()))
        );
    }
}
