//! Compares the stored messages with their digests, and with the rows of the audit trail about them.
//!
//! Each message has a row in the trail, and each retention pass has one that says what it removed. So a
//! message that is not there was removed by a pass, or by something else; and one without a row was not
//! stored by the platform. The memory that this takes grows with the retention passes only, by some bytes for
//! each.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use crate::audit::{RemovedMessages, SignatureVerifier};
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::read::contents::{MessageSize, StoredRow};
use crate::store::read::passes::Passes;
use crate::store::read::reader::Reader;
use crate::store::records::message::first_id;

/// What was found about the stored messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Messages whose bytes were compared with their digest.
    pub compared: u64,
    /// Messages whose bytes differ from it.
    pub altered: NamedMessages,
    /// Messages whose bytes the database does not return, or not as bytes.
    pub unreadable: NamedMessages,
    /// Messages that the trail names, that are not stored, and that no retention pass covers.
    pub missing: NamedMessages,
    /// Ranges in which more is missing, or something else, than retention passes have removed: the first of
    /// them.
    pub unexplained: Vec<Unexplained>,
    /// Stored messages that the trail does not name.
    pub unrecorded: u64,
    /// Messages before this time were not compared with the trail, which begins later.
    pub trail_since: Option<Timestamp>,
    /// Messages that are not there and were received before this time may have been removed by retention
    /// passes of a version that did not record which.
    pub unknown_before: Option<Timestamp>,
}

/// Messages of which the first are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedMessages {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<MessageId>,
}

/// A range of messages that retention passes do not explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unexplained {
    /// The first message of the range.
    pub first: MessageId,
    /// The last one.
    pub last: MessageId,
    /// Messages that are not there.
    pub missing: u64,
    /// Messages that retention removed.
    pub removed: u64,
}

impl Contents {
    /// Whether the bytes of every message are as they were received, every message of the trail is there or
    /// was removed by retention, and every message is in the trail.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.altered.count == 0 && self.unreadable.count == 0 && !self.differ_from_trail()
    }

    fn differ_from_trail(&self) -> bool {
        self.missing.count > 0 || !self.unexplained.is_empty() || self.unrecorded > 0
    }
}

impl NamedMessages {
    fn add(&mut self, id: MessageId) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(id);
        }
    }
}

/// Reads every message: compares its bytes with its digest, and the messages with the audit trail.
/// `signatures` verifies what the platform has signed about removals.
pub(in crate::store) async fn compare(
    reader: &Reader,
    signatures: &dyn SignatureVerifier,
    now: Timestamp,
) -> Result<Contents, StoreError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let comparison = Comparison::start(reader, signatures, now).await?;
        let passes = comparison.last_pass;
        let contents = comparison.run(reader).await?;
        // A retention pass that went on meanwhile looks like a removal: read again.
        let is_still = reader.pruned_rows(passes, 1).await?.is_empty();
        if is_still || attempts == MAX_ATTEMPTS || !contents.differ_from_trail() {
            return Ok(contents);
        }
    }
}

/// The messages whose bytes differ from their digest, or cannot be read.
pub(in crate::store) async fn altered(reader: &Reader) -> Result<NamedMessages, StoreError> {
    let (mut after, mut altered, mut unreadable) = (None, NamedMessages::default(), NamedMessages::default());
    loop {
        let page = reader.message_sizes(after, PAGE_ROWS).await?;
        let Some(last) = page.last() else {
            altered.count += unreadable.count;
            altered.first.append(&mut unreadable.first);
            return Ok(altered);
        };
        after = Some(last.id);
        add_altered(reader, &page, &mut altered, &mut unreadable).await?;
    }
}

/// Adds those of `page`; reads a part of it at once. Where a part cannot be read, each message by itself.
async fn add_altered(
    reader: &Reader,
    page: &[MessageSize],
    altered: &mut NamedMessages,
    unreadable: &mut NamedMessages,
) -> Result<(), StoreError> {
    let mut left = page;
    while let Some(begin) = left.first() {
        let mut bytes = 0;
        let fits = |size: &u64| {
            bytes += size;
            bytes <= MAX_READ_BYTES
        };
        // A message that is larger is read by itself.
        let number = left.iter().map(|message| message.bytes).take_while(fits).count().max(1);
        let (part, rest) = left.split_at(number);
        let end = part.last().unwrap_or(begin);
        match reader.altered_messages(begin.id, end.id).await {
            Ok(found) => found.into_iter().for_each(|id| altered.add(id)),
            Err(StoreError::Corrupt { .. }) => {
                for message in part {
                    match reader.altered_messages(message.id, message.id).await {
                        Ok(found) => found.into_iter().for_each(|id| altered.add(id)),
                        Err(StoreError::Corrupt { .. }) => unreadable.add(message.id),
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        left = rest;
    }
    Ok(())
}

/// A comparison: what is known before the messages are read.
struct Comparison {
    /// What retention removed, in ranges that do not overlap, sorted; and what is missing of each.
    ranges: Vec<Range>,
    last_pass: u64,
    /// Messages that were received before this time may have been removed by retention.
    permitted: Option<Timestamp>,
    /// Messages from here on are compared with the trail.
    floor: MessageId,
    /// Messages after this one are newer than the comparison, and not counted.
    ceiling: Option<MessageId>,
    contents: Contents,
}

impl Comparison {
    async fn start(
        reader: &Reader,
        signatures: &dyn SignatureVerifier,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let Passes { permitted, removed, unknown_before, last: last_pass, .. } =
            Passes::read(reader, signatures).await?;
        // The row of a message can be a little younger than its identifier, or older where the clock was
        // wrong.
        let begins = reader.trail_begins(signatures).await?;
        let trail_since = begins.and_then(|time| time.checked_add(TRAIL_MARGIN).ok()).map(|at| at.min(now));
        let contents = Contents { trail_since, unknown_before, ..Contents::default() };
        let floor = contents.trail_since.map_or([0; 16], first_id);
        let ceiling = reader.newest_id().await?;
        let ranges = merged(removed);
        Ok(Self { ranges, last_pass, permitted, floor: MessageId::from_bytes(floor), ceiling, contents })
    }

    async fn run(mut self, reader: &Reader) -> Result<Contents, StoreError> {
        let stored = self.read_messages(reader).await?;
        let recorded = self.read_trail(reader).await?;
        self.contents.unrecorded = stored.saturating_sub(recorded);
        let unexplained = self.ranges.iter().filter_map(|Range { removed, missing }| {
            let (first, last) = removed.range?;
            let is_explained = (missing.count, missing.digest) == (removed.count, removed.digest);
            // The trail can begin later than the range, and passes that recorded less can have been there
            // before.
            let is_cut = (first < self.floor && missing.count <= removed.count)
                || self.contents.unknown_before.is_some_and(|before| first.time() < before);
            let (missing, removed) = (missing.count, removed.count);
            (!is_explained && !is_cut).then_some(Unexplained { first, last, missing, removed })
        });
        self.contents.unexplained = unexplained.take(MAX_NAMED).collect();
        Ok(self.contents)
    }

    /// Compares each message with its digest. Returns how many of them the trail should name.
    async fn read_messages(&mut self, reader: &Reader) -> Result<u64, StoreError> {
        let (mut after, mut counted) = (None, 0);
        loop {
            let page = reader.message_sizes(after, PAGE_ROWS).await?;
            let Some(last) = page.last() else { return Ok(counted) };
            after = Some(last.id);
            let Contents { altered, unreadable, .. } = &mut self.contents;
            add_altered(reader, &page, altered, unreadable).await?;
            self.contents.compared += page.len() as u64;
            counted += page.iter().filter(|message| self.counts(message.id)).count() as u64;
        }
    }

    /// Looks up each message that the trail names. Returns how many of them are there.
    async fn read_trail(&mut self, reader: &Reader) -> Result<u64, StoreError> {
        let (mut read, mut found) = (0, 0);
        loop {
            let rows = reader.stored_rows(read, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            read = last.sequence;
            // A row that cannot be read is a fault of the trail, which is verified besides.
            let rows = rows.iter().filter_map(|row: &StoredRow| Some((row.message?, row.at)));
            let rows: Vec<_> = rows.filter(|(id, _)| *id >= self.floor).collect();
            let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
            let stored: HashSet<_> = reader.stored_among(&ids).await?;
            for (id, at) in rows {
                if !stored.contains(&id) {
                    self.add_missing(id, at);
                } else if self.counts(id) {
                    found += 1;
                }
            }
        }
    }

    fn counts(&self, id: MessageId) -> bool {
        id >= self.floor && self.ceiling.is_some_and(|ceiling| id <= ceiling)
    }

    /// `at` is the time of the row that names the message. It is written at the receipt, so a message of the
    /// row's time that no permit covers was not old enough for retention.
    fn add_missing(&mut self, id: MessageId, at: Timestamp) {
        let is_permitted = self
            .permitted
            .is_some_and(|before| id.time() < before && at.duration_since(before) < RECORD_MARGIN);
        if !is_permitted {
            return self.contents.missing.add(id);
        }
        let place = self.ranges.partition_point(|range| range.ends_before(id));
        match self.ranges.get_mut(place).filter(|range| range.begins_by(id)) {
            Some(range) => range.missing.add(id),
            None if self.contents.unknown_before.is_some_and(|before| id.time() < before) => {}
            None => self.contents.missing.add(id),
        }
    }
}

/// What passes removed, and what of it is not there.
struct Range {
    removed: RemovedMessages,
    missing: RemovedMessages,
}

impl Range {
    fn ends_before(&self, id: MessageId) -> bool {
        self.removed.range.is_some_and(|(_, last)| last < id)
    }

    fn begins_by(&self, id: MessageId) -> bool {
        self.removed.range.is_some_and(|(first, _)| first <= id)
    }
}

/// Joins the passes whose ranges overlap.
fn merged(mut passes: Vec<RemovedMessages>) -> Vec<Range> {
    passes.sort_unstable_by_key(|removed| removed.range);
    let mut ranges: Vec<Range> = Vec::new();
    for removed in passes {
        let Some((first, _)) = removed.range else { continue };
        match ranges.last_mut().filter(|range| !range.ends_before(first)) {
            Some(range) => range.removed.join(&removed),
            None => ranges.push(Range { removed, missing: RemovedMessages::default() }),
        }
    }
    ranges
}

/// Messages that are named of each kind.
const MAX_NAMED: usize = 10;
/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;
/// Bytes of messages that are read at once.
const MAX_READ_BYTES: u64 = 8 << 20;
/// How often everything is read while retention passes go on.
const MAX_ATTEMPTS: u32 = 3;
/// The row about a message is written a little after its receipt.
const RECORD_MARGIN: SignedDuration = SignedDuration::from_hours(1);
/// Identifiers of messages can differ from the time of their row in the trail where the clock was wrong.
const TRAIL_MARGIN: SignedDuration = SignedDuration::from_hours(24);
