//! Interface A: where devices connect (specification 6.1).
//!
//! [`Listener`] takes a permit and then a connection; the TLS acceptor makes a `Secured` one of it or refuses; a
//! session judges, records and acknowledges what comes; the [`Registry`] knows every session that is open.

mod admission;
mod awaited;
mod connection;
mod feeds;
#[cfg(test)]
mod fixtures;
mod inbound;
mod listener;
mod registry;
mod server;
mod session;

pub use awaited::Exchange;
pub use feeds::Feeds;
pub use listener::Listener;
pub use registry::{DeliverError, Registry, SessionInfo};
pub use server::{ConfigHandle, Dependencies, InterfaceA, Serving};
pub use session::Acknowledgement;
