//! What is known of limits by size, from one retention pass to the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::audit::MessageKind;
use crate::store::{HourVolume, Volume};

/// What the last retention pass found, for findings, and what this process has measured.
#[derive(Debug, Default)]
pub(super) struct SizeWatch {
    known: ArcSwap<Vec<LimitedKind>>,
    /// The hours that this process has measured. Any program that writes to the database can change the table
    /// of the store, and a size that is too large would remove messages.
    measured: Mutex<BTreeMap<Timestamp, HourVolume>>,
}

/// A kind of messages with a limit.
#[derive(Debug, Clone)]
pub(super) struct LimitedKind {
    pub(super) kind: MessageKind,
    /// In bytes.
    pub(super) limit: u64,
    pub(super) volume: Volume,
    /// Hours that are not measured yet: until they are, nothing goes by size.
    pub(super) unmeasured: usize,
    /// When messages were removed by size last, as far as this process knows.
    pub(super) removed_at: Option<Timestamp>,
}

impl LimitedKind {
    /// What goes, so that the rest is within the limit.
    pub(super) fn cutoff(&self) -> Option<Timestamp> {
        self.volume.cutoff.filter(|_| self.unmeasured == 0)
    }
}

impl SizeWatch {
    pub(super) fn known(&self) -> Arc<Vec<LimitedKind>> {
        self.known.load_full()
    }

    /// The limit of this kind.
    pub(super) fn of(&self, kind: MessageKind) -> Option<LimitedKind> {
        self.known().iter().find(|known| known.kind == kind).cloned()
    }

    /// Takes what a pass found.
    pub(super) fn note(&self, known: Vec<LimitedKind>) {
        self.known.store(Arc::new(known));
    }

    /// Messages of this kind were removed by size.
    pub(super) fn removed(&self, kind: MessageKind, at: Timestamp) {
        let mut known = Vec::clone(&self.known());
        known.iter_mut().filter(|known| known.kind == kind).for_each(|known| known.removed_at = Some(at));
        self.note(known);
    }

    /// This process has measured these hours.
    pub(super) fn note_measured(&self, hours: Vec<HourVolume>) {
        self.own().extend(hours.into_iter().map(|volume| (volume.hour, volume)));
    }

    /// What this process has measured of these hours, in their order, and those that it has not measured.
    /// What it knows of hours before the first of them is forgotten.
    pub(super) fn measured_of(&self, hours: &[HourVolume]) -> (Vec<HourVolume>, Vec<Timestamp>) {
        let mut own = self.own();
        if let Some(first) = hours.first() {
            *own = own.split_off(&first.hour);
        }
        let (mut measured, mut missing) = (Vec::with_capacity(hours.len()), Vec::new());
        for HourVolume { hour, .. } in hours {
            match own.get(hour) {
                Some(volume) => measured.push(*volume),
                None => missing.push(*hour),
            }
        }
        (measured, missing)
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<Timestamp, HourVolume>> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
