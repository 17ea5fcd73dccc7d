//! `fhir`: what messages become in FHIR.

mod show;
mod text;

use super::{Exit, Failure, Outcome, Output};
use crate::config::Config;
use crate::model::Right;
use crate::store::Store;

/// Subcommands of `fhir`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show what a message becomes in FHIR R4, and what of it is not mapped
    ///
    /// Shows the resources with their terms, and no values. With --phi it prints the resources themselves,
    /// one a line, with the patient. Each look at a stored message is recorded in the audit trail.
    ///
    /// Example: pcd-platform fhir show 0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55
    Show(show::Arguments),
}

/// Runs the subcommand.
pub(super) async fn run(
    command: Command,
    config: impl FnOnce() -> Result<Config, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    let Command::Show(arguments) = command;
    show::run(arguments, config()?.messages.zone.time_zone(), store, output).await?;
    Ok(Exit::Done)
}

impl Command {
    /// The right that a person needs so that the running platform executes it.
    pub(super) const fn right(&self) -> Right {
        match self {
            Self::Show(_) => Right::Content,
        }
    }
}
