//! The decision about a chain in a file.

use std::sync::Arc;

use super::error::PlatformError;
use crate::authz::{Directory, DirectoryHandle};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, Refusal, RefusalFacts};
use crate::revocation::{Engine, WithdrawnCertificates};
use crate::tls::{self, AcceptorError};

/// Decides about a chain of a client, the client's certificate first, as the listener does with this
/// configuration, directory and revoked certificates. Asks responders and distribution points as it does;
/// changes nothing.
///
/// # Errors
/// When the roots, or what is known about revocation, cannot be used.
pub fn examine_chain(
    config: &Config,
    directory: Directory,
    withdrawn: WithdrawnCertificates,
    chain: Vec<Vec<u8>>,
    clock: &Clock,
) -> Result<Result<DeviceId, (Refusal, RefusalFacts)>, PlatformError> {
    let engine = Engine::open_to_read(&config.revocation, Metrics::new()?, clock.clone())?;
    engine.withdraw(withdrawn);
    let handle = DirectoryHandle::default();
    handle.store(Arc::new(directory));
    let examined = tls::examine_chain(config, handle, engine, clock, chain).map_err(AcceptorError::from)?;
    Ok(examined.map_err(|refused| (refused.refusal, refused.facts())))
}
