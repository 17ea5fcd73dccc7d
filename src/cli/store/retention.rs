//! `store retention`: what retention would remove by the clock of this machine, and whether it believes it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::audit::MessageKind;
use crate::cli::config_file::ConfigFile;
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Exit, Outcome, Output};
use crate::config::{self, Retain};
use crate::model::Clock;
use crate::store::{Store, StoreError};
use crate::view::RemovalView;

/// The clock, and the rows that have reached their age by it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Retention {
    /// What the clock of this machine says.
    clock: String,
    /// When a clock was believed last; within ten minutes while a platform runs.
    confirmed: Option<String>,
    /// Whether the clock of this machine is believed.
    is_confirmed: bool,
    /// The clock of the database server.
    server: Option<String>,
    /// Messages received before this time have reached their age by this clock; none: they are retained
    /// forever.
    messages_before: Option<String>,
    /// The oldest of them.
    oldest_message: Option<String>,
    /// The same of rejected messages.
    rejected_before: Option<String>,
    /// The oldest of them.
    oldest_rejected: Option<String>,
    /// The same of large messages (`store.large-from`).
    large_before: Option<String>,
    /// The oldest of them.
    oldest_large: Option<String>,
    /// What is removed next, of each kind of messages.
    next: Vec<RemovalView>,
    audit_before: Option<String>,
    /// The oldest row of this node's audit trail.
    oldest_audit_row: Option<String>,
}

pub(super) async fn run(config: &ConfigFile, force: bool, output: Output, clock: &Clock) -> Outcome {
    let store = config.open_store(clock, output).await?;
    let config = config.load()?.store;
    let outcome = report(&config, force, &store, clock).await;
    store.close().await;
    output.print(&outcome.map_err(failed)?, |shown| shown.lines(output))?;
    Ok(Exit::Done)
}

async fn report(
    config: &config::Store,
    force: bool,
    store: &Store,
    clock: &Clock,
) -> Result<Retention, StoreError> {
    let now = clock.now();
    let before = |retain| match retain {
        Retain::Forever => None,
        Retain::For(time) => now.checked_sub(SignedDuration::try_from(time).ok()?).ok(),
    };
    let (messages_before, audit_before) = (before(config.retain_messages), before(config.retain_audit));
    let rejected_before = before(config.retain_rejected());
    let large_before = before(config.retain_large());
    if force {
        // Never what has the age of rejected messages only: the limit of a day's worth goes on protecting
        // accepted ones, also when their age is shortened later.
        let release_before = messages_before.max(audit_before).unwrap_or(Timestamp::UNIX_EPOCH);
        store.confirm_clock(now, release_before, operator()).await?;
    }
    let known = store.confirmed_clock().await?;
    let oldest = async |kind, before| match before {
        Some(before) => store.oldest_message_of(kind, before).await,
        None => Ok(None),
    };
    let oldest_message = oldest(MessageKind::Accepted, messages_before).await?;
    let oldest_rejected = oldest(MessageKind::Rejected, rejected_before).await?;
    let oldest_large = oldest(MessageKind::Large, large_before).await?;
    let next = RemovalView::all(store, config.message_ages(), config.message_sizes(), now).await?;
    let is_near = |at: Timestamp| now.duration_since(at).unsigned_abs() <= config.max_clock_difference;
    Ok(Retention {
        clock: text(now),
        confirmed: known.map(|known| text(known.at)),
        is_confirmed: known.is_none_or(|known| is_near(known.at)),
        server: known.and_then(|known| known.server_now).map(text),
        messages_before: messages_before.map(text),
        oldest_message: oldest_message.map(text),
        rejected_before: rejected_before.map(text),
        oldest_rejected: oldest_rejected.map(text),
        large_before: large_before.map(text),
        oldest_large: oldest_large.map(text),
        next,
        audit_before: audit_before.map(text),
        oldest_audit_row: store.oldest_audit_row().await?.map(text),
    })
}

/// To the second.
fn text(time: Timestamp) -> String {
    format!("{time:.0}")
}

impl Retention {
    fn lines(&self, output: Output) -> String {
        let forever = "never: retained forever";
        let or = |time: &Option<String>, otherwise: &str| output.time(time.as_deref().unwrap_or(otherwise));
        let mut lines = vec![
            format!("clock of this machine      {}", output.time(&self.clock)),
            format!("a clock was believed at    {}", or(&self.confirmed, "never")),
        ];
        lines.extend(
            self.server.iter().map(|server| format!("clock of the server        {}", output.time(server))),
        );
        lines.extend([
            format!("messages removed before    {}", or(&self.messages_before, forever)),
            format!("oldest of them             {}", or(&self.oldest_message, "none")),
            format!("rejected removed before    {}", or(&self.rejected_before, forever)),
            format!("oldest of them             {}", or(&self.oldest_rejected, "none")),
            format!("large removed before       {}", or(&self.large_before, forever)),
            format!("oldest of them             {}", or(&self.oldest_large, "none")),
            format!("audit rows removed before  {}", or(&self.audit_before, forever)),
            format!("oldest audit row           {}", or(&self.oldest_audit_row, "none")),
        ]);
        for next in &self.next {
            let more = if next.are_more { "more than " } else { "" };
            let what = match &next.next_at {
                Some(at) => format!("{}; {more}{} within a day", output.time(at), next.within_a_day),
                None => "nothing".to_owned(),
            };
            lines.push(format!("{:<27}{what}", format!("next of {}", next.kind)));
            let size = next.size_in_words(|at| output.time(at));
            lines.extend(size.map(|size| format!("{:<27}{size}", format!("size of {}", next.kind))));
        }
        if !self.is_confirmed {
            let hint = "the clock is not believed, and nothing is removed; correct it, or, if it is right, confirm it: \
                        store retention --force";
            lines.push(hint.to_owned());
        }
        lines.join("\n")
    }
}
