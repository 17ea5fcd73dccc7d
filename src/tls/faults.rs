//! Every fault of the configured roots, certificates and keys, for `check`.

use std::slice;

use super::acceptor::AcceptorError;
use super::credential;
use super::provider::{Settings, provider};
use super::time::time_provider;
use super::trust::Trust;
use crate::config::Config;
use crate::model::Clock;

/// Checks each configured file by itself, where [`Acceptor::build`](super::Acceptor::build) stops at the
/// first fault. Empty when each of them is usable.
///
/// A chain is validated to the roots only if all of them are readable: the unreadable one could be its
/// anchor.
#[must_use]
pub fn faults(config: &Config, clock: &Clock) -> Vec<AcceptorError> {
    let mut faults = Vec::new();
    for file in config.tls.client_trust_anchors.iter().chain(&config.tls.platform_trust_anchors) {
        if let Err(fault) = Trust::load(slice::from_ref(file)) {
            faults.push(fault.into());
        }
    }
    let provider = provider(Settings::new(&config.tls.versions, config.tls.ecdhe_rsa));
    let trust = Trust::load(config.tls.roots_of_platform()).ok().zip(time_provider(clock).current_time());
    for identity in [&config.tls.ecc, &config.tls.rsa].into_iter().flatten() {
        let fault = match &trust {
            Some((trust, now)) => credential::load(identity, trust, &provider, *now).err(),
            None => credential::read_pair(identity, &provider).err(),
        };
        faults.extend(fault.map(AcceptorError::from));
    }
    faults
}
