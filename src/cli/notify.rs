//! `notify`: the receivers of notifications.

use anyhow::anyhow;
use serde::Serialize;

use super::config_file::ConfigFile;
use super::context::failed;
use super::text::counted;
use super::{Exit, Failure, Outcome, Output};
use crate::model::{Clock, MessageId};
use crate::notify::{Receiver, test_body};
use crate::store::{NotificationChange, StoredNotification};

/// Subcommands of `notify`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Post a test notification to each receiver of the configuration, or to one, from this machine
    ///
    /// Exits with 1 when one of them does not take it. The platform need not run, and nothing is stored.
    Test {
        /// The name of the receiver
        name: Option<String>,
    },
    /// List notifications that are not delivered: those that wait, and those that were given up (dead)
    List,
    /// Let notifications that were given up be sent again
    Retry {
        /// The id that `notify list` shows; without it, all of them
        id: Option<MessageId>,
    },
}

pub(super) async fn run(config: &ConfigFile, command: Command, output: Output, clock: &Clock) -> Outcome {
    match command {
        Command::Test { name } => test(config, name.as_deref(), output, clock).await,
        Command::List => {
            let store = config.open_store(clock, output).await?;
            let notifications = store.notifications().await;
            store.close().await;
            for notification in notifications.map_err(failed)? {
                output.print(&NotificationView::from(&notification), |view| line(view, output))?;
            }
            Ok(Exit::Done)
        }
        Command::Retry { id } => {
            let store = config.open_store(clock, output).await?;
            let revived = store.change_notifications(vec![NotificationChange::Retry(id)]).await;
            store.close().await;
            let revived = revived.map_err(failed)?;
            if id.is_some() && revived == 0 {
                return Err(Failure::new(Exit::Failed, anyhow!("no notification with this id was given up")));
            }
            output.print(&Revived { revived }, |revived| {
                format!("notifications that are sent again: {}", revived.revived)
            })?;
            Ok(Exit::Done)
        }
    }
}

#[derive(Serialize)]
struct Revived {
    revived: u64,
}

/// What became of a test.
#[derive(Serialize)]
struct Tested<'a> {
    receiver: &'a str,
    delivered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn test(config: &ConfigFile, name: Option<&str>, output: Output, clock: &Clock) -> Outcome {
    let config = config.load()?;
    let chosen: Vec<_> =
        config.notify.iter().filter(|settings| name.is_none_or(|name| settings.name == name)).collect();
    if chosen.is_empty() {
        let missing = match name {
            Some(name) => anyhow!("the configuration has no receiver \"{name}\""),
            None => anyhow!("the configuration has no receiver: add a table [[notify]]"),
        };
        return Err(Failure::new(Exit::Config, missing));
    }
    let mut exit = Exit::Done;
    for settings in chosen {
        let (id, now) = (MessageId::at(clock.now()), clock.now());
        let outcome = match Receiver::build(settings, clock) {
            Ok(receiver) => {
                let body = test_body(id, now, config.store.node.as_str());
                receiver.deliver(id, &body).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(crate::model::explained(&error)),
        };
        if outcome.is_err() {
            exit = Exit::Failed;
        }
        let tested = Tested { receiver: &settings.name, delivered: outcome.is_ok(), error: outcome.err() };
        output.print(&tested, |tested| match &tested.error {
            None => format!("ok      {}", tested.receiver),
            Some(error) => format!("failed  {}: {error}", tested.receiver),
        })?;
    }
    Ok(exit)
}

/// A notification as JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct NotificationView<'a> {
    id: String,
    node: &'a str,
    receiver: &'a str,
    /// `waiting` or `dead`.
    state: &'static str,
    created: String,
    attempts: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
    /// Its line of text.
    text: String,
}

impl<'a> From<&'a StoredNotification> for NotificationView<'a> {
    fn from(stored: &'a StoredNotification) -> Self {
        let body: serde_json::Value = serde_json::from_str(&stored.body).unwrap_or_default();
        let text = body.get("text").and_then(serde_json::Value::as_str).unwrap_or_default();
        Self {
            id: stored.id.to_string(),
            node: &stored.node,
            receiver: &stored.receiver,
            state: if stored.is_dead { "dead" } else { "waiting" },
            created: stored.created_at.to_string(),
            attempts: stored.attempts,
            error: &stored.error,
            text: text.to_owned(),
        }
    }
}

fn line(view: &NotificationView<'_>, output: Output) -> String {
    let NotificationView { id, receiver, state, created, attempts, error, text, .. } = view;
    let created = output.time(created);
    let why = if error.is_empty() { String::new() } else { format!(": {error}") };
    let attempts = counted(*attempts, "attempt");
    format!("{id}  {state:7}  {receiver}  {created}  {attempts}{why}\n    {text}")
}
