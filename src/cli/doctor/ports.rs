//! Whether devices reach the ports of Interface A, as far as this machine can say.

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
            findings.push(free(*listen));
        }
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

fn free(address: SocketAddr) -> Finding {
    let (code, what) = match TcpListener::bind(address) {
        Ok(_) => return Finding::ok("port", format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => (
            SetupCode::AddressInUse,
            "is in use, by another process or by pcd-platform.socket of systemd".to_owned(),
        ),
        Err(error) => (SetupCode::PortUnreachable, format!("cannot be bound: {error}")),
    };
    Finding::warning("port", code.code(), format!("{address} {what}"))
}

/// The address itself; of an unspecified one loopback and the address that this machine has to the outside.
fn addresses(listen: SocketAddr) -> Vec<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return vec![listen];
    }
    let loopback: IpAddr = match listen {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let all = [Some(loopback), to_the_outside(listen)];
    all.into_iter().flatten().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// The address with which this machine would send to others; nothing is sent.
fn to_the_outside(listen: SocketAddr) -> Option<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): the default route leads there.
    let (any, other) = match listen {
        SocketAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        SocketAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
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
        assert_eq!(free(address).code, Some("address-in-use"));
        drop(listener);
        assert_eq!(reached(address).await.code, Some("port-unreachable"));
        assert_eq!(free(address).code, None);
        assert_eq!(addresses(address), [address]);
        assert_eq!(addresses("0.0.0.0:2575".parse().unwrap())[0], "127.0.0.1:2575".parse().unwrap());
    }
}
