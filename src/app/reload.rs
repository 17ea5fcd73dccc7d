//! Reload: a new configuration while the platform serves.

use std::sync::Arc;

use super::{Platform, PlatformError};
use crate::audit::{ConfigurationFault, Event, Installed, ReloadedBy};
use crate::audit_forwarder;
use crate::config::{Change, Config, ConfigError, Overrides, ReloadClass};
use crate::gateway;
use crate::http::{KeyEffect, Reloaded};
use crate::model::explained;
use crate::notify::Receiver;
use crate::revocation::{self, Engine};
use crate::store::StoreAccess;
use crate::tls::{self, PreparedApi, PreparedPeople};

/// Why a configuration was not applied.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that it names cannot be used: the same errors as at the start.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

/// What a reload has changed.
struct Outcome {
    /// The keys whose values differ from those of the last reload.
    changed: Vec<String>,
    /// Those keys, and the keys that still wait for a restart.
    changes: Vec<Change>,
    /// The certificates that were installed before.
    certificates: Vec<Installed>,
    /// Whether the gateway shows another certificate to its platform.
    is_other_gateway: bool,
}

impl Outcome {
    /// The changed keys, or those that wait, with this effect.
    fn keys(&self, effect: ReloadClass) -> Vec<String> {
        self.changes
            .iter()
            .filter(|change| change.effect == effect)
            .map(|change| change.key.clone())
            .collect()
    }
}

impl ReloadError {
    /// What the audit trail records: codes and keys, never the text, which may repeat a value.
    fn fault(&self) -> (ConfigurationFault, Vec<String>) {
        match self {
            Self::Config(ConfigError::Read { .. }) => (ConfigurationFault::Unreadable, Vec::new()),
            Self::Config(ConfigError::Syntax { .. }) => (ConfigurationFault::Syntax, Vec::new()),
            Self::Config(ConfigError::Invalid { problems, .. }) => {
                let keys = problems.iter().map(|problem| problem.key.to_owned()).collect();
                (ConfigurationFault::Values, keys)
            }
            Self::Platform(PlatformError::Revocation(_)) => (ConfigurationFault::Revocation, Vec::new()),
            Self::Platform(PlatformError::Repository(_)) => (ConfigurationFault::Repository, Vec::new()),
            Self::Platform(PlatformError::Notify(_)) => (ConfigurationFault::Receivers, Vec::new()),
            Self::Platform(PlatformError::Store(_)) => (ConfigurationFault::Store, Vec::new()),
            // Nothing else is read for a reload than the identities and roots.
            Self::Platform(_) => (ConfigurationFault::Identities, Vec::new()),
        }
    }
}

impl Platform {
    /// Reads the configuration again. It is checked as a whole and then published as a whole; if anything in
    /// it cannot be used, the current configuration stays.
    pub(super) async fn reload(&self, by: ReloadedBy) -> Reloaded {
        match self.apply().await {
            Ok(outcome) => {
                self.last_reload.publish();
                self.metrics.operation.config_last_reload_successful.set(1);
                self.report(outcome, by).await
            }
            Err(error) => {
                let (fault, keys) = error.fault();
                self.last_reload.refuse(self.clock.now(), fault, &keys);
                self.metrics.operation.config_last_reload_successful.set(0);
                self.store.audit_or_defer(Event::ConfigurationRefused { fault, keys, by }).await;
                tracing::error!(
                    error = %explained(&error),
                    "configuration not reloaded; the current one stays"
                );
                Reloaded::Unchanged { reason: explained(&error) }
            }
        }
    }

    async fn apply(&self) -> Result<Outcome, ReloadError> {
        let current = self.config.load_full();
        let config = Config::load(&current.file, &Overrides::from_environment())?;
        let certificates = self.acceptor.installed_certificates();
        let (revocation, acceptor, (people, api), access) = self.prepare(&config)?;
        self.store.apply_access(access);
        self.revocation.apply(revocation);
        self.people.publish(people);
        self.api.publish(api);
        self.acceptor.publish(acceptor, config.stapling.wait).await;
        let changed = current.values.changed(&config.values);
        let changes = current.values.changes(&config.values, &self.started);
        let is_other_gateway = self.gateway.note_certificate(config.gateway.as_ref());
        let config = Arc::new(config);
        self.config.store(Arc::clone(&config));
        self.publish_expiry(&config);
        Ok(Outcome { changed, changes, certificates, is_other_gateway })
    }

    /// Reads every file that the configuration names, and changes nothing.
    fn prepare(
        &self,
        config: &Config,
    ) -> Result<
        (revocation::Prepared, tls::Prepared, (PreparedPeople, PreparedApi), StoreAccess),
        PlatformError,
    > {
        let revocation = Engine::prepare(&config.revocation)?;
        audit_forwarder::connector(config, &self.clock)?;
        gateway::connector(config, &self.clock)?;
        for settings in &config.notify {
            Receiver::build(settings, &self.clock)?;
        }
        let access = self.store.prepare_access(&config.store.url)?;
        let people = self.people.prepare(config).map_err(PlatformError::People)?;
        let api = self.api.prepare(config).map_err(PlatformError::Api)?;
        Ok((revocation, self.acceptor.prepare(config)?, (people, api), access))
    }

    /// Says in the log, in the audit trail and in the response what happens to each key.
    async fn report(&self, outcome: Outcome, by: ReloadedBy) -> Reloaded {
        let new_sessions = outcome.keys(ReloadClass::NewSessions);
        let restart = outcome.keys(ReloadClass::Restart);
        let applied = outcome.keys(ReloadClass::Applied);
        let Outcome { changed, changes, certificates, is_other_gateway } = outcome;
        let are_same = !is_other_gateway && certificates == self.acceptor.installed_certificates();
        let certificates_code = if are_same { "unchanged" } else { "changed" };
        let named = |keys: &[String]| (!keys.is_empty()).then(|| tracing::field::debug(keys.to_vec()));
        tracing::info!(
            applied = named(&applied),
            new_sessions = named(&new_sessions),
            certificates = certificates_code,
            "configuration reloaded, with certificates, keys, roots and CRLs"
        );
        if !restart.is_empty() {
            tracing::warn!(keys = ?restart, "changed keys take effect at the next start; restart to apply them");
        }
        let sections = sections(&changed);
        self.store
            .audit_or_defer(Event::ConfigurationChanged {
                keys: changed,
                new_sessions,
                restart,
                by: by.clone(),
            })
            .await;
        self.record_certificates(certificates).await;
        self.record_unusable_identities(by).await;
        let effect = |change: Change| KeyEffect { effect: change.effect.code(), key: change.key };
        Reloaded::Published {
            sections,
            keys: changes.into_iter().map(effect).collect(),
            certificates: certificates_code,
        }
    }
}

/// The sections of the keys, which are in order.
fn sections(keys: &[String]) -> Vec<String> {
    let mut sections: Vec<_> =
        keys.iter().filter_map(|key| key.split('.').next()).map(str::to_owned).collect();
    sections.dedup();
    sections
}
