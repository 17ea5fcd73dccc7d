//! `notification`: the notifications of partners.

use anyhow::anyhow;
use serde::Serialize;

use super::context::failed;
use super::operator::operator;
use super::subscription::find;
use super::text::paragraph;
use super::{Exit, Failure, Outcome, Output};
use crate::clients::SubscriptionName;
use crate::model::{DeviceId, MessageId, Right};
use crate::store::{NotificationFilter, NotificationState, PartnerNotification, Store};

/// Subcommands of `notification`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List notifications of partners, the latest first
    ///
    /// Example: pcd-platform notification list --state dead
    List {
        /// Only of this subscription
        #[arg(long, value_name = "NAME")]
        subscription: Option<SubscriptionName>,
        /// Only those that are waiting, acknowledged or dead (given up)
        #[arg(long, value_name = "STATE")]
        state: Option<NotificationState>,
        /// Only notifications older than this one; for the next page, give the last id of the page
        #[arg(long, value_name = "ID")]
        before: Option<MessageId>,
        /// At most N notifications
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
    },
    /// Show one notification
    Show {
        /// Its id
        id: MessageId,
    },
    /// Deliver notifications again that were given up
    ///
    /// Example: pcd-platform notification replay ward-3
    Replay {
        /// The subscription
        subscription: SubscriptionName,
        /// Only this notification
        #[arg(long, value_name = "ID")]
        id: Option<MessageId>,
    },
}

/// A notification, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    id: String,
    subscription: &'a str,
    organisation: &'a str,
    state: &'static str,
    event: &'a str,
    reason: &'a str,
    device: Option<&'a str>,
    message: Option<String>,
    at: String,
    deliveries: u64,
    attempts: u64,
    visible_at: String,
    error: &'a str,
}

impl<'a> From<&'a PartnerNotification> for Line<'a> {
    fn from(own: &'a PartnerNotification) -> Self {
        Self {
            id: own.id.to_string(),
            subscription: own.subscription.as_str(),
            organisation: own.organisation.as_str(),
            state: own.state.name(),
            event: &own.event,
            reason: &own.reason,
            device: own.device.as_ref().map(DeviceId::as_str),
            message: own.message.as_ref().map(ToString::to_string),
            at: own.at.to_string(),
            deliveries: own.deliveries,
            attempts: own.attempts,
            visible_at: own.visible_at.to_string(),
            error: &own.error,
        }
    }
}

impl Line<'_> {
    fn shown(&self, output: Output) -> String {
        let why = if self.error.is_empty() { String::new() } else { format!("  {}", self.error) };
        format!(
            "{}  {:12}  {}  {}  {}  delivered {} times{why}",
            self.id,
            self.state,
            self.subscription,
            output.time(&self.at),
            self.event,
            self.deliveries,
        )
    }

    fn whole(&self, output: Output) -> String {
        paragraph(&[
            ("notification", self.id.clone()),
            ("subscription", self.subscription.to_owned()),
            ("organisation", self.organisation.to_owned()),
            ("state", self.state.to_owned()),
            ("event", format!("{} {}", self.event, self.reason)),
            ("device", self.device.unwrap_or_default().to_owned()),
            ("message", self.message.clone().unwrap_or_default()),
            ("at", output.time(&self.at)),
            ("deliveries", self.deliveries.to_string()),
            ("failed attempts", self.attempts.to_string()),
            ("next delivery from", output.time(&self.visible_at)),
            ("error", self.error.to_owned()),
        ])
    }
}

#[derive(Serialize)]
struct Replayed {
    replayed: u64,
}

impl Command {
    /// The right that a person needs so that the running platform executes it.
    pub(super) const fn right(&self) -> Right {
        match self {
            Self::List { .. } | Self::Show { .. } => Right::See,
            Self::Replay { .. } => Right::Administer,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    match command {
        Command::List { subscription, state, before, limit } => {
            let filter = NotificationFilter { subscription, state, before, limit };
            for own in store.partner_notifications(&filter).await.map_err(failed)? {
                output.print(&Line::from(&own), |line| line.shown(output))?;
            }
        }
        Command::Show { id } => {
            let own = store.notification(id).await.map_err(failed)?;
            let unknown =
                || Failure::new(Exit::Failed, anyhow!("there is no notification of a partner with this id"));
            output.print(&Line::from(&own.ok_or_else(unknown)?), |line| line.whole(output))?;
        }
        Command::Replay { subscription, id } => {
            let own = find(store, &subscription).await?;
            let replayed = store.replay_notifications(own, id, &operator()).await.map_err(failed)?;
            if id.is_some() && replayed == 0 {
                let error = anyhow!("no notification of this subscription with this id was given up");
                return Err(Failure::new(Exit::Failed, error));
            }
            output.print(&Replayed { replayed }, |it| {
                format!("notifications that are delivered again: {}", it.replayed)
            })?;
        }
    }
    Ok(Exit::Done)
}
