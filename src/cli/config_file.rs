//! `--config FILE`.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, Output, context};
use crate::config::{Config, ConfigError, Overrides};
use crate::model::Clock;
use crate::store::{EndFile, OwnChain, Store};
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

    /// Opens the store that the configuration names. It has to be there, and to need no migration. Nothing is
    /// written to it while it lacks what this node remembers of its audit chain, where this process may read
    /// that. Nor while it has a risk that is not accepted: then it is read, with a warning.
    pub(super) async fn open_store(&self, clock: &Clock, output: Output) -> Result<Store, Failure> {
        let config = self.load()?;
        let file = EndFile::new(&config.audit.state_directory, &config.store.node);
        let chain = OwnChain::containing(config.store.node, file.read().ok().flatten());
        let opened = Store::open_to_read(chain, &config.store.url, clock.clone()).await;
        let store = opened.map_err(context::failed)?;
        let risks = store.unaccepted_risks();
        for risk in risks.iter().map(|risk| risks.described(risk)) {
            output.warn(&format!(
                "the store can lose, hide or change messages: {risk}; it is read as it is, and nothing is written \
                 (docs/store.md, \"Risks of the store\")"
            ))?;
        }
        Ok(store)
    }

    /// The same for the command that accepts a store which lacks it.
    pub(super) async fn open_any_store(&self, clock: &Clock) -> Result<Store, Failure> {
        let config = self.load()?;
        let opened = Store::open_existing(config.store.node, &config.store.url, clock.clone()).await;
        opened.map_err(context::failed)
    }
}
