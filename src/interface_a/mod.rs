//! Interface A: where devices connect (specification 6.1).
//!
//! [`Listener`] takes a permit and then a connection. Behind a load balancer `proxy` reads whose connection
//! it is. `Handshakes` reads its ClientHello, and the TLS acceptor turns it into a `Secured` connection or
//! refuses it. A session evaluates, records and acknowledges messages. The [`Registry`] lists the open
//! sessions.

mod accept_check;
mod acknowledgement;
mod address_shares;
mod admitted;
mod connection;
mod counters;
mod device_limits;
mod evaluator;
mod fair_queue;
#[cfg(test)]
mod fixtures;
mod frame_memory;
mod handshake_threads;
mod handshakes;
mod inbound;
mod listener;
mod opening;
mod order_habits;
mod passed_sockets;
mod pending_replies;
mod proxy;
mod refusal_log;
mod refusals;
mod refused_peer;
mod registry;
mod relay;
mod resources;
mod server;
mod serving;
mod session;
mod settings;
mod turns;
mod unawaited;

pub use accept_check::AcceptCheck;
pub use acknowledgement::Acknowledgement;
pub use evaluator::{AssumedSender, Evaluator, Judgement};
pub use listener::Listener;
pub use passed_sockets::{ListenAt, PassedSocketError, PassedSockets};
pub use pending_replies::Exchange;
pub use registry::{DeliverError, Delivery, Recipient, Registry, SessionInfo};
pub use relay::{OrderAnswer, Relay};
pub use resources::{Accepting, Shortage};
pub use server::{Dependencies, InterfaceA};
pub use serving::Serving;
#[cfg(test)]
pub(crate) use session::tests::counterpart;
pub use unawaited::UnawaitedAnswer;
