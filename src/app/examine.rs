//! What would stand in the way of a start, all of it, found without changing anything.

use std::sync::Arc;

use super::error::PlatformError;
use crate::audit_forwarder;
use crate::authz::DirectoryHandle;
use crate::config::{self, Config};
use crate::gateway;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::notify::Receiver;
use crate::revocation::{self, Engine, InstalledCrl, KnownStaple, Probe};
use crate::tls::{self, Acceptor, ApiAcceptor, Authority, PeopleAcceptor, UnfitAnchor, UnusableIdentity};
use crate::x509::CertificateFacts;

/// What a start with a configuration would find, apart from the store.
#[derive(Debug, Default)]
pub struct Examination {
    /// The platform's own certificates.
    pub certificates: Vec<CertificateFacts>,
    /// Identities that a start would not use, while it uses another one.
    pub unusable: Vec<UnusableIdentity>,
    /// The certificate that the admin listener shows to people, if it has one of its own.
    pub admin_certificate: Option<CertificateFacts>,
    /// The certificate that the listener for hospital systems shows, if it has one of its own.
    pub api_certificate: Option<CertificateFacts>,
    /// What is stapled to the platform's certificates.
    pub staples: Vec<KnownStaple>,
    /// The roots, and the CAs of the platform's chains.
    pub authorities: Vec<Authority>,
    /// Installed roots of devices that are not used, or not yet.
    pub unfit_anchors: Vec<UnfitAnchor>,
    /// Installed roots of people that are not used, or not yet.
    pub unfit_people_anchors: Vec<UnfitAnchor>,
    /// Installed roots of trust communities that are not used, or not yet.
    pub unfit_community_anchors: Vec<UnfitAnchor>,
    /// Installed roots of people who let applications read, that are not used, or not yet.
    pub unfit_user_anchors: Vec<UnfitAnchor>,
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
    if let Err(error) = gateway::connector(config, clock) {
        found.problems.push(error.into());
    }
    for settings in &config.notify {
        if let Err(error) = Receiver::build(settings, clock) {
            found.problems.push(error.into());
        }
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
    examine_people(&mut found, config, &engine, clock);
    match Acceptor::build(config, DirectoryHandle::default(), engine, clock.clone()).map(Arc::new) {
        Ok(acceptor) => {
            acceptor.fetch_staples(config.stapling.wait).await;
            found.authorities.extend(acceptor.authorities());
            found.unfit_anchors = acceptor.unfit_anchors();
            found.certificates = acceptor.certificates();
            found.unusable = acceptor.unusable_identities();
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

/// What people and hospital systems show and see.
fn examine_people(found: &mut Examination, config: &Config, engine: &Engine, clock: &Clock) {
    match PeopleAcceptor::build(config, engine.clone(), clock.clone()) {
        Ok(people) => {
            found.admin_certificate = people.certificate();
            found.authorities = people.authorities();
            found.unfit_people_anchors = people.unfit_anchors();
        }
        Err(error) => found.problems.push(PlatformError::People(error)),
    }
    match ApiAcceptor::build(config, engine.clone(), clock.clone()) {
        Ok(api) => {
            found.api_certificate = api.certificate();
            found.authorities.extend(api.authorities());
            found.unfit_community_anchors = api.unfit_anchors();
            found.unfit_user_anchors = api.unfit_user_anchors();
        }
        Err(error) => found.problems.push(PlatformError::Api(error)),
    }
}

/// Asks the sources of revocation data that the configuration, the certificates that an examination found and
/// the known CRLs name.
pub async fn probe_sources(config: &Config, found: &Examination, clock: &Clock) -> Vec<Probe> {
    let Ok(metrics) = Metrics::new() else { return Vec::new() };
    // What is wrong with the settings is a finding already.
    let Ok(engine) = Engine::open_to_read(&config.revocation, metrics, clock.clone()) else {
        return Vec::new();
    };
    let authorities = found.authorities.iter().map(|known| &known.facts);
    let certificates: Vec<_> = found.certificates.iter().chain(authorities).cloned().collect();
    engine.probe(&config.revocation, &certificates).await
}

/// Fetches the OCSP responses of the platform's certificates into `revocation.directory`, as a start does.
///
/// # Errors
/// When identities, roots or the folder cannot be used.
pub async fn fetch_staples(config: &Config, clock: &Clock) -> Result<(), PlatformError> {
    let engine = Engine::open(&config.revocation, Metrics::new()?, clock.clone())?;
    let acceptor = Arc::new(Acceptor::build(config, DirectoryHandle::default(), engine, clock.clone())?);
    acceptor.fetch_staples(config.stapling.wait).await;
    Ok(())
}
