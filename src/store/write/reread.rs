//! Reads committed rows back through a session that has not written them, and compares them with what was
//! received, before they are acknowledged.
//!
//! Who may change the database has many ways to have a commit reported that keeps no row, or another one:
//! code that runs in the transaction, a type that cuts values off, a table in the place of another. The
//! examinations look for causes. This looks at the outcome, whatever the cause.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::{Clock, Fingerprint, MessageId, NodeName, StoreRisk, explained};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::records::message::CONTROL_ID_REUSED;
use crate::store::server::risks::ObservedRisks;
use crate::store::statement::json;
use crate::store::write::batch::Committed;
use crate::store::write::chain::ChainedEvent;
use crate::store::write::entry::Entry;
use crate::store::write::incoming::{IncomingMessage, WriteOutcome};
use crate::store::write::unread::Checker;

/// A session that reads. SQLite and PostgreSQL implement it.
pub(in crate::store) trait Reread: Send + 'static {
    /// Reads the rows as any other program would find them now. A row that cannot be decoded is left out.
    fn read(&mut self, wanted: &Wanted<'_>) -> impl Future<Output = Result<Found, StoreError>> + Send;

    /// Closes the session, whatever its state; the next read opens another one.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// The rows to read.
pub(in crate::store) struct Wanted<'a> {
    pub(in crate::store) node: &'a NodeName,
    pub(in crate::store) messages: Vec<MessageId>,
    /// The first and the last number of rows of the audit trail.
    pub(in crate::store) rows: Option<(u64, u64)>,
}

/// The rows that were found.
#[derive(Default)]
pub(in crate::store) struct Found {
    pub(in crate::store) messages: HashMap<MessageId, FoundMessage>,
    /// In the order of their numbers.
    pub(in crate::store) rows: Vec<FoundRow>,
}

/// A row of `message`. Times are in microseconds since 1970.
#[derive(PartialEq, Eq)]
pub(in crate::store) struct FoundMessage {
    pub(in crate::store) received_at: i64,
    pub(in crate::store) event_time: Option<i64>,
    pub(in crate::store) device: String,
    pub(in crate::store) session: String,
    pub(in crate::store) fingerprint: String,
    pub(in crate::store) peer: String,
    pub(in crate::store) transaction: Option<String>,
    pub(in crate::store) message_type: String,
    pub(in crate::store) control_id: String,
    pub(in crate::store) sending_application: String,
    pub(in crate::store) digest: Vec<u8>,
    pub(in crate::store) rejection: Option<String>,
    pub(in crate::store) warnings: String,
    pub(in crate::store) identities: String,
    pub(in crate::store) raw_size: Option<i64>,
    pub(in crate::store) acknowledgement: Vec<u8>,
    pub(in crate::store) raw: Vec<u8>,
}

/// A row of `audit`.
pub(in crate::store) struct FoundRow {
    pub(in crate::store) number: i64,
    pub(in crate::store) at: i64,
    pub(in crate::store) event: String,
    pub(in crate::store) details: String,
    pub(in crate::store) hash: Vec<u8>,
}

/// Reads the committed batches of one writer back.
pub(in crate::store) struct ReadBack<R> {
    reread: R,
    node: NodeName,
    risks: ObservedRisks,
    failed: Option<Failure>,
}

/// The last batch that was not read back.
struct Failure {
    at: Instant,
    /// A row was not there as it was written; otherwise nothing could be read.
    is_difference: bool,
}

impl<R> ReadBack<R> {
    pub(in crate::store) const fn new(reread: R, node: NodeName, risks: ObservedRisks) -> Self {
        Self { reread, node, risks, failed: None }
    }
}

impl<R: Reread> ReadBack<R> {
    /// Compares each entry with its rows. When one is not there, another session looks again: the first one
    /// may have been that of a server which has failed over.
    async fn compare(
        &mut self,
        entries: &[Entry],
        committed: &Committed,
    ) -> Result<Vec<Option<Missing>>, StoreError> {
        let wanted = wanted(&self.node, entries, committed);
        let mut is_first = true;
        loop {
            let read = tokio::time::timeout(READ_TIMEOUT, self.reread.read(&wanted)).await;
            let compared = read
                .unwrap_or(Err(StoreError::Timeout(READ_TIMEOUT)))
                .map(|found| compared(entries, committed, &found));
            let is_whole = compared.as_ref().is_ok_and(|compared| compared.iter().all(Option::is_none));
            if is_whole {
                return compared;
            }
            self.reread.close().await;
            if !std::mem::replace(&mut is_first, false) {
                return compared;
            }
        }
    }

    /// Ends the risk when something was read, and its last appearance is some time ago: a log with two lines
    /// for each other message would hide more than it shows.
    fn succeed(&mut self, has_rows: bool) {
        let is_over = self.failed.as_ref().is_some_and(|failure| {
            (has_rows || !failure.is_difference) && failure.at.elapsed() >= MIN_RISK_TIME
        });
        if is_over {
            self.failed = None;
            self.risks.lower(StoreRisk::NotReadBack);
        }
    }

    fn fail(&mut self, is_difference: bool, object: String) {
        let is_difference =
            is_difference || self.failed.as_ref().is_some_and(|failure| failure.is_difference);
        self.failed = Some(Failure { at: Clock::system().instant(), is_difference });
        self.risks.raise(StoreRisk::NotReadBack, object);
    }
}

impl<R: Reread> Checker for ReadBack<R> {
    async fn check(
        &mut self,
        entries: &[Entry],
        committed: Committed,
    ) -> Vec<Result<WriteOutcome, StoreError>> {
        match self.compare(entries, &committed).await {
            Ok(compared) => {
                let unrecorded = committed.outcomes.iter().find_map(|outcome| match outcome {
                    Err(StoreError::UnknownCopy(id)) => Some(*id),
                    _ => None,
                });
                let mut missing = compared.iter().flatten();
                let Some(Missing(table, message)) = missing.next() else {
                    match unrecorded {
                        Some(id) => self.fail(true, format!("table audit: no row about message {id}")),
                        None => self.succeed(!committed.rows.is_empty()),
                    }
                    return committed.outcomes;
                };
                let message = message.map(|id| format!(", message {id}")).unwrap_or_default();
                let (lost, all) = (missing.count() + 1, entries.len());
                self.fail(true, format!("table {table}{message}, {lost} of {all} entries of a batch"));
                let answer = |(outcome, missing): (Result<_, _>, Option<Missing>)| match missing {
                    Some(Missing(table, _)) => Err(StoreError::Dropped(table)),
                    None => outcome,
                };
                committed.outcomes.into_iter().zip(compared).map(answer).collect()
            }
            Err(error) => {
                self.fail(false, explained(&error));
                committed.outcomes.into_iter().map(|outcome| outcome.and(Err(error.clone()))).collect()
            }
        }
    }

    async fn close(mut self) {
        self.reread.close().await;
    }
}

fn wanted<'n>(node: &'n NodeName, entries: &[Entry], committed: &Committed) -> Wanted<'n> {
    let messages = entries.iter().zip(&committed.outcomes).filter_map(|(entry, outcome)| {
        let message = entry.incoming()?;
        match outcome {
            Ok(WriteOutcome::Applied | WriteOutcome::Replaced(_) | WriteOutcome::Renewed(_)) => {
                Some(message.record.id)
            }
            Ok(WriteOutcome::Resend { original, .. }) => Some(*original),
            _ => None,
        }
    });
    let rows = committed.rows.first().zip(committed.rows.last());
    Wanted {
        node,
        messages: messages.collect(),
        rows: rows.map(|(first, last)| (first.head.number, last.head.number)),
    }
}

/// The table in which the row of an entry is not as it was written, and the message of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missing(&'static str, Option<MessageId>);

/// What each entry that was written lacks. A difference in the trail concerns the whole batch: each of its
/// rows continues the one before.
fn compared(entries: &[Entry], committed: &Committed, found: &Found) -> Vec<Option<Missing>> {
    let is_trail_whole = committed.rows.len() == found.rows.len()
        && committed.rows.iter().zip(&found.rows).all(|(row, found)| found.is(row));
    let missing = |(entry, outcome): (&Entry, &Result<WriteOutcome, StoreError>)| {
        let outcome = outcome.as_ref().ok()?;
        let Some(message) = entry.incoming() else {
            return (!is_trail_whole).then_some(Missing("audit", None));
        };
        let (id, is_there, is_recorded) = match outcome {
            WriteOutcome::Resend { original, acknowledgement, .. } => {
                let found = found.messages.get(original);
                let is_there = found.is_some_and(|found| found.is_resent_by(&message, acknowledgement));
                (*original, is_there, is_trail_whole)
            }
            _ => {
                let id = message.record.id;
                (id, found.messages.get(&id).is_some_and(|found| found.is(&message)), is_trail_whole)
            }
        };
        if !is_there {
            return Some(Missing("message", Some(id)));
        }
        (!is_recorded).then_some(Missing("audit", Some(id)))
    };
    entries.iter().zip(&committed.outcomes).map(missing).collect()
}

impl FoundMessage {
    /// Whether this is the message as it was received.
    fn is(&self, IncomingMessage { record, content, digest, .. }: &IncomingMessage<'_>) -> bool {
        let is_warned = self.warnings == json(&record.warnings) || {
            let reused = record.warnings.iter().cloned().chain([CONTROL_ID_REUSED.to_owned()]);
            self.warnings == json(&reused.collect::<Vec<_>>())
        };
        is_warned
            && self.received_at == record.received_at.as_microsecond()
            && self.event_time == record.event_time.map(|time| time.as_microsecond())
            && self.device == record.device.as_str()
            && self.session == record.session.to_string()
            && self.fingerprint == record.fingerprint.to_string()
            && self.peer == record.peer.to_string()
            && self.transaction == record.transaction
            && self.message_type == record.message_type
            && self.control_id == record.control_id
            && self.sending_application == record.sending_application
            && self.digest == digest.as_bytes()
            && self.rejection.as_deref() == record.verdict.rejection()
            && self.identities == json(&record.identities)
            && self.raw_size == content.size.map(i64::from)
            && self.acknowledgement == content.acknowledgement
            && self.raw == content.bytes
            && Content::opens_to(&self.raw, self.raw_size, digest)
    }

    /// Whether this is the message that a resend repeats, with the bytes that were received again. The same
    /// bytes need no look inside, except where the acknowledgement is with them: it is another one now. An
    /// earlier version may have compressed them otherwise.
    fn is_resent_by(&self, message: &IncomingMessage<'_>, acknowledgement: &[u8]) -> bool {
        let IncomingMessage { record, content, digest, .. } = message;
        let has_content = || {
            let is_same = self.raw == content.bytes && self.raw_size == content.size.map(i64::from);
            if is_same && !Content::is_joint(&self.raw, self.raw_size) {
                return self.acknowledgement == acknowledgement;
            }
            Content::open(self.raw.clone(), self.raw_size, self.acknowledgement.clone()).is_ok_and(|stored| {
                stored.acknowledgement == acknowledgement && Fingerprint::sha256(&stored.raw) == **digest
            })
        };
        self.device == record.device.as_str()
            && self.control_id == record.control_id
            && self.sending_application == record.sending_application
            && self.rejection.is_none()
            && self.digest == digest.as_bytes()
            && has_content()
    }
}

impl FoundRow {
    fn is(&self, row: &ChainedEvent) -> bool {
        u64::try_from(self.number) == Ok(row.head.number)
            && self.at == row.at.as_microsecond()
            && self.event == row.event
            && self.details == row.details
            && self.hash == row.head.hash.as_bytes()
    }
}

/// How long reading a batch back may take; the server's limit for each statement is shorter.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the risk stays at least.
const MIN_RISK_TIME: Duration = if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(5) };
