//! `audit`: the audit trail.

use clap::builder::PossibleValuesParser;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::context::{Since, failed, printable};
use super::operator::operator;
use super::{Exit, Failure, Outcome, Output};
use crate::audit::{ChainHead, ChainVerdict, Event, ExportFormat, SignatureVerifier};
use crate::model::{Clock, explained};
use crate::store::{AuditFilter, AuditRow, ChainReport, HeadReport, Page, Store};
use crate::tls::AuditSignatureVerifier;

/// What to show of the audit trail.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists what happened, the newest first
    List {
        /// Only this event
        #[arg(long, value_name = "E", value_parser = PossibleValuesParser::new(Event::NAMES))]
        event: Option<String>,
        /// Only what happened since then: 2026-01-31T08:00:00Z, or how long ago: 90s, 15m, 2h, 7d
        #[arg(long, value_name = "T")]
        since: Option<Since>,
        /// Only rows before this sequence number: the last one of the page before
        #[arg(long, value_name = "SEQUENCE")]
        before: Option<u64>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
    },
    /// Verifies that nobody has changed, removed, inserted or moved a row; exits with 1 and names the first if somebody has
    Verify {
        /// A place that was signed, as the log said it then: the trail has to hold it. Without one, a trail whose end
        /// was cut off together with what the store knows of it looks whole; may be given several times
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<ChainHead>,
    },
    /// Prints every row, the oldest first
    Export {
        /// The format
        #[arg(long, value_enum, default_value_t = Format::Jsonl, value_name = "F")]
        format: Format,
        /// Only what happened since then: 2026-01-31T08:00:00Z, or how long ago: 90s, 15m, 2h, 7d
        #[arg(long, value_name = "T")]
        since: Option<Since>,
    },
}

/// A form of the exported trail.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line, with its hash
    Jsonl,
    /// One audit message of DICOM PS3.15 A.5 (XML) per line, of the events that IHE ATNA names
    Atna,
}

/// Shows it. `site` is what the organisation is called in audit messages. Where signatures are to be judged, `judge` says whose they may be.
pub(crate) async fn run(
    command: Command,
    site: Option<&str>,
    judge: impl FnOnce() -> Result<AuditSignatureVerifier, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    match command {
        Command::Verify { head } => return verify(&judge()?, &head, store, output).await,
        Command::Export { format, since } => {
            let since = since.map(|since| since.seen_from(Clock::system().now()));
            export(format, since, site, store, output).await?;
        }
        Command::List { event, since, before, limit } => {
            let since = since.map(|since| since.seen_from(Clock::system().now()));
            let page = before.map_or(Page::Latest, Page::Before);
            let filter = AuditFilter { event, since, page, limit };
            for row in store.audit_rows(&filter).await.map_err(failed)? {
                output.print(&View::of(&row)?, View::line)?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn verify(
    judge: &dyn SignatureVerifier,
    heads: &[ChainHead],
    store: &Store,
    output: Output,
) -> Outcome {
    let reports = store.verify_audit(judge).await.map_err(failed)?;
    for report in &reports {
        output.print(&Verified::of(report), Verified::line)?;
    }
    let mut intact = reports.iter().all(|report| report.verdict.is_ok());
    let mut missing_heads = Vec::new();
    for head in heads {
        let report = store.look_up_head(head, judge).await.map_err(failed)?;
        let missing = report == HeadReport::Missing;
        let head = Head::of(head, &report);
        output.print(&head, Head::line)?;
        if missing {
            intact = false;
            missing_heads.push(head.head);
        }
    }
    let chains = reports.iter().map(verdict).collect();
    // What was found counts even if it cannot be written down: a trail that was tampered with may take no row.
    let verified = Event::AuditVerified { chains, missing_heads, actor: operator() };
    if let Err(error) = store.audit(verified).await {
        output.warn(&format!("that the trail was verified is not written down: {}", explained(&error)))?;
    }
    Ok(if intact { Exit::Done } else { Exit::Failed })
}

fn verdict(report: &ChainReport) -> ChainVerdict {
    ChainVerdict {
        node: report.node.clone(),
        rows: report.verdict.as_ref().ok().map(|intact| intact.end.number),
        broken_row: report.verdict.as_ref().err().map(|broken| broken.number),
    }
}

async fn export(
    format: Format,
    since: Option<Timestamp>,
    site: Option<&str>,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    // Before the first line: what has left cannot be told afterwards if this process is ended meanwhile.
    let told = match format {
        Format::Jsonl => ExportFormat::Jsonl,
        Format::Atna => ExportFormat::Atna,
    };
    let exported = Event::AuditExported { format: told, since, actor: operator() };
    store.audit(exported).await.map_err(failed)?;
    let mut last = 0;
    loop {
        let filter = AuditFilter { event: None, since, page: Page::After(last), limit: EXPORT_PAGE };
        let rows = store.audit_rows(&filter).await.map_err(failed)?;
        for row in &rows {
            match format {
                Format::Jsonl => output.line(&serde_json::to_string(&View::of(row)?)?)?,
                Format::Atna => {
                    if let Some(message) = row.told().message(site) {
                        output.line(&message.xml)?;
                    }
                }
            }
        }
        match rows.last() {
            Some(row) => last = row.sequence,
            None => return Ok(()),
        }
    }
}

/// Rows that are read at once.
const EXPORT_PAGE: u32 = 1000;

/// What is said of a place that was noted elsewhere.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    head: String,
    held: bool,
    /// Whose rows were removed because of their age, up to which, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned_at: Option<String>,
}

impl Head {
    fn of(head: &ChainHead, report: &HeadReport) -> Self {
        let held = *report == HeadReport::Held;
        let unknown = Self { head: head.to_string(), held, node: None, pruned_rows: None, pruned_at: None };
        match report {
            HeadReport::Held | HeadReport::Missing => unknown,
            HeadReport::Pruned { node, up_to, at } => Self {
                node: Some(node.to_string()),
                pruned_rows: Some(*up_to),
                pruned_at: Some(at.to_string()),
                ..unknown
            },
        }
    }

    fn line(&self) -> String {
        let head = &self.head;
        match (&self.node, self.pruned_rows, &self.pruned_at) {
            (Some(node), Some(rows), Some(at)) => {
                format!("pruned  {head} was removed because of its age: {node} up to row {rows}, at {at}")
            }
            _ if self.held => format!("ok      {head} is in the trail"),
            _ => {
                format!("broken  {head} is not in the trail: the end was cut off, or another one was written")
            }
        }
    }
}

/// What is said of the chain of one node.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Verified<'a> {
    node: &'a str,
    intact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_row: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_at: Option<String>,
}

impl<'a> Verified<'a> {
    fn of(report: &'a ChainReport) -> Self {
        let node = report.node.as_str();
        let (intact, broken) = (report.verdict.as_ref().ok(), report.verdict.as_ref().err());
        let signature = intact.and_then(|intact| intact.signature);
        Self {
            node,
            intact: intact.is_some(),
            broken_row: broken.map(|broken| broken.number),
            fault: broken.map(|broken| broken.fault.to_string()),
            rows: intact.map(|intact| intact.end.number),
            hash: intact.map(|intact| intact.end.hash.to_string()),
            signed_rows: signature.map(|signature| signature.number),
            signed_at: signature.map(|signature| signature.at.to_string()),
        }
    }

    fn line(&self) -> String {
        let Self { node, rows, hash, .. } = self;
        if let (Some(row), Some(fault)) = (self.broken_row, &self.fault) {
            return format!("broken  {node}: row {row} {fault}");
        }
        let signed = match (self.signed_rows, &self.signed_at) {
            (Some(rows), Some(at)) => format!("the platform's key vouched for {rows} of them at {at}"),
            _ => "no signature vouches for them".to_owned(),
        };
        let (rows, hash) = (rows.unwrap_or_default(), hash.as_deref().unwrap_or_default());
        format!(
            "ok      {node}: {rows} rows are as they were written; {signed}; the last has the hash {hash}"
        )
    }
}

#[derive(Serialize)]
struct View<'a> {
    sequence: u64,
    node: &'a str,
    number: u64,
    at: String,
    event: &'a str,
    details: Value,
    hash: String,
}

impl<'a> View<'a> {
    fn of(row: &'a AuditRow) -> serde_json::Result<Self> {
        let details = serde_json::from_str(&row.details)?;
        Ok(Self {
            sequence: row.sequence,
            node: row.node.as_str(),
            number: row.number,
            at: row.at.to_string(),
            event: &row.event,
            details,
            hash: row.hash.to_string(),
        })
    }

    fn line(&self) -> String {
        let details = printable(&self.details.to_string());
        format!("{:>8}  {:<30}  {:<21}  {details}", self.sequence, self.at, self.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::StopReason;
    use crate::cli::fixtures::parse_command;
    use crate::store::fixtures::TestStore;

    #[tokio::test]
    async fn the_trail_is_listed() {
        let place = TestStore::new();
        let store = place.open().await;
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
        let line = ["list", "--event", "platform-stopped", "--since", "2025-06-01T00:00:00Z"];
        let command = parse_command("audit", &line).unwrap();
        let no_judge = || unreachable!("nothing is judged by a list");
        assert_eq!(run(command, None, no_judge, &store, Output::new(true)).await.unwrap(), Exit::Done);

        let trail = AuditFilter { event: None, since: None, page: Page::Latest, limit: 1 };
        let row = &store.audit_rows(&trail).await.unwrap()[0];
        let view = View::of(row).unwrap();
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            format!(
                r#"{{"sequence":1,"node":"{}","number":1,"at":"2025-06-15T15:06:40Z","event":"platform-stopped","details":{{"reason":"requested"}},"hash":"{}"}}"#,
                row.node, row.hash
            )
        );
        assert_eq!(
            view.line(),
            r#"       1  2025-06-15T15:06:40Z            platform-stopped       {"reason":"requested"}"#
        );
    }

    #[test]
    fn an_event_that_does_not_exist_is_wrong_usage() {
        assert!(parse_command::<Command>("audit", &["list", "--event", "party"]).is_err());
    }
}
