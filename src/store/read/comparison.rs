//! Compares the stored messages with their digests, and with the rows of the audit trail about them.
//!
//! Each message has a row in the trail, and each retention pass has one that says what it removed, and each
//! copy that was replaced one that says by what. So a message that is not there was removed by a pass, was
//! replaced, or was removed by something else; and one without a row was not stored by the platform. The
//! memory that this takes grows with the passes and the replaced copies only, by some bytes for each.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::audit::{MessageKind, RemovedMessages, SignatureVerifier};
use crate::model::{Fingerprint, LongWork, MessageId};
use crate::store::error::StoreError;
use crate::store::read::contents::{MessageSize, ReadMessages, StoredRow};
use crate::store::read::passes::{Passes, PermittedTimes};
use crate::store::read::reader::Reader;
use crate::store::read::replacements::Replacements;
use crate::store::records::message::{MAX_COPY_AGE, first_id};

/// What was found about the stored messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Messages whose bytes were compared with their digest.
    pub compared: u64,
    /// Messages whose bytes differ from it.
    pub altered: NamedMessages,
    /// Messages whose bytes the database does not return, or not as bytes.
    pub unreadable: NamedMessages,
    /// Messages that a search by an identity which they name does not find.
    pub unindexed: NamedMessages,
    /// Messages whose digest is not the one that the trail recorded: their bytes were replaced together with
    /// it.
    pub replaced: NamedMessages,
    /// Messages that were acknowledged because they were stored already, and that the trail names in no other
    /// row.
    pub unfounded: NamedMessages,
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
        let named = [&self.altered, &self.unreadable, &self.unindexed];
        named.iter().all(|named| named.count == 0) && !self.differ_from_trail()
    }

    async fn add(&mut self, reader: &Reader, read: ReadMessages) -> Result<(), StoreError> {
        read.altered.into_iter().for_each(|id| self.altered.add(id));
        let missing = reader.not_indexed(&read.indexed).await?;
        missing.into_iter().for_each(|id| self.unindexed.add(id));
        Ok(())
    }

    fn differ_from_trail(&self) -> bool {
        let named = [&self.replaced, &self.unfounded, &self.missing];
        named.iter().any(|named| named.count > 0) || !self.unexplained.is_empty() || self.unrecorded > 0
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
    work: &LongWork,
) -> Result<Contents, StoreError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let comparison = Comparison::start(reader, signatures, now).await?;
        let (passes, replaced) = (comparison.last_pass, comparison.replacements.last);
        let contents = comparison.run(reader, work).await?;
        // A retention pass that went on meanwhile looks like a removal, and so does a copy that was replaced:
        // read again.
        let is_still = reader.pruned_rows(passes, 1).await?.is_empty()
            && !Replacements::are_after(reader, replaced).await?;
        if is_still || attempts == MAX_ATTEMPTS || !contents.differ_from_trail() {
            return Ok(contents);
        }
    }
}

/// The messages whose bytes differ from their digest, or cannot be read.
pub(in crate::store) async fn altered(reader: &Reader, work: &LongWork) -> Result<NamedMessages, StoreError> {
    work.begin("messages of the copy", Some(reader.message_count().await?));
    let (mut after, mut contents) = (None, Contents::default());
    loop {
        let page = reader.message_sizes(after, PAGE_ROWS).await?;
        let Some(last) = page.last() else {
            let Contents { mut altered, mut unreadable, .. } = contents;
            altered.count += unreadable.count;
            altered.first.append(&mut unreadable.first);
            return Ok(altered);
        };
        after = Some(last.id);
        add_page(reader, &page, &mut contents).await?;
        work.advance(page.len() as u64);
    }
}

/// Adds what is wrong with the messages of `page`; reads a part of it at once. Where a part cannot be read,
/// each message by itself.
async fn add_page(reader: &Reader, page: &[MessageSize], contents: &mut Contents) -> Result<(), StoreError> {
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
        match reader.read_messages(begin.id, end.id).await {
            Ok(read) => contents.add(reader, read).await?,
            Err(StoreError::Corrupt { .. }) => {
                for message in part {
                    match reader.read_messages(message.id, message.id).await {
                        Ok(read) => contents.add(reader, read).await?,
                        Err(StoreError::Corrupt { .. }) => contents.unreadable.add(message.id),
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
    /// Messages that retention may have removed, by kind.
    permitted: PermittedTimes,
    /// Messages that took the place of a copy.
    replacements: Replacements,
    /// The first row that is left of a chain whose older rows retention removed: the latest of them.
    begins: Option<Timestamp>,
    /// Messages from here on are compared with the trail.
    floor: MessageId,
    /// Messages after this one are newer than the comparison, and not counted.
    ceiling: Option<MessageId>,
    /// Messages that came again.
    resent: HashMap<MessageId, Resent>,
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
        let replacements = Replacements::read(reader).await?;
        let (floor, resent) = (MessageId::from_bytes(floor), HashMap::new());
        Ok(Self { ranges, last_pass, permitted, replacements, begins, floor, ceiling, resent, contents })
    }

    async fn run(mut self, reader: &Reader, work: &LongWork) -> Result<Contents, StoreError> {
        let stored = self.read_messages(reader, work).await?;
        let recorded = self.read_trail(reader, work).await?;
        self.compare_resends(reader).await?;
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
    async fn read_messages(&mut self, reader: &Reader, work: &LongWork) -> Result<u64, StoreError> {
        work.begin("messages", Some(reader.message_count().await?));
        let (mut after, mut counted) = (None, 0);
        loop {
            let page = reader.message_sizes(after, PAGE_ROWS).await?;
            let Some(last) = page.last() else { return Ok(counted) };
            after = Some(last.id);
            add_page(reader, &page, &mut self.contents).await?;
            self.contents.compared += page.len() as u64;
            work.advance(page.len() as u64);
            counted += page.iter().filter(|message| self.counts(message.id)).count() as u64;
        }
    }

    /// Looks up each message that the trail names. Returns how many of them are there.
    async fn read_trail(&mut self, reader: &Reader, work: &LongWork) -> Result<u64, StoreError> {
        work.begin("messages in the audit trail", Some(self.contents.compared));
        let (mut read, mut found) = (0, 0);
        loop {
            let rows = reader.stored_rows(read, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            read = last.sequence;
            work.advance(rows.len() as u64);
            // A row that cannot be read is a fault of the trail, which is verified besides.
            let rows = rows.iter().filter_map(|row: &StoredRow| Some((row.message?, row)));
            let rows: Vec<_> = rows.filter(|(id, row)| self.is_compared(*id, row)).collect();
            let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
            let stored = reader.stored_among(&ids).await?;
            for (id, row) in rows {
                let stored = stored.get(&id);
                if row.is_resend {
                    self.add_resent(id, row, stored.is_some());
                    continue;
                }
                let Some(digest) = stored else {
                    self.add_missing(id, row);
                    continue;
                };
                found += u64::from(self.counts(id));
                if row.digest.is_some_and(|recorded| recorded.as_bytes().as_slice() != digest) {
                    self.contents.replaced.add(id);
                }
            }
        }
    }

    /// Rows of other chains from before the beginning of the trail say nothing: what came of them may be in
    /// rows that are gone.
    fn is_compared(&self, id: MessageId, row: &StoredRow) -> bool {
        match row.is_resend {
            true => self.begins.is_none_or(|begins| row.at >= begins),
            false => id >= self.floor,
        }
    }

    /// Each row about a message that came again stands for an acknowledgement: the message has to be there,
    /// or to have reached its age since.
    fn add_resent(&mut self, id: MessageId, row: &StoredRow, is_stored: bool) {
        let is_lost = !is_stored && self.fate(id, row) == Fate::Missing;
        let is_full = self.resent.len() >= MAX_RESENDS;
        match (self.resent.get_mut(&id), row.digest) {
            (Some(resent), _) => {
                resent.is_lost |= is_lost;
                resent.last = resent.last.max(row.at);
            }
            (None, Some(digest)) if !is_full => {
                let resent = Resent { digest, founded: Founded::Not, is_lost, last: row.at };
                self.resent.insert(id, resent);
            }
            (None, _) if is_lost => self.contents.missing.add(id),
            (None, _) => {}
        }
    }

    /// Requires of each message that came again that another row of the trail names it, with the same bytes:
    /// it was acknowledged for that. Where retention may have removed that row, the message has to be there,
    /// or to be old enough.
    async fn compare_resends(&mut self, reader: &Reader) -> Result<(), StoreError> {
        let mut resent = std::mem::take(&mut self.resent);
        let mut read = 0;
        while !resent.is_empty() {
            let rows = reader.stored_rows(read, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            read = last.sequence;
            for row in rows.iter().filter(|row| !row.is_resend) {
                let Some(id) = row.message else { continue };
                let Some(resent) = resent.get_mut(&id) else { continue };
                resent.founded = resent.founded.max(match row.digest {
                    Some(digest) if digest == resent.digest => Founded::Wholly,
                    Some(_) => Founded::Not,
                    None => Founded::WithoutDigest,
                });
                // Only the row about its receipt says that it is a large one.
                resent.is_lost &= !(row.kind == MessageKind::Large
                    && self.is_permitted(id, MessageKind::Large, resent.last, MAX_COPY_AGE));
                // Named already.
                resent.is_lost &= !(self.is_compared(id, row) && self.fate(id, row) == Fate::Missing);
            }
        }
        let mut ids: Vec<_> = resent.keys().copied().collect();
        ids.sort_unstable();
        for ids in ids.chunks(PAGE_ROWS as usize) {
            let stored = reader.stored_among(ids).await?;
            for id in ids {
                let Some(Resent { digest, founded, is_lost, .. }) = resent.get(id) else { continue };
                if *is_lost {
                    self.contents.missing.add(*id);
                }
                if *founded == Founded::Wholly {
                    continue;
                }
                if stored.get(id).is_some_and(|stored| stored != digest.as_bytes()) {
                    self.contents.replaced.add(*id);
                }
                if *id >= self.floor && *founded == Founded::Not {
                    self.contents.unfounded.add(*id);
                }
            }
        }
        Ok(())
    }

    fn counts(&self, id: MessageId) -> bool {
        id >= self.floor && self.ceiling.is_some_and(|ceiling| id <= ceiling)
    }

    fn add_missing(&mut self, id: MessageId, row: &StoredRow) {
        match self.fate(id, row) {
            Fate::Missing => self.contents.missing.add(id),
            Fate::Removed(place) => {
                if let Some(range) = self.ranges.get_mut(place) {
                    range.missing.add(id);
                }
            }
            Fate::Explained => {}
        }
    }

    /// Whether retention may have removed a message of this kind, of which a row was written at `at`, when it
    /// was `age` old at most.
    fn is_permitted(&self, id: MessageId, kind: MessageKind, at: Timestamp, age: SignedDuration) -> bool {
        self.permitted.of(kind).is_some_and(|before| {
            id.time() < before && at.duration_since(before) < RECORD_MARGIN.saturating_add(age)
        })
    }

    /// What became of a message that is not there. `row` names it. The row is written at the receipt, so a
    /// message of the row's time that no permit of its kind covers was not old enough for retention; one that
    /// came again was [`MAX_COPY_AGE`] old at most.
    fn fate(&self, id: MessageId, row: &StoredRow) -> Fate {
        if self.replacements.explain(id, row) {
            return Fate::Explained;
        }
        let age = if row.is_resend { MAX_COPY_AGE } else { SignedDuration::ZERO };
        if !self.is_permitted(id, row.kind, row.at, age) {
            return Fate::Missing;
        }
        if row.is_resend {
            // Its other row says whether it was retention that removed it.
            return Fate::Explained;
        }
        let place = self.ranges.partition_point(|range| range.ends_before(id));
        match self.ranges.get(place).filter(|range| range.begins_by(id)) {
            Some(_) => Fate::Removed(place),
            None if self.contents.unknown_before.is_some_and(|before| id.time() < before) => Fate::Explained,
            None => Fate::Missing,
        }
    }
}

/// What became of a message that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Missing,
    /// Retention removed messages of this range.
    Removed(usize),
    Explained,
}

/// A message that came again.
struct Resent {
    /// The digest of what came.
    digest: Fingerprint,
    founded: Founded,
    /// It is not there, and nothing explains that.
    is_lost: bool,
    /// When it came last.
    last: Timestamp,
}

/// What other rows of the trail say of a message that came again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Founded {
    Not,
    /// They name the message, without its digest: an earlier version wrote them.
    WithoutDigest,
    /// They name it with the same bytes.
    Wholly,
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
/// Messages that came again and are compared with the rest of the trail.
const MAX_RESENDS: usize = 100_000;
/// How often everything is read while retention passes go on.
const MAX_ATTEMPTS: u32 = 3;
/// The row about a message is written a little after its receipt.
const RECORD_MARGIN: SignedDuration = SignedDuration::from_hours(1);
/// Identifiers of messages can differ from the time of their row in the trail where the clock was wrong.
const TRAIL_MARGIN: SignedDuration = SignedDuration::from_hours(24);
