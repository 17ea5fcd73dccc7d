//! What is known of limits by size, from one retention pass to the next.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::audit::MessageKind;
use crate::store::Volume;

/// What the last retention pass found, for findings.
#[derive(Debug, Default)]
pub(super) struct SizeWatch(ArcSwap<Vec<LimitedKind>>);

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
        self.0.load_full()
    }

    /// The limit of this kind.
    pub(super) fn of(&self, kind: MessageKind) -> Option<LimitedKind> {
        self.known().iter().find(|known| known.kind == kind).cloned()
    }

    /// Takes what a pass found.
    pub(super) fn note(&self, known: Vec<LimitedKind>) {
        self.0.store(Arc::new(known));
    }

    /// Messages of this kind were removed by size.
    pub(super) fn removed(&self, kind: MessageKind, at: Timestamp) {
        let mut known = Vec::clone(&self.known());
        known.iter_mut().filter(|known| known.kind == kind).for_each(|known| known.removed_at = Some(at));
        self.note(known);
    }
}
