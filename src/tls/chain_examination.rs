//! The decision about a chain without a connection: before a device is connected.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::provider::{Settings, provider};
use super::refusal::HandshakeError;
use super::time::time_provider;
use super::trust::{Trust, TrustError};
use super::verifier::{AdmissionPolicy, Caches, PeerVerifier};
use crate::authz::DirectoryHandle;
use crate::config::Config;
use crate::model::{Clock, DeviceId, Refusal};
use crate::revocation::Engine;

/// Decides about a chain of a client as a handshake does, by the same code: the device that it admits, or the
/// refusal. Only the possession of the key is not proved. Needs none of the platform's keys.
///
/// # Errors
/// When the roots cannot be used.
pub fn examine_chain(
    config: &Config,
    directory: DirectoryHandle,
    revocation: Engine,
    clock: &Clock,
    chain: Vec<Vec<u8>>,
) -> Result<Result<DeviceId, HandshakeError>, TrustError> {
    let trust =
        Trust::load_for_clients(&config.tls.client_trust_anchors, clock.now(), config.revocation.clock_skew)?;
    let verifier = PeerVerifier {
        trust,
        revocation,
        caches: Caches::default(),
        policy: AdmissionPolicy::from_config(config),
        directory,
        algorithms: provider(Settings::new(&config.tls.versions, config.tls.ecdhe_rsa))
            .signature_verification_algorithms,
    };
    let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(CertificateDer::from).collect();
    let Some(now) = time_provider(clock).current_time() else {
        return Ok(Err(HandshakeError::new(Refusal::ProtocolViolation)));
    };
    Ok(verifier.verify(&chain, now).map(|admission| Arc::clone(&admission.device).id.clone()))
}
