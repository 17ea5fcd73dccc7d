//! StapleRefresher: the OCSP responses of the platform's own chains, which it sends along with them. `// A10`
//!
//! A client that follows the specification takes the status of every certificate of the platform's chain from the
//! handshake and asks nobody (B18). So there has to be a response for each of them at any time: [`StapleRefresher`] asks for
//! them, keeps them, and renews them long before they expire.

mod cache;
mod chain;
mod refresher;
mod schedule;

pub use refresher::StapleRefresher;
pub(super) use refresher::StapledChains;
