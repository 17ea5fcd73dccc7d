//! An address that cannot be bound.

use std::io;
use std::net::SocketAddr;

/// An address that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}; check that no other process uses the port and that this user may bind it"
)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}
