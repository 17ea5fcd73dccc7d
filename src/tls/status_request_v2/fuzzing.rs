//! What happens to the first bytes of a stranger before rustls sees them, for the fuzzers.

use std::sync::Arc;

use futures_util::FutureExt as _;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;

use super::hello_reader::{MAX_READ, ReceivedHello};
use crate::tls::provider::{Settings, provider};

/// A server without certificates.
#[must_use]
pub fn server() -> Option<Arc<ServerConfig>> {
    let builder = ServerConfig::builder_with_provider(Arc::new(provider(Settings::default())));
    let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
    Some(Arc::new(builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()))))
}

/// Reads a ClientHello from the bytes of a connection, and returns what rustls gets in their place; `None` if
/// the platform refuses it by itself.
#[must_use]
pub fn receive(config: &ServerConfig, mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut received = ReceivedHello::default();
    received.read(&mut bytes, MAX_READ).now_or_never()?.ok()?;
    if received.is_too_long() {
        return None;
    }
    if let Some(message) = received.take_message() {
        super::plan_rewriting(config, &message).ok()?.patch_hello(&mut received.bytes);
    }
    Some(received.bytes)
}
