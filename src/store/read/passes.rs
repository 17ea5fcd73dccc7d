//! What retention has removed, as far as the platform has signed that it may be gone.
//!
//! Who writes to the database can append a row `messages-pruned`. Such a row counts for nothing beyond what
//! the platform has signed: a permit says that messages received before a time may be gone. So one permit
//! covers every pass up to its time, those of earlier versions as well, and a copied permit permits nothing
//! that the platform has not permitted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::{RemovedMessages, SignatureVerifier, permit_bytes};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::read::contents::PrunedRow;
use crate::store::read::reader::Reader;

/// The retention passes in the trail.
#[derive(Default)]
pub(in crate::store) struct Passes {
    /// Messages that were received before this time may be gone; none: no message may.
    pub(in crate::store) permitted: Option<Timestamp>,
    /// What was removed, of the passes that are permitted.
    pub(in crate::store) removed: Vec<RemovedMessages>,
    /// The latest time of permitted passes that did not record what they removed.
    pub(in crate::store) unknown_before: Option<Timestamp>,
    /// Of each node, the first row about messages whose removal the platform has not permitted.
    pub(in crate::store) unpermitted: BTreeMap<NodeName, u64>,
    /// The last of the rows, by its sequence.
    pub(in crate::store) last: u64,
}

impl Passes {
    /// Reads them all.
    pub(in crate::store) async fn read(
        reader: &Reader,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Self, StoreError> {
        let mut passes = Self { permitted: newest_permit(reader, signatures).await?, ..Self::default() };
        loop {
            let rows = reader.pruned_rows(passes.last, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(passes) };
            passes.last = last.sequence;
            rows.into_iter().for_each(|row| passes.add(row, signatures));
        }
    }

    fn add(&mut self, row: PrunedRow, signatures: &dyn SignatureVerifier) {
        // Where a clock went back, a permit can be later than the newest one.
        if row.before.is_some_and(|before| self.permitted.is_none_or(|time| time < before)) {
            self.permitted = self.permitted.max(valid_permit(&row, signatures));
        }
        if row.removed.is_some_and(|removed| removed.count == 0) {
            return;
        }
        let before = row.before.filter(|before| self.permitted.is_some_and(|time| *before <= time));
        match (before, row.removed) {
            (Some(before), Some(removed)) if removed.range.is_some_and(|(_, last)| last.time() < before) => {
                self.removed.push(removed);
            }
            (Some(before), None) => self.unknown_before = self.unknown_before.max(Some(before)),
            _ => {
                self.unpermitted.entry(row.node).or_insert(row.number);
            }
        }
    }
}

/// The time of the newest permit that is valid.
async fn newest_permit(
    reader: &Reader,
    signatures: &dyn SignatureVerifier,
) -> Result<Option<Timestamp>, StoreError> {
    let mut before = u64::MAX;
    loop {
        let rows = reader.newest_pruned_rows(before, NEWEST_ROWS).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        before = last.sequence;
        if let Some(time) = rows.iter().find_map(|row| valid_permit(row, signatures)) {
            return Ok(Some(time));
        }
    }
}

fn valid_permit(row: &PrunedRow, signatures: &dyn SignatureVerifier) -> Option<Timestamp> {
    let permit = row.permit.as_ref()?;
    let message = permit_bytes(&row.node, permit.before);
    signatures.verify(&message, &permit.signature, row.at).ok().map(|()| permit.before)
}

/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;
/// The same while the newest permit is sought: usually it is the first.
const NEWEST_ROWS: u32 = 20;
