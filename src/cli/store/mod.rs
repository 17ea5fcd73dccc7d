//! `store`: the store as a whole.

mod check;
mod hand_over;
mod migrate;
mod retention;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::config_file::ConfigFile;
use super::context::failed;
use super::operator::operator;
use super::progress;
use super::remote::Call;
use super::text::counted;
use super::{Exit, Failure, Outcome, Output};
use crate::audit::{Event, SigningRule};
use crate::config;
use crate::model::{Clock, LongWork, NodeName, explained, size_text};
use crate::store::{EndFile, Milestone, Store, StoreError};
use migrate::Owner;

/// What to do with the store.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Copy the store into a new file while the platform runs (SQLite), and check the copy: its structure,
    /// and the digest of each message
    Backup {
        /// The new file; it must not exist yet, and only its owner may read it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Read the whole store: damage, the audit trail, each message, and how many rows there are
    Check,
    /// Create the store, or bring its schema up to date; stop the platform first
    Migrate {
        /// Say what would be done, how long it takes and how much space it needs, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        owner: Owner,
    },
    /// In a gateway of several nodes (PostgreSQL): give what waits on a node that is gone to one that runs
    ///
    /// Messages that wait for the platform, and its orders whose answers have not arrived there. Refuses
    /// while a process of the first node runs, and if none of the second does.
    ///
    /// Example: pcd-platform store hand-over --from gw-2 --to gw-1
    HandOver {
        /// The node that is gone, as the finding `forward-stranded` names it
        #[arg(long, value_name = "NODE")]
        from: NodeName,
        /// The node that forwards it from now on
        #[arg(long, value_name = "NODE")]
        to: NodeName,
    },
    /// What retention would remove, and whether the clock of this machine is believed
    Retention {
        /// Confirm that the clock of this machine is right, and let everything that has reached its age be
        /// removed at once
        #[arg(long)]
        force: bool,
    },
}

/// Runs the command on the store of the configuration.
pub(super) async fn run(config: ConfigFile, command: Command, output: Output, clock: &Clock) -> Outcome {
    if let Command::Migrate { dry_run, owner } = command {
        return migrate::run(&config, owner, dry_run, output, clock).await;
    }
    if let Command::Retention { force } = command {
        return retention::run(&config, force, output, clock).await;
    }
    let store = match (config.open_store(clock, output).await, &command) {
        (Err(failure), Command::Backup { file }) if is_outdated(&failure) => {
            return backup_outdated(file, &config.load()?.store, failure, output).await;
        }
        (opened, _) => opened?,
    };
    let outcome = match command {
        Command::Backup { file } => backup(file, &config.load()?.store, &store, output).await,
        Command::Check => {
            let section = config.load()?.audit;
            let rule = SigningRule { sign_every: section.sign_every, since: None };
            let file = EndFile::new(&section.state_directory, store.node());
            check::run(&config.audit_signature_verifier()?, rule, &file, &store, output).await
        }
        Command::HandOver { from, to } => hand_over::run(&from, &to, &store, output).await,
        Command::Migrate { .. } | Command::Retention { .. } => Ok(Exit::Done),
    };
    store.close().await;
    outcome
}

#[derive(Serialize)]
struct Copied {
    file: PathBuf,
    bytes: u64,
    /// Messages whose bytes do not have their digest, in the store and in the copy.
    altered: u64,
}

fn is_outdated(failure: &Failure) -> bool {
    matches!(failure.error.downcast_ref(), Some(StoreError::Outdated { .. }))
}

/// The copy that an upgrade begins with, when the new version is installed already.
async fn backup_outdated(file: &Path, section: &config::Store, outdated: Failure, output: Output) -> Outcome {
    let url = &section.url;
    if url.is_postgres() {
        return Err(outdated);
    }
    let work = LongWork::default();
    progress::shown(&work, Store::backup_outdated(url, file, section.min_free_percent, &work))
        .await?
        .map_err(failed)?;
    let bytes = std::fs::metadata(file)?.len();
    let copied = Copied { file: file.to_owned(), bytes, altered: 0 };
    output.print(&copied, |copied| {
        let (file, size) = (copied.file.display(), size_text(copied.bytes));
        format!("{file} holds everything, in {size}, with the schema of the earlier version")
    })?;
    Ok(Exit::Done)
}

pub(super) async fn backup(file: PathBuf, section: &config::Store, store: &Store, output: Output) -> Outcome {
    if Call::current().is_some() && !file.is_absolute() {
        return Err(
            anyhow::anyhow!("the platform writes the copy: name the file by its absolute path").into()
        );
    }
    // Before the copy: a process that is killed after the copy could not record it any more.
    store.audit(Event::StoreCopied { actor: operator() }).await.map_err(failed)?;
    let began = store.now();
    let altered = progress::shown(store.work(), store.backup(&file, section.min_free_percent))
        .await?
        .map_err(failed)?;
    // The copy is good even if that cannot be recorded.
    if let Err(error) = store.reach(Milestone::Backup, began, altered.count == 0, None).await {
        output.warn(&format!("the time of the backup could not be recorded: {}", explained(&error)))?;
    }
    let bytes = std::fs::metadata(&file)?.len();
    let copied = Copied { file, bytes, altered: altered.count };
    output.print(&copied, |copied| {
        format!("{} holds everything, in {}", copied.file.display(), size_text(copied.bytes))
    })?;
    let Some(first) = altered.first.first() else { return Ok(Exit::Done) };
    let error = anyhow::anyhow!(
        "the bytes of {} do not have the digest stored with them, in the store and in the copy; the first of them is \
         {first}: run `store check`",
        counted(altered.count, "message")
    );
    Err(Failure::new(Exit::Failed, error))
}
