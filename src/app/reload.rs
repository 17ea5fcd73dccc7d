//! A configuration that changes while the platform serves.

use std::sync::Arc;

use super::Platform;
use crate::audit::Event;
use crate::config::{Config, ConfigError, Overrides};
use crate::http::Reloaded;
use crate::revocation::{Engine, RevocationError};
use crate::tls::AcceptorError;

/// A configuration that was not taken over.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the TLS identities and roots cannot be used")]
    Tls(#[from] AcceptorError),
    #[error("what is known about revoked certificates cannot be used")]
    Revocation(#[from] RevocationError),
}

impl Platform {
    /// Reads the configuration again. It is checked as a whole and then published as a whole; if anything in it
    /// cannot be used, what was in force stays in force.
    pub(super) async fn reload(&self) -> Reloaded {
        match self.take_over() {
            Ok(sections) => {
                tracing::info!(
                    ?sections,
                    "the configuration was read again, with certificates, keys, roots and CRLs"
                );
                self.audit(Event::ConfigurationChanged { sections: sections.clone() }).await;
                Reloaded::Published { sections }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the configuration stays as it was"
                );
                Reloaded::Unchanged { reason: explained(&error) }
            }
        }
    }

    fn take_over(&self) -> Result<Vec<String>, ReloadError> {
        let current = self.config.load_full();
        let config = Config::load(&current.file, &Overrides::from_environment())?;
        let revocation = Engine::prepare(&config.revocation)?;
        self.acceptor.reload(&config)?;
        self.revocation.take_over(revocation);
        let sections = changed(&current, &config);
        for key in needs_restart(&current, &config) {
            tracing::warn!(key, "this change takes effect when the platform is started again");
        }
        self.config.store(Arc::new(config));
        self.publish_certificates();
        Ok(sections)
    }
}

/// An error with its causes, in one line.
pub(crate) fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        // Transparent errors say the same twice.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

/// The tables in which something differs.
fn changed(old: &Config, new: &Config) -> Vec<String> {
    [
        ("interface-a", old.interface_a != new.interface_a),
        ("tls", old.tls != new.tls),
        ("revocation", old.revocation != new.revocation),
        ("devices", old.devices != new.devices),
        ("messages", old.messages != new.messages),
        ("store", old.store_url != new.store_url),
        ("admin", old.admin_listen != new.admin_listen),
        ("log", old.log != new.log),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(name, _)| name.to_owned())
    .collect()
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
        ("admin.listen", old.admin_listen != new.admin_listen),
        ("log", old.log != new.log),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(key, _)| key)
}
