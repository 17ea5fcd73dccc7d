//! `audit`: the audit trail.

mod export;
mod verify;

use clap::builder::PossibleValuesParser;

use super::context::failed;
use super::text::printable;
use super::time::Since;
use super::{Exit, Failure, Outcome, Output};
use crate::audit::{ChainHead, Event};
use crate::model::Clock;
use crate::store::{AuditFilter, Page, Store};
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
        /// Only events since this time (2026-01-31T08:00:00Z) or within this duration (90s, 15m, 2h, 7d)
        #[arg(long, value_name = "T")]
        since: Option<Since>,
        /// Only rows before this sequence number; for the next page, give the last one of the page
        #[arg(long, value_name = "SEQUENCE")]
        before: Option<u64>,
        /// At most N rows
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
    },
    /// Verify that no row was changed, removed, inserted or moved; exit with 1 and name the first broken row
    Verify {
        /// A chain head from the log that the trail must contain; may be given several times
        ///
        /// Without one, a trail looks intact if both its end and the store's record of its end were removed.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<ChainHead>,
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

/// Runs the subcommand. `site` is the name of the organisation in DICOM audit messages; `verifier` loads the
/// certificates with which signatures are verified.
pub(super) async fn run(
    command: Command,
    site: Option<&str>,
    verifier: impl FnOnce() -> Result<AuditSignatureVerifier, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    match command {
        Command::Verify { head } => return verify::run(&verifier()?, &head, store, output).await,
        Command::Export { format, since } => {
            let since = since.map(|since| since.before(Clock::system().now()));
            export::run(format, since, site, store, output).await?;
        }
        Command::List { event, since, before, limit } => {
            let since = since.map(|since| since.before(Clock::system().now()));
            let page = before.map_or(Page::Latest, Page::Before);
            let filter = AuditFilter { event, since, page, limit };
            for row in store.audit_rows(&filter).await.map_err(failed)? {
                output.print(&AuditRowView::from(&row), line)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn line(row: &AuditRowView<'_>) -> String {
    let details = printable(&row.details.to_string());
    format!("{:>8}  {:<30}  {:<21}  {details}", row.sequence, row.at, row.event)
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
        let arguments = ["list", "--event", "platform-stopped", "--since", "2025-06-01T00:00:00Z"];
        let command = parse_command("audit", &arguments).unwrap();
        let no_verifier = || unreachable!("a list verifies nothing");
        assert_eq!(run(command, None, no_verifier, &store, Output::new(true)).await.unwrap(), Exit::Done);

        let filter = AuditFilter { event: None, since: None, page: Page::Latest, limit: 1 };
        let row = &store.audit_rows(&filter).await.unwrap()[0];
        assert_eq!(
            line(&AuditRowView::from(row)),
            r#"       1  2025-06-15T15:06:40Z            platform-stopped       {"reason":"requested"}"#
        );
    }

    #[test]
    fn an_unknown_event_is_wrong_usage() {
        assert!(parse_command::<Command>("audit", &["list", "--event", "party"]).is_err());
    }
}
