//! A10: clients that insist on the status of every certificate of the platform's, and the responders that the platform
//! asks for it. The clients are other people's, and none of them can reach a responder.

#![allow(clippy::disallowed_methods, reason = "a test waits for other processes, by the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

// `cfg(test)` tells Clippy that helper functions may unwrap as tests do.
#[cfg(test)]
mod bouncycastle;
#[cfg(test)]
mod gnutls;
#[cfg(test)]
#[path = "../it/harness/mod.rs"]
mod harness;
#[cfg(test)]
mod jsse;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod promise;
#[cfg(test)]
#[path = "../interop/suite.rs"]
#[allow(dead_code, reason = "here only the names count")]
mod suite;
#[cfg(test)]
mod wolfssl;
