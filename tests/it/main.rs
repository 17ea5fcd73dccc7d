//! The platform as its peers and its operators see it: one binary, started for real.

// Tells Clippy that helper functions may unwrap as tests do.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a test waits for other processes, by the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod admin;
mod atna;
mod audit;
mod audit_events;
mod backup;
mod cli;
mod connections;
mod demo;
mod harness;
mod keys;
mod lifecycle;
mod loss;
mod messages;
mod openssl;
mod openssl_client;
mod pki;
mod postgres;
mod python;
mod reload;
mod renewal;
mod repository;
mod resumption;
mod retention;
mod revocation;
mod shipped;
mod southbound;
mod storm;
#[cfg(feature = "pkcs11")]
mod token;
