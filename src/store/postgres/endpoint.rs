//! One of the servers that a URL names.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// The host and the port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Endpoint {
    /// A name, an address without brackets, or the folder of a socket.
    host: String,
    pub(in crate::store) port: u16,
}

impl Endpoint {
    /// The folder of the socket, if it is one.
    pub(in crate::store) fn socket(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }

    /// The host and the port, if it is reached by TCP.
    pub(in crate::store) fn tcp(&self) -> Option<(&str, u16)> {
        self.socket().is_none().then_some((self.host.as_str(), self.port))
    }

    /// The name that the certificate of the server has to show.
    pub(super) fn tls_name(&self) -> &str {
        if self.socket().is_some() { "localhost" } else { &self.host }
    }

    /// Whether a connection to it does not leave the machine.
    pub(in crate::store) fn is_local(&self) -> bool {
        self.tls_name() == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The servers in `hosts`, which are separated by commas: `HOST`, `HOST:PORT`, `[ADDRESS]`, `[ADDRESS]:PORT`.
/// `ports` has one port for all hosts or one for each. `None` when they do not fit.
pub(in crate::store) fn endpoints(hosts: &str, ports: Option<&str>) -> Option<Vec<Endpoint>> {
    let ports = ports.map(|ports| ports.split(',').map(port).collect::<Option<Vec<_>>>());
    let ports = match ports {
        Some(ports) => ports?,
        None => Vec::new(),
    };
    let endpoints: Option<Vec<_>> = hosts.split(',').map(endpoint).collect();
    let mut endpoints = endpoints?;
    match ports.as_slice() {
        [] => {}
        [port] => endpoints.iter_mut().for_each(|endpoint| endpoint.port = *port),
        ports if ports.len() == endpoints.len() => {
            endpoints.iter_mut().zip(ports).for_each(|(endpoint, port)| endpoint.port = *port);
        }
        _ => return None,
    }
    Some(endpoints)
}

fn endpoint(text: &str) -> Option<Endpoint> {
    let (host, end) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        // A bare address of IPv6, as a parameter has it, is no host with a port.
        None if text.parse::<IpAddr>().is_ok() => (text, ""),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match end {
        "" => DEFAULT_PORT,
        end => port(end.strip_prefix(':')?)?,
    };
    let host = decoded(host)?;
    (!host.is_empty()).then_some(Endpoint { host, port })
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// Decodes `%2F` and the like (RFC 3986 2.1). `None` when that is not UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
        let [Some(high), Some(low)] = digits else { return None };
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

const DEFAULT_PORT: u16 = 5432;
