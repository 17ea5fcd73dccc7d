//! `message`: messages that the platform received.

mod evaluate;
mod export;
mod find;
mod reconsider;
mod show;
mod text;

use clap::builder::PossibleValuesParser;
use jiff::Timestamp;

use super::content::Content;
use super::context::failed;
use super::device::name_in_store;
use super::time::Since;
use super::{Exit, Failure, Outcome, Output};
use crate::config::Config;
use crate::model::{Clock, DeviceId, MessageId, Right};
use crate::pcd::DeviceIdentity;
use crate::store::{ForwardFilter, MessageFilter, SearchEnd, Store};
use crate::view::MessageView;

/// Subcommands of `message`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List received messages, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// Only messages that name this device: an EUI-64 or another identifier, with ^ and its type if
        /// needed
        #[arg(long, value_name = "ID", value_parser = parse_identity)]
        identity: Option<DeviceIdentity>,
        #[command(flatten)]
        content: find::Content,
        /// Only messages older than this one; for the next page, give the last id of the page
        #[arg(long, value_name = "MESSAGE")]
        before: Option<MessageId>,
        /// At most N messages
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
        /// Read every message where no index fits the search: seconds among millions of messages
        #[arg(long)]
        scan: bool,
    },
    /// Show what is known about one message; its content only with --raw or --tree
    Show {
        /// The id that `message list` shows
        id: MessageId,
        #[command(flatten)]
        content: Content,
    },
    /// Say what would be answered to a message, and why, by the present configuration and directory
    ///
    /// Nothing is stored, sent or recorded. Exits with 0 when every message in the file would be accepted,
    /// and with 1 when one would be rejected.
    ///
    /// Example: pcd-platform message judge alarm.hl7 --device GW-1
    #[command(name = "judge")]
    Evaluate(evaluate::Arguments),
    /// Accept messages that were rejected, once the cause is fixed: by the present configuration and
    /// directory
    ///
    /// Shows what it would do; --apply does it. An accepted message is stored beside the rejected one, with
    /// the time at which that was received, the time of this command and your name. Nothing is sent: the
    /// device is not acknowledged again. If it sends the same message once more, that is a resend. Messages
    /// that are accepted already are skipped. Exits with 1 when one of them stays rejected.
    ///
    /// Example: pcd-platform message reconsider --device GW-1 --reason identity-mismatch --since 7d
    Reconsider(reconsider::Arguments),
    /// Export messages with their bytes and acknowledgements (base64), one JSON object per line, newest first
    ///
    /// Example: pcd-platform message export --device 00A037EB2175780F --since 7d > messages.jsonl
    Export {
        #[command(flatten)]
        filter: Filter,
        /// At most N messages; all of them if absent
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
}

/// Which messages.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only messages from the device whose certificate has this Common Name
    #[arg(long, value_name = "CN")]
    device: Option<DeviceId>,
    /// Only this transaction (PCD-01) or message type as in MSH-9 (ORU^R01^ORU_R01)
    #[arg(long = "type", value_name = "T")]
    kind: Option<String>,
    /// Only messages received since this time (2026-01-31T08:00:00Z) or within this duration (90s, 15m, 2h,
    /// 7d)
    #[arg(long, value_name = "T")]
    since: Option<Since>,
    /// Only rejected messages
    #[arg(long)]
    rejected: bool,
    /// Only messages that were rejected for this reason: identity-mismatch
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Only messages with this control id (MSH-10); found by an index with --rejected or --reason
    #[arg(long, value_name = "ID")]
    control_id: Option<String>,
    /// Only messages with this warning: not-clinical
    #[arg(long, value_name = "CODE")]
    warning: Option<String>,
    /// In a gateway: only messages that wait for its platform (waiting), that the platform has refused or
    /// that were given up (refused), or the same within 24 hours (refused-24h)
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(ForwardFilter::NAMES))]
    forward: Option<String>,
}

impl Filter {
    async fn into_store_filter(
        self,
        now: Timestamp,
        limit: u32,
        store: &Store,
    ) -> Result<MessageFilter, Failure> {
        let Self { device, kind, since, rejected, reason, control_id, warning, forward } = self;
        let device = name_in_store(store, device).await?;
        let since = since.map(|since| since.before(now));
        let forward = forward.and_then(|name| ForwardFilter::parse(&name, now));
        Ok(MessageFilter {
            device,
            kind,
            since,
            rejected,
            reason,
            control_id,
            warning,
            forward,
            limit,
            ..MessageFilter::default()
        })
    }
}

/// Runs the subcommand.
pub(super) async fn run(
    command: Command,
    config: impl FnOnce() -> Result<Config, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    match command {
        Command::List { filter, identity, content, before, limit, scan } => {
            let filter = filter.into_store_filter(Clock::system().now(), limit, store).await?;
            let filter = MessageFilter { identity, before, ..filter };
            if content.is_given() {
                return find::run(content, filter, store, output).await;
            }
            let (messages, end) = if scan {
                (store.messages(&filter).await.map_err(failed)?, None)
            } else {
                store.search_messages(&filter).await.map_err(failed)?
            };
            output.header(&text::header(), messages.len())?;
            for message in messages {
                output.print(&MessageView::from(&message), |message| text::line(message, output))?;
            }
            if let Some(SearchEnd { missing_index, floor }) = end {
                return Err(Failure::new(Exit::Failed, SearchStopped { missing_index, floor }));
            }
        }
        Command::Evaluate(arguments) => return evaluate::run(arguments, config()?, store, output).await,
        Command::Reconsider(arguments) => {
            return Box::pin(reconsider::run(arguments, config()?, store, output)).await;
        }
        Command::Show { id, content } => {
            show::run(id, content, config()?.messages.zone.time_zone(), store, output).await?
        }
        Command::Export { filter, limit } => {
            let filter = filter.into_store_filter(Clock::system().now(), 0, store).await?;
            export::run(filter, limit, config()?.messages.zone.time_zone(), store, output).await?;
        }
    }
    Ok(Exit::Done)
}

impl Command {
    /// The right that a person needs so that the running platform executes it; `None` when it never does.
    pub(super) fn right(&self) -> Option<Right> {
        match self {
            Self::List { content, .. } if content.is_given() => Some(Right::Content),
            Self::List { .. } => Some(Right::See),
            Self::Show { content, .. } => Some(content.right()),
            Self::Reconsider(_) => Some(Right::Operate),
            Self::Evaluate(_) | Self::Export { .. } => None,
        }
    }
}

/// The page is not full, and older messages were not read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the search stopped at message {floor}, because the store has no index on {missing_index}: bound it with --since, go on \
     with --before {floor}, or read every message with --scan"
)]
struct SearchStopped {
    missing_index: &'static str,
    floor: MessageId,
}

fn parse_identity(text: &str) -> Result<DeviceIdentity, &'static str> {
    DeviceIdentity::parse(text).ok_or("an identity has at least one character")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::parse_command;
    use crate::store::fixtures::TestStore;

    fn config() -> Config {
        let text = "[tls]\nclient-trust-anchors = [\"r\"]\necc = { chain = \"c\", key = \"k\" }\n";
        Config::parse(text, std::path::Path::new("platform.toml"), &crate::config::Overrides::default())
            .unwrap()
    }

    async fn message(store: &Store, line: &[&str]) -> Outcome {
        Box::pin(run(parse_command("message", line)?, || Ok(config()), store, Output::new(true))).await
    }

    #[tokio::test]
    async fn messages_are_listed_and_shown() {
        let place = TestStore::new();
        let store = place.open().await;
        let record = place.record("1", b"MSH|");
        store.record(record.clone()).await.unwrap();
        let filters =
            ["list", "--device", "PUMP-1", "--type", "PCD-01", "--since", "2h", "--rejected", "--limit", "5"];
        assert_eq!(message(&store, &["list"]).await.unwrap(), Exit::Done);
        assert_eq!(message(&store, &filters).await.unwrap(), Exit::Done);
        let id = record.id.to_string();
        let page = ["list", "--identity", "00-a0-37-eb-21-75-78-0f", "--before", &id];
        assert_eq!(message(&store, &page).await.unwrap(), Exit::Done);
        assert!(parse_command::<Command>("message", &["list", "--identity", " "]).is_err());
        assert_eq!(message(&store, &["show", &record.id.to_string()]).await.unwrap(), Exit::Done);
    }

    #[tokio::test]
    async fn an_unreadable_message_has_no_tree_and_the_error_names_raw() {
        let place = TestStore::new();
        let store = place.open().await;
        let record = place.rejected("1", b"no message SECRET");
        store.record(record.clone()).await.unwrap();
        let failure = message(&store, &["show", &record.id.to_string(), "--tree"]).await.unwrap_err();
        let text = failure.error.to_string();
        assert!(text.contains("does not begin with an MSH") && text.contains("--raw"), "{text}");
        assert!(!text.contains("SECRET"));
        assert!(parse_command::<Command>("message", &["show", &record.id.to_string(), "--phi"]).is_err());
    }

    #[tokio::test]
    async fn an_unknown_id_fails_and_is_named() {
        let place = TestStore::new();
        let store = place.open().await;
        let id = place.record("1", b"").id.to_string();
        let failure = message(&store, &["show", &id]).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.error.to_string(), format!("no message has the id {id}"));
        assert!(parse_command::<Command>("message", &["show", "no-id"]).is_err());
        assert!(parse_command::<Command>("message", &["list", "--since", "yesterday"]).is_err());
    }
}
