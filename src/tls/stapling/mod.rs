//! Stapling: the OCSP responses of the platform's own chains, which it sends along with them. `// A10`

mod chain;

pub use chain::ChainStaples;
