//! Reads the content of messages one after the other, within bounds of rows and time: there is no index of
//! what stands in them.

use std::time::Duration;

use crate::model::{Clock, MessageId, beside_tasks};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::read::identity::Listed;
use crate::store::read::message::summary;
use crate::store::read::reader::Reader;
use crate::store::records::message::{MessageFilter, MessageSummary};
use crate::store::records::scan::Scanned;
use crate::store::row::Row;

/// A message whose content is looked at.
struct Candidate {
    summary: MessageSummary,
    raw: Vec<u8>,
    raw_size: Option<i64>,
}

impl Reader {
    /// The newest messages of a filter whose bytes satisfy `matches`, at most as many as the filter says.
    pub(in crate::store) async fn scan_messages(
        &self,
        filter: &MessageFilter,
        matches: &(dyn Fn(&[u8]) -> bool + Sync),
        clock: &Clock,
    ) -> Result<Scanned, StoreError> {
        let begin = clock.instant();
        let floor = match filter.missing_index() {
            // Without an index a page that is not full would read every message.
            Some(_) => self.floor(filter).await?,
            None => None,
        };
        let wanted = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let mut scanned = Scanned::default();
        let mut before = filter.before;
        loop {
            let page = MessageFilter { before, limit: PAGE_ROWS, ..filter.clone() };
            let (rows, is_cut) = self.listed_contents::<Candidate>(&page, floor, MAX_PAGE_BYTES).await?;
            let is_last = !is_cut && rows.len() < PAGE_ROWS as usize;
            beside_tasks(|| {
                for row in rows {
                    if scanned.messages.len() >= wanted {
                        break;
                    }
                    before = Some(row.summary.id);
                    scanned.add(row.finds(matches));
                }
            });
            if scanned.messages.len() >= wanted {
                scanned.stopped_at = before;
                return Ok(scanned);
            }
            if is_last {
                scanned.stopped_at = floor;
                return Ok(scanned);
            }
            let elapsed = clock.instant().saturating_duration_since(begin);
            if scanned.searched >= MAX_ROWS || elapsed >= MAX_TIME {
                scanned.stopped_at = before;
                return Ok(scanned);
            }
        }
    }
}

impl Listed for Candidate {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { summary: summary(row)?, raw: row.get("raw")?, raw_size: row.get("raw_size")? })
    }

    fn bytes(&self) -> usize {
        self.raw.len()
    }

    fn id(&self) -> MessageId {
        self.summary.id
    }
}

impl Candidate {
    /// The message, if its bytes satisfy `matches`. Bytes that cannot be decompressed hold nothing.
    fn finds(self, matches: &(dyn Fn(&[u8]) -> bool + Sync)) -> Option<MessageSummary> {
        let raw = Content::decompress(self.raw, self.raw_size).ok()?;
        matches(&raw).then_some(self.summary)
    }
}

/// Messages that one search reads at most.
const MAX_ROWS: u64 = 5_000;
/// The time after which one search reads no further page.
const MAX_TIME: Duration = Duration::from_secs(1);
/// Messages that are read at once.
const PAGE_ROWS: u32 = 100;
/// Stored bytes that are read at once.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
