//! The cipher suites, groups and certificates of the profile, as OpenSSL, GnuTLS and hand-made clients see them.

// Clippy's exceptions for tests follow `cfg(test)`, which an integration test has throughout.
#![cfg(test)]

mod choice;
mod client;
mod gnutls;
mod openssl;
mod server;
mod site;
