//! `--config FILE`.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, context};
use crate::config::{Config, ConfigError, Overrides};
use crate::model::Clock;
use crate::store::Store;
use crate::tls::AuditSignatureVerifier;

/// The file of the configuration.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "PCD_CONFIG",
        default_value = "config/platform.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
}

impl ConfigFile {
    pub(super) fn read(&self) -> Result<Config, ConfigError> {
        Config::load(&self.config, &Overrides::from_environment())
    }

    pub(super) fn load(&self) -> Result<Config, Failure> {
        self.read().map_err(|error| Failure::new(Exit::Config, error))
    }

    /// Verifies audit signatures of the platform that the configuration describes.
    pub(super) fn audit_signature_verifier(&self) -> Result<AuditSignatureVerifier, Failure> {
        AuditSignatureVerifier::load(&self.load()?.tls).map_err(|error| Failure::new(Exit::Config, error))
    }

    /// Opens the store that the configuration names. It has to be there, and to need no migration.
    pub(super) async fn open_store(&self, clock: &Clock) -> Result<Store, Failure> {
        let config = self.load()?;
        Store::open_existing(config.store.node, &config.store.url, clock.clone())
            .await
            .map_err(context::failed)
    }
}
