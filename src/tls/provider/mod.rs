//! The cipher suites and key exchanges of the specification.

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cryptography of both interfaces.
pub(super) fn provider(_ecdhe_rsa: bool) -> CryptoProvider {
    aws_lc_rs::default_provider()
}
