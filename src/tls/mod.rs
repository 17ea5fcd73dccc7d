//! TLS: the only folder that knows which library speaks it.
//!
//! [`provider`] is the cryptography that the specification asks for, [`choice`] decides which of the platform's
//! two certificates a client gets to see.

pub mod choice;
pub mod provider;
