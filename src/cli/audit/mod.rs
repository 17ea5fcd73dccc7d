//! `audit`: the audit trail.

mod accept_end;
mod accept_fault;
mod distorted;
mod export;
pub(super) mod verify;

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use jiff::SignedDuration;
use serde_json::Value;

use super::context::failed;
use super::device::name_in_store;
use super::text::printable;
use super::time::{Since, parse_duration};
use super::{Failure, Outcome, Output};
use crate::audit::{ChainHead, Event, Signer, SigningRule};
use crate::config::Audit;
use crate::model::{Clock, DeviceId, NodeName};
use crate::store::{AuditFilter, EndFile, Page, Store};
use crate::tls::AuditSignatureVerifier;
use crate::view::AuditRowView;

/// Subcommands of `audit`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List {
        /// Only this event
        #[arg(long, value_name = "E", value_parser = PossibleValuesParser::new(Event::NAMES))]
        event: Option<String>,
        /// Only events about this device, without those of single messages
        #[arg(long, value_name = "CN")]
        device: Option<DeviceId>,
        /// Only events since this time (2026-01-31T08:00:00Z) or within this duration (90s, 15m, 2h, 7d)
        #[arg(long, value_name = "T")]
        since: Option<Since>,
        /// Only rows before this sequence number; for the next page, give the last one of the page
        #[arg(long, value_name = "SEQUENCE")]
        before: Option<u64>,
        /// At most N rows
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
        /// Show long values whole, such as the certificate of a signature; JSON always has them
        #[arg(long)]
        full: bool,
    },
    /// Verify that no row was changed, removed, inserted or moved; exit with 1 and name the first broken row
    Verify {
        /// A chain head from the log that the trail must contain; may be given several times
        ///
        /// Without one, a trail looks intact if both its end and the store's record of its end were removed.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<ChainHead>,
        /// How often the platform has signed; the default is audit.sign-every of the configuration
        #[arg(long, value_name = "D", value_parser = parse_duration)]
        sign_every: Option<SignedDuration>,
        /// Demand signatures of rows since this time (2026-01-31T08:00:00Z), or within this duration (7d)
        #[arg(long, value_name = "T")]
        signed_since: Option<Since>,
    },
    /// Accept the end of this node's chain in the store, after rows were lost or a backup was restored
    ///
    /// Run it as the user of the platform. The platform then writes and signs again. Nothing happens when the
    /// store contains what the node remembers.
    ///
    /// With `--node` it shows the faults that `audit verify` names in the chain of that node, and with
    /// `--despite-faults` accepts them, signed with the platform's key.
    AcceptEnd {
        /// Accept the faults of this node's chain instead
        #[arg(long, value_name = "NODE", conflicts_with = "other_store")]
        node: Option<NodeName>,
        /// Also accept a chain that `audit verify` reports as broken
        #[arg(long)]
        despite_faults: bool,
        /// Also accept a store that this node has not written: another one, or a new one
        #[arg(long)]
        other_store: bool,
    },
    /// Export all rows, oldest first
    ///
    /// Example: pcd-platform audit export --since 7d > audit.jsonl
    Export {
        /// The format of a line
        #[arg(long, value_enum, default_value_t = export::Format::Jsonl, value_name = "F")]
        format: export::Format,
        /// Only events since this time (2026-01-31T08:00:00Z) or within this duration (90s, 15m, 2h, 7d)
        #[arg(long, value_name = "T")]
        since: Option<Since>,
    },
}

impl Command {
    /// Whether it writes to a chain that lacks what the node remembers.
    pub(super) const fn accepts_end(&self) -> bool {
        matches!(self, Self::AcceptEnd { node: None, .. })
    }
}

/// Runs the subcommand. `verifier` loads the certificates with which signatures are verified, `signer` the
/// platform's key.
pub(super) async fn run(
    command: Command,
    config: &Audit,
    verifier: impl FnOnce() -> Result<AuditSignatureVerifier, Failure>,
    signer: impl FnOnce() -> Result<Box<dyn Signer>, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    let file = EndFile::new(&config.state_directory, store.node());
    match command {
        Command::Verify { head, sign_every, signed_since } => {
            let since = signed_since.map(|since| since.before(Clock::system().now()));
            let sign_every = sign_every.and_then(|time| Duration::try_from(time).ok());
            let rule = SigningRule { sign_every: sign_every.unwrap_or(config.sign_every), since };
            let demands = verify::Demands { heads: &head, rule, file: &file };
            verify::run(&verifier()?, &demands, store, output).await
        }
        Command::AcceptEnd { node: Some(node), despite_faults, .. } => {
            let rule = SigningRule { sign_every: config.sign_every, since: None };
            let decision = (node, despite_faults);
            accept_fault::run(&verifier()?, rule, signer, decision, store, output).await
        }
        Command::AcceptEnd { node: None, despite_faults, other_store } => {
            let rule = SigningRule { sign_every: config.sign_every, since: None };
            let consent = accept_end::Consent { despite_faults, other_store };
            accept_end::run(&verifier()?, rule, consent, &file, store, output).await
        }
        Command::Export { format, since } => {
            let since = since.map(|since| since.before(Clock::system().now()));
            let site = config.repository.as_ref().and_then(|repository| repository.site.as_deref());
            export::run(format, since, site, store, output).await
        }
        Command::List { event, device, since, before, limit, full } => {
            let since = since.map(|since| since.before(Clock::system().now()));
            let page = before.map_or(Page::Latest, Page::Before);
            let device = name_in_store(store, device).await?;
            let is_message = event.as_deref().is_some_and(|event| MESSAGE_EVENTS.contains(&event));
            if device.is_some() && is_message {
                let hint = "`message list --device` lists the messages of a device";
                return Err(Failure::new(super::Exit::Usage, anyhow::anyhow!(hint)));
            }
            let filter = AuditFilter { event, device, since, page, limit };
            let rows = store.audit_rows(&filter).await.map_err(failed)?;
            let header = format!("{:>8}  {:<33}  {:<21}  DETAILS", "SEQUENCE", "TIME", "EVENT");
            output.header(&header, rows.len())?;
            for row in &rows {
                output.print(&AuditRowView::from(row), |row| line(row, full, output))?;
            }
            distorted::warn_of_distorted(&rows, output)
        }
    }
}

/// Events of single messages.
const MESSAGE_EVENTS: [&str; 2] = ["message-accepted", "message-rejected"];

fn line(row: &AuditRowView<'_>, full: bool, output: Output) -> String {
    let mut details = row.details.clone();
    if !full {
        cut_long(&mut details);
    }
    let details = printable(&details.to_string());
    format!("{:>8}  {:<33}  {:<21}  {details}", row.sequence, output.time(&row.at), row.event)
}

/// Cuts texts that no person reads on a terminal, and says how long they are.
fn cut_long(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().count() > MAX_SHOWN => {
            let begin: String = text.chars().take(SHOWN).collect();
            *text = format!("{begin}… ({} characters, --full)", text.chars().count());
        }
        Value::Array(all) => all.iter_mut().for_each(cut_long),
        Value::Object(fields) => fields.values_mut().for_each(cut_long),
        _ => {}
    }
}

/// Characters of a value that are shown whole: fingerprints, names of devices and reasons are shorter.
const MAX_SHOWN: usize = 300;
/// Characters of a longer one.
const SHOWN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::StopReason;
    use crate::cli::Exit;
    use crate::cli::fixtures::parse_command;
    use crate::store::fixtures::TestStore;

    #[tokio::test]
    async fn the_trail_is_listed() {
        let place = TestStore::new();
        let store = place.open().await;
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
        let arguments = ["list", "--event", "platform-stopped", "--since", "2025-06-01T00:00:00Z"];
        let command = parse_command("audit", &arguments).unwrap();
        let no_verifier = || unreachable!("a list verifies nothing");
        let no_signer = || unreachable!("it signs nothing");
        assert_eq!(
            run(command, &Audit::default(), no_verifier, no_signer, &store, Output::new(true)).await.unwrap(),
            Exit::Done
        );

        let filter = AuditFilter { event: None, device: None, since: None, page: Page::Latest, limit: 1 };
        let row = &store.audit_rows(&filter).await.unwrap()[0];
        assert_eq!(
            line(&AuditRowView::from(row), false, Output::new(false).with_utc(true)),
            r#"       1  2025-06-15 15:06:40 +00:00         platform-stopped       {"reason":"requested"}"#
        );
    }

    #[test]
    fn long_values_are_cut_and_short_ones_are_whole() {
        let mut details =
            serde_json::json!({"signature": {"certificate": "ab".repeat(400)}, "sha256": "c".repeat(64)});
        cut_long(&mut details);
        let shown = details["signature"]["certificate"].as_str().unwrap();
        assert!(shown.len() < 80 && shown.contains("800 characters, --full"), "{shown}");
        assert_eq!(details["sha256"].as_str().map(str::len), Some(64));
    }

    #[test]
    fn an_unknown_event_is_wrong_usage() {
        assert!(parse_command::<Command>("audit", &["list", "--event", "party"]).is_err());
    }
}
