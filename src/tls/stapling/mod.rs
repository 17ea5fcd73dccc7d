//! OCSP responses for the platform's own chains, to be stapled to them. `// A10`
//!
//! A client that follows the specification takes the status of each certificate of the platform's chain from
//! the handshake and queries no responder (B18). The platform therefore needs a fresh response for each of
//! them at all times. [`StapleRefresher`] fetches, caches and renews them long before they expire.

mod cache;
mod chain;
mod hold;
mod refresher;
mod schedule;

pub(super) use chain::StapledChains;
pub use refresher::StapleRefresher;
