//! A configuration that changes while the platform serves.

use std::sync::Arc;

use super::Platform;
use crate::audit::{ConfigurationFault, Event, Installed, ReloadedBy};
use crate::audit_forwarder;
use crate::config::{Config, ConfigError, Overrides};
use crate::http::Reloaded;
use crate::model::explained;
use crate::revocation::{Engine, RevocationError};
use crate::tls::{AcceptorError, ConnectError};

/// A configuration that was not taken over.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the TLS identities and roots cannot be used")]
    Tls(#[from] AcceptorError),
    #[error("what is known about revoked certificates cannot be used")]
    Revocation(#[from] RevocationError),
    #[error("the audit record repository cannot be reached with what is configured")]
    Repository(#[from] ConnectError),
}

/// What a reload has changed.
struct Taken {
    /// The keys of the file whose values differ.
    keys: Vec<String>,
    /// The certificates that were installed before.
    certificates: Vec<Installed>,
}

impl ReloadError {
    /// What the audit trail says of it: codes and keys, never the text, which may repeat a value.
    fn told(&self) -> (ConfigurationFault, Vec<String>) {
        match self {
            Self::Config(ConfigError::Read { .. }) => (ConfigurationFault::Unreadable, Vec::new()),
            Self::Config(ConfigError::Syntax { .. }) => (ConfigurationFault::Syntax, Vec::new()),
            Self::Config(ConfigError::Invalid { problems, .. }) => {
                let keys = problems.iter().map(|problem| problem.key.to_owned()).collect();
                (ConfigurationFault::Values, keys)
            }
            Self::Tls(_) => (ConfigurationFault::Identities, Vec::new()),
            Self::Revocation(_) => (ConfigurationFault::Revocation, Vec::new()),
            Self::Repository(_) => (ConfigurationFault::Repository, Vec::new()),
        }
    }
}

impl Platform {
    /// Reads the configuration again. It is checked as a whole and then published as a whole; if anything in it
    /// cannot be used, what was in force stays in force.
    pub(super) async fn reload(&self, by: ReloadedBy) -> Reloaded {
        match self.take_over().await {
            Ok(Taken { keys, certificates }) => {
                tracing::info!(
                    ?keys,
                    "the configuration was read again, with certificates, keys, roots and CRLs"
                );
                let sections = sections(&keys);
                self.store.audit_or_log(Event::ConfigurationChanged { keys, by }).await;
                self.record_certificates(certificates).await;
                Reloaded::Published { sections }
            }
            Err(error) => {
                let (fault, keys) = error.told();
                self.store.audit_or_log(Event::ConfigurationRefused { fault, keys, by }).await;
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the configuration stays as it was"
                );
                Reloaded::Unchanged { reason: explained(&error) }
            }
        }
    }

    async fn take_over(&self) -> Result<Taken, ReloadError> {
        let current = self.config.load_full();
        let config = Config::load(&current.file, &Overrides::from_environment())?;
        let revocation = Engine::prepare(&config.revocation)?;
        audit_forwarder::connector(&config, &self.clock)?;
        let certificates = self.acceptor.installed_certificates();
        let acceptor = self.acceptor.prepare(&config)?;
        self.revocation.apply(revocation);
        self.acceptor.publish(acceptor, config.stapling.wait).await;
        let keys = current.written.changed(&config.written);
        for key in needs_restart(&current, &config) {
            tracing::warn!(key, "this change takes effect when the platform is started again");
        }
        self.config.store(Arc::new(config));
        self.publish_certificates();
        Ok(Taken { keys, certificates })
    }
}

/// The tables of the keys.
fn sections(keys: &[String]) -> Vec<String> {
    let mut sections: Vec<_> =
        keys.iter().filter_map(|key| key.split('.').next()).map(str::to_owned).collect();
    sections.dedup();
    sections
}

/// What was set up once, when the process started.
fn needs_restart(old: &Config, new: &Config) -> impl Iterator<Item = &'static str> {
    [
        ("interface-a.listen", old.interface_a.listen != new.interface_a.listen),
        ("interface-a.max-connections", old.interface_a.max_connections != new.interface_a.max_connections),
        ("interface-a.max-handshakes", old.interface_a.max_handshakes != new.interface_a.max_handshakes),
        (
            "interface-a.handshake-timeout",
            old.interface_a.handshake_timeout != new.interface_a.handshake_timeout,
        ),
        ("interface-a.drain-timeout", old.interface_a.drain_timeout != new.interface_a.drain_timeout),
        ("store.url", old.store_url != new.store_url),
        ("store.node", old.node != new.node),
        ("admin.listen", old.admin_listen != new.admin_listen),
        ("log", old.log != new.log),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(key, _)| key)
}
