//! A configuration that changes while the platform serves.

use std::sync::Arc;

use super::Platform;
use crate::audit::Event;
use crate::config::{Config, Overrides};

impl Platform {
    /// Reads the configuration again. It is checked as a whole and then published as a whole; if anything in it
    /// cannot be used, what was in force stays in force.
    pub(super) async fn reload(&self) {
        let current = self.config.load_full();
        let config = match Config::load(&current.file, &Overrides::from_environment()) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the configuration stays as it was"
                );
                return;
            }
        };
        if let Err(error) = self.acceptor.reload(&config) {
            tracing::error!(error = &error as &dyn std::error::Error, "the configuration stays as it was");
            return;
        }
        if let Err(error) = self.revocation.reload(&config.revocation) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what was known about revoked certificates stays as it was"
            );
        }
        let sections = changed(&current, &config);
        for key in needs_restart(&current, &config) {
            tracing::warn!(key, "this change takes effect when the platform is started again");
        }
        self.config.store(Arc::new(config));
        self.publish_certificates();
        tracing::info!(
            ?sections,
            "the configuration was read again, with certificates, keys, roots and CRLs"
        );
        self.audit(Event::ConfigurationChanged { sections }).await;
    }
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
