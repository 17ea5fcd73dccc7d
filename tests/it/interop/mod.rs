//! The running platform against the TLS of other people: OpenSSL, GnuTLS, JSSE, NSS and mbed TLS as devices,
//! and peers that no TLS library would make.

mod conversation;
mod gnutls;
pub(crate) mod hello;
mod jsse;
mod keys;
mod mbedtls;
mod nss;
mod odd_hellos;
mod openssl;
mod record_limits;
mod refusals;
mod shared;
pub mod suite;
mod talk;
mod tap;
