//! What would stand in the way of a start, all of it, found without changing anything.

use std::sync::Arc;

use super::error::PlatformError;
use crate::audit_forwarder;
use crate::authz::DirectoryHandle;
use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::revocation::{self, Engine, InstalledCrl, KnownStaple};
use crate::tls::{self, Acceptor, Authority, UnfitAnchor};
use crate::x509::CertificateFacts;

/// What a start with a configuration would find, apart from the store.
#[derive(Debug, Default)]
pub struct Examination {
    /// The platform's own certificates.
    pub certificates: Vec<CertificateFacts>,
    /// What is stapled to them.
    pub staples: Vec<KnownStaple>,
    /// The roots, and the CAs of the platform's chains.
    pub authorities: Vec<Authority>,
    /// Installed roots that are not used, or not yet.
    pub unfit_anchors: Vec<UnfitAnchor>,
    /// The installed CRLs.
    pub crls: Vec<InstalledCrl>,
    /// What stands in the way of the start.
    pub problems: Vec<PlatformError>,
}

/// Reads everything that the configuration names, as a start does, and goes on after each problem. Creates no
/// folder and no file, and does not touch the store.
pub async fn examine(config: &Config, clock: &Clock) -> Examination {
    let mut found = Examination::default();
    if let Err(error) = audit_forwarder::connector(config, clock) {
        found.problems.push(error.into());
    }
    if let Err(error) = revocation::require_directory(&config.revocation.directory) {
        found.problems.push(error.into());
    }
    let engine = Metrics::new().map_err(PlatformError::from).and_then(|metrics| {
        Engine::open_to_read(&config.revocation, metrics, clock.clone()).map_err(PlatformError::from)
    });
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => {
            found.problems.push(error);
            // The identities do not depend on what is known about revocation: look at them all the same.
            let bare = config::Revocation {
                installed_crls: Vec::new(),
                crl_issuers: Vec::new(),
                responders: Vec::new(),
                ..config.revocation.clone()
            };
            let Ok(metrics) = Metrics::new() else { return found };
            match Engine::open_to_read(&bare, metrics, clock.clone()) {
                Ok(engine) => engine,
                Err(_) => return found,
            }
        }
    };
    found.crls = engine.installed_crls();
    match Acceptor::build(config, DirectoryHandle::default(), engine, clock.clone()).map(Arc::new) {
        Ok(acceptor) => {
            acceptor.fetch_staples(config.stapling.wait).await;
            found.authorities = acceptor.authorities();
            found.unfit_anchors = acceptor.unfit_anchors();
            found.certificates = acceptor.certificates();
            found.staples = acceptor.staple_refresher().staples();
        }
        Err(first) => {
            let faults = tls::faults(config, clock);
            let faults = if faults.is_empty() { vec![first] } else { faults };
            found.problems.extend(faults.into_iter().map(PlatformError::from));
        }
    }
    found
}
