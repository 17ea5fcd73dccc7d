//! `message`: what was received, and what is for devices.

mod alert;
mod export;
mod outbox;
mod send;
mod show;
mod tree;
mod value;

use jiff::Timestamp;
use serde::Serialize;

use super::context::{Since, failed, paragraph, printable};
use super::{Exit, Outcome, Output};
use crate::audit::ViewedAs;
use crate::model::{Clock, DeviceId, MessageId};
use crate::pcd::DeviceIdentity;
use crate::store::{MessageFilter, MessageSummary, Store, StoredMessage};
use alert::ReportedAlert;

/// What to show of the messages.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists messages, the newest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// Only what names this device: an EUI-64, or an identifier, with ^ and its type if it matters
        #[arg(long, value_name = "ID", value_parser = identity)]
        identity: Option<DeviceIdentity>,
        /// Only what came before this message: the last one of the page before
        #[arg(long, value_name = "MESSAGE")]
        before: Option<MessageId>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
    },
    /// Writes messages with their bytes and answers (base64), one JSON object per line, the newest first
    Export {
        #[command(flatten)]
        filter: Filter,
        /// Those for devices instead, waiting ones too
        #[arg(long, conflicts_with_all = ["kind", "since", "rejected"])]
        outbox: bool,
        /// At most so many; all of them without
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Queues a message for a device and waits for its acknowledgement
    Send(send::Arguments),
    /// Lists messages for devices, the newest first
    Outbox(outbox::Arguments),
    /// Takes a message for a device back, unless it is being sent or the device has taken it
    Withdraw {
        /// The id that `message send` and `message outbox` show
        id: MessageId,
    },
    /// Shows what is known of one message, without its content
    Show {
        /// The id that `message list` and `message outbox` show
        id: MessageId,
        /// Writes the message itself instead, byte for byte as it came
        #[arg(long)]
        raw: bool,
        /// Shows what the message says instead: the device tree with its values, the facets of an alert
        #[arg(long, conflicts_with = "raw")]
        tree: bool,
        /// With --tree: the patient as well
        #[arg(long, requires = "tree")]
        phi: bool,
    },
}

/// Which messages.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Only what came by the certificate with this Common Name
    #[arg(long, value_name = "CN")]
    device: Option<DeviceId>,
    /// Only this transaction (PCD-01) or message type as in MSH-9 (ORU^R01^ORU_R01)
    #[arg(long = "type", value_name = "T")]
    kind: Option<String>,
    /// Only what came since then: 2026-01-31T08:00:00Z, or how long ago: 90s, 15m, 2h, 7d
    #[arg(long, value_name = "T")]
    since: Option<Since>,
    /// Only what was rejected
    #[arg(long)]
    rejected: bool,
}

fn identity(text: &str) -> Result<DeviceIdentity, &'static str> {
    DeviceIdentity::written(text).ok_or("an identity has at least one character")
}

impl Filter {
    fn seen_from(self, now: Timestamp, limit: u32) -> MessageFilter {
        let Self { device, kind, since, rejected } = self;
        let since = since.map(|since| since.seen_from(now));
        MessageFilter { device, kind, since, rejected, limit, ..MessageFilter::default() }
    }
}

/// Shows it.
pub(crate) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    match command {
        Command::List { filter, identity, before, limit } => {
            let filter = filter.seen_from(Clock::system().now(), limit);
            let filter = MessageFilter { identity, before, ..filter };
            for message in store.messages(&filter).await.map_err(failed)? {
                output.print(&Summary::of(&message), Summary::line)?;
            }
        }
        Command::Export { filter, outbox: true, limit } => {
            export::outbox(filter.device, limit, store, output).await?;
        }
        Command::Export { filter, outbox: false, limit } => {
            let filter = filter.seen_from(Clock::system().now(), 0);
            export::received(filter, limit, store, output).await?;
        }
        Command::Send(arguments) => return send::run(arguments, store, output).await,
        Command::Outbox(arguments) => outbox::list(arguments, store, output).await?,
        Command::Withdraw { id } => outbox::withdraw(id, store, output).await?,
        Command::Show { id, raw, tree, phi } => {
            let content = match (raw, tree, phi) {
                (true, _, _) => Some(ViewedAs::Raw),
                (false, true, true) => Some(ViewedAs::TreeWithPatient),
                (false, true, false) => Some(ViewedAs::Tree),
                (false, false, _) => None,
            };
            show::run(id, content, store, output).await?;
        }
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Summary<'a> {
    id: String,
    received_at: String,
    event_time: Option<String>,
    device: &'a str,
    transaction: Option<&'a str>,
    message_type: &'a str,
    control_id: &'a str,
    sending_application: &'a str,
    /// The code of the reason; null when the message was accepted.
    rejection: Option<&'a str>,
    warnings: &'a [String],
    size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Details<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    session: &'a str,
    peer: String,
    fingerprint: &'a str,
    identities: &'a [String],
    /// The alerts that it reports.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    alerts: &'a [ReportedAlert],
}

impl<'a> Summary<'a> {
    fn of(message: &'a MessageSummary) -> Self {
        Self {
            id: message.id.to_string(),
            received_at: message.received_at.to_string(),
            event_time: message.event_time.map(|time| time.to_string()),
            device: message.device.as_str(),
            transaction: message.transaction.as_deref(),
            message_type: &message.message_type,
            control_id: &message.control_id,
            sending_application: &message.sending_application,
            rejection: message.verdict.rejection(),
            warnings: &message.warnings,
            size: message.size,
        }
    }

    fn verdict(&self) -> String {
        self.rejection.map_or("accepted".to_owned(), |code| format!("rejected: {}", printable(code)))
    }

    fn line(&self) -> String {
        format!(
            "{}  {:<30}  {:<20}  {:<16}  {:<20}  {:>8}  {}",
            self.id,
            self.received_at,
            printable(self.device),
            printable(self.transaction.unwrap_or(self.message_type)),
            printable(self.control_id),
            self.size,
            self.verdict()
        )
    }
}

impl<'a> Details<'a> {
    fn of(message: &'a StoredMessage, alerts: &'a [ReportedAlert]) -> Self {
        Self {
            summary: Summary::of(&message.summary),
            session: &message.session,
            peer: message.peer.to_string(),
            fingerprint: &message.fingerprint,
            identities: &message.identities,
            alerts,
        }
    }

    fn paragraph(&self) -> String {
        let summary = &self.summary;
        let mut rows = vec![
            ("id", summary.id.clone()),
            ("verdict", summary.verdict()),
            ("warnings", summary.warnings.join(" ")),
            ("received", summary.received_at.clone()),
            ("event time", summary.event_time.clone().unwrap_or_default()),
            ("transaction", summary.transaction.unwrap_or_default().to_owned()),
            ("type", summary.message_type.to_owned()),
            ("control id", summary.control_id.to_owned()),
            ("application", summary.sending_application.to_owned()),
            ("identities", self.identities.join(" ")),
            ("device", summary.device.to_owned()),
            ("certificate", self.fingerprint.to_owned()),
            ("peer", self.peer.clone()),
            ("session", self.session.to_owned()),
            ("size", format!("{} bytes", summary.size)),
        ];
        rows.extend(self.alerts.iter().flat_map(ReportedAlert::rows));
        paragraph(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::parse_command;
    use crate::store::MessageRecord;
    use crate::store::fixtures::TestStore;

    async fn message(store: &Store, line: &[&str]) -> Outcome {
        run(parse_command("message", line)?, store, Output::new(true)).await
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
    async fn a_message_that_cannot_be_read_has_no_tree_but_bytes() {
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

    #[tokio::test]
    async fn what_is_shown_is_about_the_message_and_never_its_content() {
        let place = TestStore::new();
        let store = place.open().await;
        let acknowledgement = b"MSA|AA|SECRET".as_slice().into();
        let record =
            MessageRecord { acknowledgement, ..place.rejected("\u{1b}[2J7", b"MSH|^~\\&|\rPID|1||SECRET") };
        store.record(record.clone()).await.unwrap();
        let stored = store.message(record.id).await.unwrap().unwrap();
        let (details, summary) = (Details::of(&stored, &[]), Summary::of(&stored.summary));
        let shown = [
            details.paragraph(),
            summary.line(),
            serde_json::to_string(&details).unwrap(),
            serde_json::to_string(&summary).unwrap(),
        ];
        for text in &shown {
            assert!(!text.contains("SECRET") && !text.contains("PID"), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
            for expected in [&record.id.to_string(), "PUMP-1", "PCD-01", "identity-mismatch", "[2J7"] {
                assert!(text.contains(expected), "{expected}: {text}");
            }
        }
        let object: serde_json::Value = serde_json::from_str(&shown[2]).unwrap();
        assert_eq!(object["rejection"], "identity-mismatch");
        assert_eq!(object["size"], record.raw.len());
        assert_eq!(object["peer"], "192.0.2.7:50123");
        assert_eq!(object["control-id"], "\u{1b}[2J7");
    }
}
