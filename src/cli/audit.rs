//! `audit`: the audit trail.

use clap::builder::PossibleValuesParser;
use serde::Serialize;
use serde_json::Value;

use super::store::{Since, failed, printable};
use super::{Exit, Outcome, Output};
use crate::audit::Event;
use crate::model::Clock;
use crate::store::{AuditFilter, AuditRow, Page, Store};

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
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
    },
}

/// Shows it.
pub(crate) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    match command {
        Command::List { event, since, limit } => {
            let since = since.map(|since| since.seen_from(Clock::system().now()));
            let filter = AuditFilter { event, since, page: Page::Latest, limit };
            for row in store.audit_rows(&filter).await.map_err(failed)? {
                output.print(&View::of(&row)?, View::line)?;
            }
        }
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct View<'a> {
    sequence: u64,
    at: String,
    event: &'a str,
    details: Value,
}

impl<'a> View<'a> {
    fn of(row: &'a AuditRow) -> serde_json::Result<Self> {
        let details = serde_json::from_str(&row.details)?;
        Ok(Self { sequence: row.sequence, at: row.at.to_string(), event: &row.event, details })
    }

    fn line(&self) -> String {
        let details = printable(&self.details.to_string());
        format!("{:>8}  {:<30}  {:<21}  {details}", self.sequence, self.at, self.event)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::audit::StopReason;
    use crate::store::fixtures::Place;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[tokio::test]
    async fn the_trail_is_listed() {
        let place = Place::new();
        let store = place.open().await;
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
        let line = ["audit", "list", "--event", "platform-stopped", "--since", "2025-06-01T00:00:00Z"];
        let line = Line::try_parse_from(line).unwrap();
        assert_eq!(run(line.command, &store, Output::new(true)).await.unwrap(), Exit::Done);

        let trail = AuditFilter { event: None, since: None, page: Page::Latest, limit: 1 };
        let row = &store.audit_rows(&trail).await.unwrap()[0];
        let view = View::of(row).unwrap();
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"sequence":1,"at":"2025-06-15T15:06:40Z","event":"platform-stopped","details":{"reason":"requested"}}"#
        );
        assert_eq!(
            view.line(),
            r#"       1  2025-06-15T15:06:40Z            platform-stopped       {"reason":"requested"}"#
        );
    }

    #[test]
    fn an_event_that_does_not_exist_is_wrong_usage() {
        assert!(Line::try_parse_from(["audit", "list", "--event", "party"]).is_err());
    }
}
