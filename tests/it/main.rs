//! The platform as its peers and its operators see it: one binary, started for real.

#![allow(clippy::disallowed_methods, reason = "a test waits for other processes, by the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

// `cfg(test)` tells Clippy that helper functions may unwrap as tests do.
#[cfg(test)]
mod harness;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod openssl_client;
#[cfg(test)]
mod pki;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod shipped;
