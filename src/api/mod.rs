//! What hospital systems read: a listener of its own, apart from devices and from operators.
//!
//! `listener` accepts connections within their limits, `connection` performs the handshake and reads
//! requests, `gate` decides each request, and what is admitted is answered by `fhir`. `oauth` grants access
//! tokens. A client without a certificate finds what is open: the CAs of the listener, and the description of
//! the server. Devices come first: connections, requests at once and the time of each have limits that are
//! the listener's own.

mod body;
mod connection;
mod enrol;
pub mod fhir;
mod files;
mod follower;
mod gate;
mod listener;
mod oauth;
mod outcome;
mod partner;
mod peer;
mod places;
mod rates;
mod refusals;
mod routes;
mod state;
mod turns;

pub use listener::ApiListener;
pub use state::ApiState;
