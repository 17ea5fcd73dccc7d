//! The cipher suites, groups and certificates of the profile, as OpenSSL, GnuTLS and hand-made clients see
//! them.

mod choice;
mod client;
mod gnutls;
mod openssl;
mod server;
mod site;
