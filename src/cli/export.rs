//! Exports: one JSON object per line, read from the store page by page.

use super::context::failed;
use super::operator::operator;
use super::{Failure, Output};
use crate::audit::{Event, Selection};
use crate::model::{MessageId, json_without_deception};
use crate::store::{Store, StoreError};

/// A list in the store that can be exported, newest first.
pub(super) trait Export {
    /// The ids of the next page: at most `limit`, none after the last page.
    async fn next_page(&mut self, limit: u32) -> Result<Vec<MessageId>, StoreError>;

    /// One item; `None` when retention has removed it since the page was read.
    async fn line(&self, id: MessageId) -> Result<Option<Line>, Failure>;
}

/// An exported item.
pub(super) struct Line {
    pub(super) json: String,
    /// Whether its bytes have the digest that was stored with them.
    pub(super) is_intact: bool,
}

/// Items whose bytes are not those that were received.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} exported messages do not have the SHA-256 that was stored with them (\"intact\":false), the first of them \
     {first}: they were changed or damaged after they were received; run `store check`"
)]
struct Altered {
    count: u64,
    first: MessageId,
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
    let mut altered: Option<Altered> = None;
    // Audited before the first line is written: if this process is killed, the row exists.
    store.audit(Event::MessagesExported { selection, actor: operator() }).await.map_err(failed)?;
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(PAGE_ROWS);
        let page = items.next_page(limit).await.map_err(failed)?;
        if page.is_empty() {
            break;
        }
        for id in page {
            let Some(Line { json, is_intact }) = items.line(id).await? else { continue };
            output.line(&json_without_deception(&json))?;
            left -= 1;
            if !is_intact {
                altered.get_or_insert(Altered { count: 0, first: id }).count += 1;
            }
        }
    }
    altered.map_or(Ok(()), |altered| Err(altered.into()))
}

/// Items whose ids are read in one query; their bytes are read one by one.
const PAGE_ROWS: u32 = 200;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::store::fixtures::TestStore;

    /// A list of which retention has removed every second item.
    struct HalfRemoved {
        ids: Vec<MessageId>,
        page_limits: Rc<RefCell<Vec<u32>>>,
        lines: Rc<RefCell<usize>>,
    }

    impl Export for HalfRemoved {
        async fn next_page(&mut self, limit: u32) -> Result<Vec<MessageId>, StoreError> {
            self.page_limits.borrow_mut().push(limit);
            let count = self.ids.len().min(limit as usize);
            Ok(self.ids.drain(..count).collect())
        }

        async fn line(&self, _: MessageId) -> Result<Option<Line>, Failure> {
            *self.lines.borrow_mut() += 1;
            let is_removed = self.lines.borrow().is_multiple_of(2);
            Ok((!is_removed).then(|| Line { json: "{}".to_owned(), is_intact: true }))
        }
    }

    /// Exports a list of `items`; the limit of each page, and the number of items that were read.
    async fn exported(items: usize, limit: Option<u32>) -> (Vec<u32>, usize) {
        let place = TestStore::new();
        let store = place.open().await;
        let (page_limits, lines) = (Rc::default(), Rc::default());
        let ids = vec![place.record("1", b"").id; items];
        let list = HalfRemoved { ids, page_limits: Rc::clone(&page_limits), lines: Rc::clone(&lines) };
        let selection = Selection { limit, ..Selection::default() };
        export(list, selection, &store, Output::new(true)).await.unwrap();
        (page_limits.take(), lines.take())
    }

    #[tokio::test]
    async fn removed_items_do_not_count_towards_the_limit() {
        assert_eq!(exported(10, Some(3)).await, (vec![3, 1, 1], 5), "the second and the fourth are removed");
        assert_eq!(exported(0, Some(3)).await, (vec![3], 0));
        assert_eq!(exported(10, Some(0)).await, (vec![], 0));
    }

    #[tokio::test]
    async fn without_a_limit_every_page_is_exported() {
        let pages = (vec![PAGE_ROWS; 4], 2 * PAGE_ROWS as usize + 1);
        assert_eq!(exported(pages.1, None).await, pages, "two full pages, one item, and the empty page");
    }
}
