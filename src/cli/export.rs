//! Exports: one JSON object per line, read from the store page by page.

use super::context::failed;
use super::operator::operator;
use super::{Failure, Output};
use crate::audit::{Event, Selection};
use crate::model::MessageId;
use crate::store::{Store, StoreError};

/// A list in the store that can be exported, newest first.
pub(super) trait Export {
    /// The ids of the next page: at most `limit`, none after the last page.
    async fn next_page(&mut self, limit: u32) -> Result<Vec<MessageId>, StoreError>;

    /// The JSON line of one item; `None` when retention has removed it since the page was read.
    async fn line(&self, id: MessageId) -> Result<Option<String>, Failure>;
}

/// Records the export in the audit trail, then writes a line for each item, at most `selection.limit`.
///
/// Items that are added meanwhile are not exported.
pub(super) async fn export(
    mut items: impl Export,
    selection: Selection,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let mut left = selection.limit.map_or(u64::MAX, u64::from);
    // Audited before the first line is written: if this process is killed, the row exists.
    store.audit(Event::MessagesExported { selection, actor: operator() }).await.map_err(failed)?;
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(PAGE_ROWS);
        let page = items.next_page(limit).await.map_err(failed)?;
        if page.is_empty() {
            break;
        }
        for id in page {
            let Some(line) = items.line(id).await? else { continue };
            output.line(&line)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Items whose ids are read in one query; their bytes are read one by one.
const PAGE_ROWS: u32 = 200;
