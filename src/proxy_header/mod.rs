//! The PROXY protocol: a load balancer states, before the first byte of TLS, whose connection it relays.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, sections 2.1 (version 1, text) and 2.2
//! (version 2, binary). Behind a balancer every connection comes from its address; with the header, limits,
//! refusals and audit rows are about the address of the client. Anyone can write a header, so it is read only
//! from the addresses that the configuration names for a listener (`proxy-protocol`), and there it must come.
//!
//! `header` is the parser, without a socket; `receive` reads from one, and no byte beyond
//! the header. Both versions are read: HAProxy sends the second by `send-proxy-v2`, nginx has only the first.

mod checksum;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
mod header;
mod receive;
mod statement;
mod version_1;
mod version_2;

pub(crate) use fault::{HeaderError, HeaderFault};
pub(crate) use receive::{Unreadable, receive};
pub(crate) use statement::Statement;
