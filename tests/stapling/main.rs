//! A10: clients that insist on the status of every certificate of the platform's, and the responders that the platform
//! asks for it. The clients are other people's, and none of them can reach a responder.

#![allow(clippy::disallowed_methods, reason = "a test waits for other processes, by the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

// `cfg(test)` tells Clippy that helper functions may unwrap as tests do.
#[cfg(test)]
#[path = "../it/harness/mod.rs"]
mod harness;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod promise;
#[cfg(test)]
mod stage;
