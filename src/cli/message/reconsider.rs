//! `message reconsider`: accepts messages that were rejected, by the present rules.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use serde::Serialize;

use crate::authz::{Device, DeviceStatus, Directory};
use crate::cli::context::failed;
use crate::cli::device::name_in_store;
use crate::cli::operator::operator;
use crate::cli::text::printable;
use crate::cli::time::Since;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::config::Config;
use crate::hl7::Rejection;
use crate::interface_a::{AssumedSender, Evaluator};
use crate::model::{DeviceId, Fingerprint, MessageId, SearchKey};
use crate::store::{
    CUT, MessageFilter, MessageRecord, RECONSIDERED, Reconsideration, RecordOutcome, Store, StoredMessage,
};

/// Options of `message reconsider`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The ids of rejected messages, as `message list --rejected` shows them
    #[arg(value_name = "ID", required_unless_present = "device", conflicts_with_all = ["device", "reason"])]
    ids: Vec<MessageId>,
    /// The rejected messages of this device, with --reason
    #[arg(long, value_name = "CN", requires = "reason")]
    device: Option<DeviceId>,
    /// Only those that were rejected for this reason: identity-mismatch
    #[arg(long, value_name = "CODE", requires = "device")]
    reason: Option<String>,
    /// Only those received since this time or within this duration
    #[arg(long, value_name = "T", requires = "device")]
    since: Option<Since>,
    /// Only those older than this one; for what a limit left out
    #[arg(long, value_name = "MESSAGE", requires = "device")]
    before: Option<MessageId>,
    /// At most N messages, the newest ones
    #[arg(long, default_value_t = 1000, value_name = "N", requires = "device",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Accept them; without it the command only shows what it would do
    #[arg(long)]
    apply: bool,
}

/// What became of a rejected message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Reconsidered {
    /// The message as it was rejected.
    id: String,
    received_at: String,
    device: String,
    control_id: String,
    /// The code of the reason for which it was rejected.
    rejection: String,
    outcome: Verdict,
    /// The message as it is accepted.
    message: Option<String>,
    /// Why it is not accepted.
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// It would be accepted.
    Acceptable,
    Accepted,
    /// It is accepted already: it was reconsidered before, or the device sent it again.
    AlreadyAccepted,
    Rejected,
}

/// The verdict, the accepted message, and why it is not accepted.
type Decided = (Verdict, Option<MessageId>, Option<String>);

struct Reconsidering<'a> {
    store: &'a Store,
    config: Config,
    evaluator: Evaluator,
    directory: Directory,
    /// That of the directory.
    revision: u64,
    now: Timestamp,
    apply: bool,
    /// What a run that changes nothing would have accepted: a device sends a rejected message again.
    seen: HashSet<(DeviceId, String, String, Fingerprint)>,
}

pub(super) async fn run(arguments: Arguments, config: Config, store: &Store, output: Output) -> Outcome {
    let apply = arguments.apply;
    let now = store.now();
    if apply {
        store.continue_identifiers(now, MAX_LEAD).await.map_err(failed)?;
    }
    let revision = store.device_revision().await.map_err(failed)?;
    let directory = directory(store).await?;
    let evaluator = Evaluator::new(config.clone(), directory.clone(), store.patient_key().await);
    let seen = HashSet::new();
    let mut reconsidering = Reconsidering { store, config, evaluator, directory, revision, now, apply, seen };
    let mut is_complete = true;
    for id in selected(arguments, store, now, output).await? {
        // One wrong id, or one that retention has removed since, does not keep the others from being done.
        let Some(stored) = store.message(id).await.map_err(failed)? else {
            output.warn(&format!("no message has the id {id}"))?;
            is_complete = false;
            continue;
        };
        let Some(rejection) = stored.summary.verdict.rejection().map(str::to_owned) else {
            output.warn(&format!("message {id} is accepted"))?;
            is_complete = false;
            continue;
        };
        reconsidering.refresh().await?;
        let (outcome, message, reason) = reconsidering.decide(&stored, &rejection).await?;
        is_complete &= outcome != Verdict::Rejected;
        let shown = Reconsidered {
            id: id.to_string(),
            received_at: stored.summary.received_at.to_string(),
            device: stored.summary.device.to_string(),
            control_id: stored.summary.control_id,
            rejection,
            outcome,
            message: message.map(|id| id.to_string()),
            reason,
        };
        output.print(&shown, |shown| shown.line(output))?;
    }
    if !apply {
        output.warn("nothing was changed: --apply accepts what is acceptable")?;
    }
    Ok(if is_complete { Exit::Done } else { Exit::Failed })
}

/// The directory of this moment. What was rejected is accepted by the list, not by what a device may be
/// learning.
async fn directory(store: &Store) -> Result<Directory, Failure> {
    let known = store.devices().await.map_err(failed)?.into_iter();
    Ok(known.map(|device| Device { learns_until: None, ..device }).collect())
}

/// The messages, in the order in which they were received.
async fn selected(
    arguments: Arguments,
    store: &Store,
    now: Timestamp,
    output: Output,
) -> Result<Vec<MessageId>, Failure> {
    let Arguments { mut ids, device, reason, since, before, limit, .. } = arguments;
    if device.is_some() {
        let device = name_in_store(store, device).await?;
        let since = since.map(|since| since.before(now));
        let filter = MessageFilter { device, reason, since, before, limit, ..MessageFilter::default() };
        let (found, end) = store.search_messages(&filter).await.map_err(failed)?;
        ids = found.iter().map(|message| message.id).collect();
        let full = (ids.len() >= usize::try_from(limit).unwrap_or(usize::MAX)).then(|| ids.last()).flatten();
        if let Some(oldest) = full.copied().or(end.map(|end| end.floor)) {
            output.warn(&format!("there may be older ones: go on with --before {oldest}"))?;
        }
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

impl Reconsidering<'_> {
    /// Reads the directory again if it has changed: thousands of messages take minutes, in which a device may
    /// be suspended or removed.
    async fn refresh(&mut self) -> Result<(), Failure> {
        let revision = self.store.device_revision().await.map_err(failed)?;
        if revision != self.revision {
            self.directory = directory(self.store).await?;
            let key = self.store.patient_key().await;
            self.evaluator = Evaluator::new(self.config.clone(), self.directory.clone(), key);
            self.revision = revision;
        }
        Ok(())
    }

    async fn decide(&mut self, stored: &StoredMessage, rejection: &str) -> Result<Decided, Failure> {
        if let Some(earlier) = &stored.reconsidered {
            return Ok((Verdict::AlreadyAccepted, Some(earlier.message), None));
        }
        let refused = |why: &str| Ok((Verdict::Rejected, None, Some(why.to_owned())));
        if !stored.is_intact {
            return refused("its bytes are not those that were received");
        }
        if Rejection::is_of_frame(rejection) {
            return refused("it was not received whole");
        }
        if stored.summary.warnings.iter().any(|warning| warning == CUT) {
            return refused("only its beginning is stored");
        }
        let device = &stored.summary.device;
        let Some(known) = self.directory.find(device).filter(|known| known.id == *device) else {
            return refused("the device is not in the directory");
        };
        if known.status == DeviceStatus::Suspended {
            return refused("the device is suspended");
        }
        let unreadable =
            |what: &'static str| anyhow!("the {what} of message {} is unreadable", stored.summary.id);
        let sender = AssumedSender {
            device: Arc::clone(known),
            session: stored.session.parse().map_err(|_| unreadable("session"))?,
            fingerprint: stored.fingerprint.parse().map_err(|_| unreadable("certificate"))?,
            address: stored.peer,
        };
        let judgement = self.evaluator.message(&sender, stored.raw.clone(), self.now);
        if judgement.is_acknowledgement {
            return refused("it is an acknowledgement, for which nothing waits any more");
        }
        if let Some(code) = judgement.record.verdict.rejection() {
            return refused(code);
        }
        let record = reconsidered(judgement.record, stored, rejection, self.now);
        if self.apply {
            return Ok(match self.store.record(record).await.map_err(failed)? {
                RecordOutcome::Stored(id) => (Verdict::Accepted, Some(id), None),
                RecordOutcome::Resend { original, .. } => (Verdict::AlreadyAccepted, Some(original), None),
            });
        }
        let digest = Fingerprint::sha256(&record.raw);
        let is_first =
            self.seen.insert((record.device, record.sending_application, record.control_id, digest));
        Ok((if is_first { Verdict::Acceptable } else { Verdict::AlreadyAccepted }, None, None))
    }
}

/// The record that accepts a message which was rejected. It was received when it was, and nothing is sent:
/// its acknowledgement answers only a resend, and no gateway forwards it. It begins no alert, because what it
/// reports has passed.
fn reconsidered(
    record: MessageRecord,
    stored: &StoredMessage,
    rejection: &str,
    now: Timestamp,
) -> MessageRecord {
    let reconsideration =
        Reconsideration { original: stored.summary.id, rejection: rejection.to_owned(), actor: operator() };
    let mut warnings = record.warnings;
    warnings.push(RECONSIDERED.to_owned());
    MessageRecord {
        id: MessageId::at(now),
        received_at: stored.summary.received_at,
        warnings,
        not_allowed: Vec::new(),
        alerts: Vec::new(),
        forward: None,
        // Its row in the trail does not say that it is large: it has the age of other accepted ones.
        keys: record.keys.into_iter().filter(|key| *key != SearchKey::LARGE).collect(),
        envelope: stored.envelope.clone(),
        reconsideration: Some(Box::new(reconsideration)),
        ..record
    }
}

impl Reconsidered {
    fn line(&self, output: Output) -> String {
        let Self { id, received_at, device, control_id, rejection, outcome, message, reason } = self;
        let verdict = match (outcome, message, reason) {
            (Verdict::Acceptable, ..) => "would be accepted".to_owned(),
            (Verdict::Accepted, Some(message), _) => format!("accepted as {message}"),
            (Verdict::AlreadyAccepted, Some(message), _) => format!("already accepted as {message}"),
            (Verdict::AlreadyAccepted, None, _) => "the same as an earlier one".to_owned(),
            (_, _, Some(reason)) => format!("stays rejected: {reason}"),
            (_, _, None) => "stays rejected".to_owned(),
        };
        let (device, control_id) = (printable(device), printable(control_id));
        let received_at = output.time(received_at);
        format!("{id}  {received_at:<33}  {device:<20}  {control_id:<20}  {rejection}: {verdict}")
    }
}

/// A newer message of a time that is further ahead than this is the mistake of a clock.
const MAX_LEAD: Duration = Duration::from_hours(3 * 24);
