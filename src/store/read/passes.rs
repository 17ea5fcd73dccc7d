//! What retention has removed, as far as the platform has signed that it may be gone.
//!
//! Who writes to the database can append a row `messages-pruned`. Such a row counts for nothing beyond what
//! the platform has signed: a permit says that messages of a kind that were received before a time may be
//! gone. So one permit of each kind covers every pass up to its time, those of earlier versions as well, and
//! a copied permit permits nothing that the platform has not permitted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::{MessageKind, RemovedMessages, SignatureVerifier};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::read::contents::PrunedRow;
use crate::store::read::reader::Reader;

/// Messages of each kind that were received before its time may be gone; none: no message of it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct PermittedTimes {
    accepted: Option<Timestamp>,
    rejected: Option<Timestamp>,
    large: Option<Timestamp>,
}

impl PermittedTimes {
    /// Whether a pass over messages of this kind up to this time was permitted.
    fn covers(self, kind: MessageKind, before: Timestamp) -> bool {
        self.of(kind).is_some_and(|time| before <= time)
    }

    /// Whether a permit of this kind is known.
    fn has(self, kind: MessageKind) -> bool {
        match kind {
            MessageKind::Large => self.large.is_some(),
            _ => self.of(kind).is_some(),
        }
    }

    /// The time before which messages of this kind may be gone.
    pub(in crate::store) fn of(self, kind: MessageKind) -> Option<Timestamp> {
        match kind {
            MessageKind::Accepted => self.accepted,
            MessageKind::Rejected => self.rejected,
            // They are accepted messages as well.
            MessageKind::Large => self.accepted.max(self.large),
            MessageKind::Any => self.accepted.min(self.rejected),
        }
    }

    fn permit(&mut self, kind: MessageKind, before: Timestamp) {
        if matches!(kind, MessageKind::Accepted | MessageKind::Any) {
            self.accepted = self.accepted.max(Some(before));
        }
        if matches!(kind, MessageKind::Rejected | MessageKind::Any) {
            self.rejected = self.rejected.max(Some(before));
        }
        if kind == MessageKind::Large {
            self.large = self.large.max(Some(before));
        }
    }
}

/// The retention passes in the trail.
#[derive(Default)]
pub(in crate::store) struct Passes {
    /// What may be gone.
    pub(in crate::store) permitted: PermittedTimes,
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
        let mut passes = Self { permitted: newest_permits(reader, signatures).await?, ..Self::default() };
        loop {
            let rows = reader.pruned_rows(passes.last, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(passes) };
            passes.last = last.sequence;
            rows.into_iter().for_each(|row| passes.add(row, signatures));
        }
    }

    fn add(&mut self, row: PrunedRow, signatures: &dyn SignatureVerifier) {
        let kind = row.permit.as_ref().map_or(MessageKind::Any, |permit| permit.kind);
        // Where a clock went back, a permit can be later than the newest one.
        if row.before.is_some_and(|before| !self.permitted.covers(kind, before))
            && let Some((kind, before)) = valid_permit(&row, signatures)
        {
            self.permitted.permit(kind, before);
        }
        if row.removed.is_some_and(|removed| removed.count == 0) {
            return;
        }
        let before = row.before.filter(|before| self.permitted.covers(kind, *before));
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

/// Of each kind the time of the newest permit that is valid.
async fn newest_permits(
    reader: &Reader,
    signatures: &dyn SignatureVerifier,
) -> Result<PermittedTimes, StoreError> {
    let mut permitted = PermittedTimes::default();
    let (mut before, mut limit) = (u64::MAX, NEWEST_ROWS);
    // Where messages of one kind stay forever, nothing permits their removal, and all rows are read.
    while permitted.of(MessageKind::Any).is_none() {
        let rows = reader.newest_pruned_rows(before, limit).await?;
        let Some(last) = rows.last() else { break };
        (before, limit) = (last.sequence, PAGE_ROWS);
        for row in rows {
            let kind = row.permit.as_ref().map(|permit| permit.kind);
            if kind.is_none_or(|kind| permitted.has(kind)) {
                continue;
            }
            if let Some((kind, before)) = valid_permit(&row, signatures) {
                permitted.permit(kind, before);
            }
        }
    }
    Ok(permitted)
}

fn valid_permit(row: &PrunedRow, signatures: &dyn SignatureVerifier) -> Option<(MessageKind, Timestamp)> {
    let permit = row.permit.as_ref()?;
    permit.is_valid(signatures, &row.node, row.at).then_some((permit.kind, permit.before))
}

/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;
/// The same at first while the newest permits are sought: usually they are among the last rows.
const NEWEST_ROWS: u32 = 20;
