//! `store`: the store as a whole.

mod migrate;
mod retention;

use std::path::PathBuf;

use serde::Serialize;

use super::config_file::ConfigFile;
use super::context::failed;
use super::operator::operator;
use super::text::counted;
use super::{Exit, Outcome, Output};
use crate::audit::{Event, SignatureVerifier, SigningRule};
use crate::model::Clock;
use crate::store::{Inspection, Store};
use migrate::Owner;

/// What to do with the store.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Copy the store into a new file while the platform runs (SQLite)
    Backup {
        /// The new file; it must not exist yet, and only its owner may read it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Read the whole store: damage, schema, audit trail, and how many rows there are
    Check,
    /// Create the store, or bring its schema up to date; stop the platform first
    Migrate {
        /// Say what would be done, how long it takes and how much space it needs, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        owner: Owner,
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
    let store = config.open_store(clock).await?;
    let outcome = match command {
        Command::Backup { file } => backup(file, &store, output).await,
        Command::Check => {
            let rule = SigningRule { sign_every: config.load()?.audit.sign_every, since: None };
            check(&config.audit_signature_verifier()?, rule, &store, output).await
        }
        Command::Migrate { .. } | Command::Retention { .. } => Ok(Exit::Done),
    };
    store.close().await;
    outcome
}

#[derive(Serialize)]
struct Copied {
    file: PathBuf,
    bytes: u64,
}

async fn backup(file: PathBuf, store: &Store, output: Output) -> Outcome {
    // Before the copy: a process that is killed after the copy could not record it any more.
    store.audit(Event::StoreCopied { actor: operator() }).await.map_err(failed)?;
    store.backup(&file).await.map_err(failed)?;
    let bytes = std::fs::metadata(&file)?.len();
    output.print(&Copied { file, bytes }, |copied| {
        format!("{} holds everything, in {} bytes", copied.file.display(), copied.bytes)
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    whole: bool,
    /// What the database says is damaged.
    damage: Vec<String>,
    /// Where the audit trail is broken.
    broken: Vec<String>,
    schema: u64,
    messages: u64,
    rejected: u64,
    audit_rows: u64,
    devices: u64,
    #[serde(skip)]
    not_asked: bool,
}

async fn check(
    verifier: &dyn SignatureVerifier,
    rule: SigningRule,
    store: &Store,
    output: Output,
) -> Outcome {
    let Inspection { damage, schema, messages, rejected, audit_rows, devices } =
        store.inspect().await.map_err(failed)?;
    let reports = store.verify_audit_with(verifier, Some(rule)).await.map_err(failed)?;
    let broken: Vec<_> =
        reports.iter().filter_map(|report| report.verdict.as_ref().err()).map(ToString::to_string).collect();
    let not_asked = damage.is_none();
    let damage = damage.unwrap_or_default();
    let whole = damage.is_empty() && broken.is_empty();
    let checked =
        Checked { whole, damage, broken, schema, messages, rejected, audit_rows, devices, not_asked };
    output.print(&checked, Checked::lines)?;
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

impl Checked {
    fn lines(&self) -> String {
        let mut lines = Vec::new();
        match (self.not_asked, self.damage.as_slice()) {
            (true, _) => lines.push("-       database: ask the server (pg_amcheck)".to_owned()),
            (false, []) => lines.push("ok      database: nothing is damaged".to_owned()),
            (false, damage) => lines.extend(damage.iter().map(|line| format!("damaged database: {line}"))),
        }
        match self.broken.as_slice() {
            [] => lines.push("ok      audit trail: as it was written".to_owned()),
            broken => lines.extend(broken.iter().map(|line| format!("broken  audit trail: {line}"))),
        }
        lines.push(format!(
            "ok      schema {}: {} ({} rejected), {} in the audit trail, {}",
            self.schema,
            counted(self.messages, "message"),
            self.rejected,
            counted(self.audit_rows, "row"),
            counted(self.devices, "device")
        ));
        lines.join("\n")
    }
}
