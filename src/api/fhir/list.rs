//! Searches of devices, metrics and patients: by a key, in the order of changes, or all.

use super::answer::Failure;
use super::bundle::Page;
use super::cursor::Cursor;
use super::observations::MAX_TOTAL;
use super::read::Scope;
use crate::model::MessageId;
use crate::store::{FoundResource, ResourcesOf};
use jiff::Timestamp;

/// The resources of a page.
pub(super) async fn list(
    scope: &Scope<'_>,
    of: ResourcesOf<'_>,
    cursor: Option<Cursor>,
) -> Result<Page, Failure> {
    let mut total = (scope.query.wants_total && cursor.is_none()).then_some(0);
    let mut behind = first(scope, &of, cursor).await?;
    let (mut collector, mut next) = (scope.collector(), None);
    let mut budget = scope.reads.budget();
    loop {
        let rows = scope.reads.store.resource_page(&of, behind.as_ref(), ROWS_OF_A_PAGE).await?;
        let messages: Vec<MessageId> = rows.iter().map(|row| row.message).collect();
        let rendered = scope.renderer.render(&messages).await?;
        for row in &rows {
            let is_over = !budget.visit(scope.reads.store.now());
            if next.is_none() && (collector.is_full() || is_over) {
                next = Some(behind.clone().map(cursor_behind));
            }
            // What is beyond the page is only counted.
            if is_over || (next.is_some() && total.is_none()) {
                return Ok(collector.finish(next.flatten(), None));
            }
            let seen = match rendered.get(&row.message) {
                Some(it) => scope.listed(it, row).await?,
                None => None,
            };
            if let Some(seen) = seen.filter(|seen| scope.query.fits(&seen.resource, None)) {
                total = total.map(|total: u64| total + 1).filter(|total| *total < MAX_TOTAL);
                if next.is_none() {
                    collector.push(seen.resource)?;
                }
            }
            behind = Some(row.clone());
        }
        if rows.len() < ROWS_OF_A_PAGE as usize {
            return Ok(collector.finish(next.flatten(), total));
        }
    }
}

/// The row behind which the page begins.
async fn first(
    scope: &Scope<'_>,
    of: &ResourcesOf<'_>,
    cursor: Option<Cursor>,
) -> Result<Option<FoundResource>, Failure> {
    match cursor {
        Some(Cursor::Resource { number, seq, reference }) => Ok(Some(row(number, seq, reference))),
        Some(_) => Err(Failure::bad("the link of this page belongs to another search")),
        None => {
            let since = scope.query.updated.iter().filter_map(|moment| moment.earliest_end()).max();
            match (of, since) {
                (ResourcesOf::Changes(_), Some(since)) => {
                    let seq = scope.reads.store.first_change_since(since, false).await?;
                    Ok(Some(row(0, seq.saturating_sub(1), String::new())))
                }
                _ => Ok(None),
            }
        }
    }
}

fn cursor_behind(row: FoundResource) -> Cursor {
    Cursor::Resource { number: row.number, seq: row.seq, reference: row.reference }
}

fn row(number: u64, seq: u64, reference: String) -> FoundResource {
    let (message, projected_at) = (MessageId::from_bytes([0; 16]), Timestamp::UNIX_EPOCH);
    FoundResource { reference, number, seq, message, version: 0, projected_at }
}

/// Rows that are read at once.
const ROWS_OF_A_PAGE: u32 = 32;
