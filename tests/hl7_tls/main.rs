//! HL7 v2 through a running platform: messages of real senders, and what an operator sets and sees of them.

#![allow(clippy::disallowed_methods, reason = "a test waits for other processes, by the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

// `cfg(test)` tells Clippy that helper functions may unwrap as tests do.
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod feeds;
#[cfg(test)]
#[path = "../it/harness/mod.rs"]
mod harness;
