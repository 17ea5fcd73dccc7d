//! What a header states.

use std::net::{IpAddr, SocketAddr};

use super::fault::HeaderFault;

/// What a header states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// The balancer has opened the connection for itself: a health check.
    Local,
    /// The balancer relays a connection that comes from this address.
    Relayed(SocketAddr),
}

/// How far a header has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All bytes are of the header, and at least one is missing.
    Incomplete,
    /// The first `length` bytes are the header.
    Complete { statement: Statement, length: usize },
}

/// The address as the platform counts it; an IPv4 address in an IPv6 one is an IPv4 address.
pub(super) fn statement(address: IpAddr, port: u16) -> Result<Statement, HeaderFault> {
    let address = address.to_canonical();
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || is_broadcast {
        return Err(HeaderFault::Address);
    }
    Ok(Statement::Relayed(SocketAddr::new(address, port)))
}

/// Bytes of the longest header. Section 2: a header fits the smallest segment of TCP (536 bytes), so that it
/// arrives as one. The addresses of version 2 take 52 of them at most; the rest is for additional fields.
pub(super) const MAX_HEADER: usize = 536;
