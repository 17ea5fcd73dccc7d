//! The running platform against the TLS of other people: OpenSSL, GnuTLS, JSSE, NSS and mbed TLS as devices, and peers that
//! no TLS library would make.

#![allow(clippy::disallowed_methods, reason = "a test waits for other processes, by the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

// `cfg(test)` tells Clippy that helper functions may unwrap as tests do.
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod gnutls;
#[cfg(test)]
#[path = "../it/harness/mod.rs"]
mod harness;
#[cfg(test)]
mod hello;
#[cfg(test)]
mod jsse;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod mbedtls;
#[cfg(test)]
mod nss;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tap;
