//! `store`: the store as a whole.

use std::path::PathBuf;

use serde::Serialize;

use super::context::failed;
use super::operator::operator;
use super::{Exit, Failure, Outcome, Output};
use crate::audit::{Event, SignatureVerifier};
use crate::store::{Inspection, Store};
use crate::tls::AuditSignatureVerifier;

/// What to do with the store.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Copies the store into a new file while the platform runs (SQLite)
    Backup {
        /// The file, which must not be there yet; only its owner may read it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Reads the whole store: whether it is damaged, its schema, its audit trail, and how much there is
    Check,
}

/// Does it. The signatures of the audit trail are judged by `judge`.
pub(crate) async fn run(
    command: Command,
    judge: impl FnOnce() -> Result<AuditSignatureVerifier, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    match command {
        Command::Backup { file } => backup(file, store, output).await,
        Command::Check => check(&judge()?, store, output).await,
    }
}

#[derive(Serialize)]
struct Copied {
    file: PathBuf,
    bytes: u64,
}

async fn backup(file: PathBuf, store: &Store, output: Output) -> Outcome {
    // Before the copy: what has left cannot be told afterwards if this process is ended meanwhile.
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

async fn check(judge: &dyn SignatureVerifier, store: &Store, output: Output) -> Outcome {
    let Inspection { damage, schema, messages, rejected, audit_rows, devices } =
        store.inspect().await.map_err(failed)?;
    let reports = store.verify_audit(judge).await.map_err(failed)?;
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
            "ok      schema {}: {} messages ({} of them rejected), {} rows in the audit trail, {} devices",
            self.schema, self.messages, self.rejected, self.audit_rows, self.devices
        ));
        lines.join("\n")
    }
}
