//! Interface A: where devices connect (specification 6.1).
//!
//! [`Listener`] takes a permit and then a connection; the TLS acceptor makes a `Secured` one of it or refuses; a
//! session judges, records and acknowledges what comes; the [`Registry`] knows every session that is open.

mod connection;
mod counters;
#[cfg(test)]
mod fixtures;
mod handshake_limiter;
mod inbound;
mod listener;
mod pending_replies;
mod refusal_log;
mod registry;
mod server;
mod session;
mod settings;

pub use listener::Listener;
pub use pending_replies::{Acknowledgement, Exchange};
pub use registry::{DeliverError, Registry, SessionInfo};
pub use server::{Dependencies, InterfaceA, Serving};
