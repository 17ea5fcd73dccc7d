//! The cipher suites and key exchanges of the specification.

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cryptography of both interfaces.
pub(super) fn provider(_ecdhe_rsa: bool) -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// temp
pub(super) fn versions(versions: &[crate::config::TlsVersion]) -> Vec<&'static rustls::SupportedProtocolVersion> {
    versions.iter().map(|v| match v { crate::config::TlsVersion::Tls12 => &rustls::version::TLS12, crate::config::TlsVersion::Tls13 => &rustls::version::TLS13 }).collect()
}
