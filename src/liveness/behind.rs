//! The devices for which one certificate sends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::rules::{Change, DeviceLiveness};
use crate::model::SilentAfter;

/// The devices for which one certificate sends, by name.
#[derive(Debug, Default)]
pub(super) struct Behind(HashMap<Arc<str>, DeviceLiveness>);

/// Devices behind one certificate that went silent, or send again, since the last check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicesBehind {
    /// The names of the first [`DevicesBehind::MAX_NAMES`], sorted.
    pub names: Vec<Arc<str>>,
    /// How many more there are.
    pub others: usize,
    /// When the first of them was last heard, if they are silent.
    pub last_heard: Option<Timestamp>,
}

impl DevicesBehind {
    /// Names in one audit row.
    pub const MAX_NAMES: usize = 32;

    fn new(mut names: Vec<Arc<str>>, last_heard: Option<Timestamp>) -> Option<Self> {
        names.sort();
        let others = names.len().saturating_sub(Self::MAX_NAMES);
        names.truncate(Self::MAX_NAMES);
        (!names.is_empty()).then_some(Self { names, others, last_heard })
    }
}

impl Behind {
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut DeviceLiveness> {
        self.0.get_mut(name)
    }

    pub(super) fn insert(&mut self, name: Arc<str>, liveness: DeviceLiveness) {
        self.0.insert(name, liveness);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<DeviceLiveness> {
        self.0.remove(name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &DeviceLiveness)> {
        self.0.iter()
    }

    /// The devices by name.
    pub(super) fn sorted(&self) -> Vec<(Arc<str>, DeviceLiveness)> {
        let mut all: Vec<_> =
            self.0.iter().map(|(name, liveness)| (Arc::clone(name), liveness.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Their certificate is suspended.
    pub(super) fn suspend(&mut self) {
        self.0.values_mut().for_each(DeviceLiveness::suspend);
    }

    /// The platform listens to them again.
    pub(super) fn listen_from(&mut self, at: Timestamp) {
        self.0.values_mut().for_each(|liveness| liveness.listen_from(at));
    }

    /// Makes room for others: removes the device that was not heard for the longest time.
    pub(super) fn evict_any(&mut self) -> Option<Arc<str>> {
        let oldest = self.0.iter().min_by_key(|(_, liveness)| liveness.last_heard());
        let name = oldest.map(|(name, _)| Arc::clone(name))?;
        self.0.remove(&name);
        Some(name)
    }

    pub(super) fn silent(&self) -> usize {
        self.0.values().filter(|liveness| liveness.is_silent()).count()
    }

    /// When the first of those was heard last that are overdue or silent, and whether one is overdue.
    pub(super) fn not_heard(&self, now: Timestamp, rule: SilentAfter) -> Option<(Timestamp, bool)> {
        let missed = self.0.values().filter(|known| known.is_silent() || known.is_overdue(now, rule));
        let each = missed.map(|known| (known.last_heard(), known.is_overdue(now, rule)));
        each.reduce(|(first, any), (at, is_overdue)| (first.min(at), any || is_overdue))
    }

    /// Makes room: removes the device that is silent, or has left, the longest.
    pub(super) fn evict(&mut self) -> Option<Arc<str>> {
        let gone = self.0.iter().filter(|(_, liveness)| liveness.is_silent() || liveness.has_left());
        let name =
            gone.min_by_key(|(_, liveness)| liveness.last_heard()).map(|(name, _)| Arc::clone(name))?;
        self.0.remove(&name);
        Some(name)
    }

    /// Removes the devices that were not heard for [`FORGET_AFTER`].
    pub(super) fn forget(&mut self, now: Timestamp) -> Vec<Arc<str>> {
        let mut forgotten = Vec::new();
        self.0.retain(|name, liveness| {
            let keeps = liveness.unheard_for(now) <= FORGET_AFTER;
            if !keeps {
                forgotten.push(Arc::clone(name));
            }
            keeps
        });
        forgotten
    }

    /// Removes the devices that `is_gone`.
    pub(super) fn remove_where(&mut self, is_gone: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let gone: Vec<_> = self.0.keys().filter(|name| is_gone(name)).map(Arc::clone).collect();
        gone.iter().for_each(|name| drop(self.0.remove(name)));
        gone
    }

    /// The devices that went silent, and those that send again.
    pub(super) fn check(
        &mut self,
        now: Timestamp,
        rule: SilentAfter,
    ) -> (Option<DevicesBehind>, Option<DevicesBehind>) {
        let (mut silent, mut resumed, mut first) = (Vec::new(), Vec::new(), None::<Timestamp>);
        for (name, liveness) in &mut self.0 {
            match liveness.check(now, rule) {
                Some(Change::Silent { last_heard, .. }) => {
                    first = Some(first.map_or(last_heard, |known| known.min(last_heard)));
                    silent.push(Arc::clone(name));
                }
                Some(Change::Resumed { .. }) => resumed.push(Arc::clone(name)),
                None => {}
            }
        }
        (DevicesBehind::new(silent, first), DevicesBehind::new(resumed, None))
    }
}

/// A device behind a gateway that was not heard for so long is no longer watched: it was taken away.
const FORGET_AFTER: Duration = Duration::from_hours(7 * 24);
