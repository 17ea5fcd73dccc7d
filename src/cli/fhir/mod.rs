//! `fhir`: what messages become in FHIR, and the index from which they are read.

mod index;
mod merge;
mod patient;
mod read;
mod show;
mod text;

use super::{Exit, Failure, Outcome, Output};
use crate::config::Config;
use crate::model::Right;
use crate::render::mapping_options;
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
    /// Read a resource from the index, or the newest observations of a patient or device
    ///
    /// Shows terms and no values; with --phi it prints the resources themselves, one a line. Each look at a
    /// message is recorded in the audit trail. Needs fhir.enabled.
    ///
    /// Example: pcd-platform fhir read Device/5ad0c1f2e3b4a5968778695a4b3c2d1e --newest 10
    Read(read::Arguments),
    /// Show which node writes the index, and how far it is
    Status,
    /// Index every stored message again, from the oldest on
    ///
    /// Ids stay, and so do versions and times of what does not change. A new version of the mapping does it
    /// by itself, and so does a change of messages.zone, fhir.patients or fhir.assigners.
    Rebuild,
    /// Say that a patient is another one: the identifiers of both were merged
    ///
    /// Each is Patient/ID, as in the resources, or SYSTEM|NUMBER, as in their identifiers. Hospital systems
    /// that search the observations of either get those of both; each Patient has a link to the other, and
    /// the first one is no longer active. No observation is changed: its subject is as it was sent. Recorded
    /// in the audit trail.
    ///
    /// Example: pcd-platform fhir merge "urn:oid:1.2.3|4711" "urn:oid:1.2.3|0815"
    Merge(merge::Arguments),
    /// Say that a patient is not another one: the opposite of `fhir merge`
    Unmerge(merge::Former),
    /// Show the opaque id of the patient with a number, under which the audit trail has who read about them
    ///
    /// The id follows from the number, also after the last message of the patient was removed. A number that
    /// devices send without a system counts within its sender: name that with --device.
    ///
    /// Example: pcd-platform audit export | grep $(pcd-platform fhir patient "urn:oid:1.2.3|4711")
    Patient(patient::Arguments),
}

/// Runs the subcommand.
pub(super) async fn run(
    command: Command,
    config: impl FnOnce() -> Result<Config, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    match command {
        Command::Show(arguments) => {
            show::run(arguments, mapping_options(&config()?), store, output).await?;
        }
        Command::Read(arguments) => read::run(arguments, &config()?, store, output).await?,
        Command::Status => index::status(&config()?, store, output).await?,
        Command::Rebuild => index::rebuild(&config()?, store, output).await?,
        Command::Merge(arguments) => merge::merge(arguments, store, output).await?,
        Command::Unmerge(former) => merge::unmerge(former, store, output).await?,
        Command::Patient(arguments) => patient::run(arguments, store, output).await?,
    }
    Ok(Exit::Done)
}

impl Command {
    /// The right that a person needs so that the running platform executes it.
    pub(super) const fn right(&self) -> Right {
        match self {
            Self::Show(_) | Self::Read(_) | Self::Patient(_) => Right::Content,
            Self::Status => Right::See,
            Self::Rebuild | Self::Merge(_) | Self::Unmerge(_) => Right::Administer,
        }
    }
}
