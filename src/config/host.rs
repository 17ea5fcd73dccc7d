//! `HOST:PORT`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The address of a server: a name or an IP address, and a port other than 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAndPort {
    /// The name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that is not `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not HOST:PORT; an IPv6 address stands in brackets")]
pub struct HostAndPortError(String);

impl FromStr for HostAndPort {
    type Err = HostAndPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| HostAndPortError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<HostAndPort> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(v6) => v6.parse::<Ipv6Addr>().ok()?.to_string(),
        None if host.is_empty() || host.contains(':') => return None,
        None => host.to_owned(),
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(HostAndPort { host, port })
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl<'de> Deserialize<'de> for HostAndPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for HostAndPort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_port_is_displayed_as_it_is_read() {
        for text in ["arr.example:6514", "192.0.2.1:1", "[::1]:6514"] {
            assert_eq!(text.parse::<HostAndPort>().unwrap().to_string(), text);
        }
        for wrong in ["arr.example", ":6514", "arr.example:0", "::1:6514", "[host]:1", "arr.example:syslog"] {
            assert!(wrong.parse::<HostAndPort>().is_err(), "{wrong}");
        }
    }
}
