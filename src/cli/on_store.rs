//! Commands that need nothing but the store, on one that is open already.

use anyhow::anyhow;

use super::arguments::Command;
use super::{
    Outcome, Output, audit, device, enrol, fhir, message, notification, order, organisation, reader,
    store as store_command, subscription,
};
use crate::config::Config;
use crate::store::Store;

/// Executes a command that needs nothing but the store.
pub(super) async fn on_store(command: Command, config: &Config, store: &Store, output: Output) -> Outcome {
    let load = || Ok(config.clone());
    match command {
        Command::Device { command, .. } => device::run(command, load, store, output).await,
        Command::Message { command, .. } => Box::pin(message::run(command, load, store, output)).await,
        Command::Fhir { command, .. } => Box::pin(fhir::run(command, load, store, output)).await,
        Command::Organisation { command, .. } => organisation::run(command, store, output).await,
        Command::Reader { command, .. } => Box::pin(reader::run(command, store, output)).await,
        Command::Subscription { command, .. } => Box::pin(subscription::run(command, store, output)).await,
        Command::Notification { command, .. } => Box::pin(notification::run(command, store, output)).await,
        Command::Enrol { command, .. } => Box::pin(enrol::run(command, config, store, output)).await,
        Command::Order { command, .. } => order::run(command, config, store, output).await,
        Command::Audit { command, .. } => {
            let verifier = || Err(anyhow!("this verifies nothing").into());
            let signer = || Err(anyhow!("this signs nothing").into());
            audit::run(command, &config.audit, verifier, signer, store, output).await
        }
        Command::Store { command: store_command::Command::Backup { file }, .. } => {
            store_command::backup(file, &config.store, store, output).await
        }
        _ => Err(anyhow!("the platform does not execute this command").into()),
    }
}
