//! Which alert of an OBR has an event at a place of the device.

use std::collections::{BTreeSet, HashMap};

use super::statement::Statement;
use crate::model::work::count;

/// The alerts of one OBR by the place and the equipment of their events. A gateway may send hundreds of
/// events under one OBR; an observation finds its alert without a look at each of them.
#[derive(Default)]
pub(super) struct EventIndex<'m>(HashMap<[u32; 6], AtPlace<'m>>);

/// Positions of alerts.
#[derive(Default)]
struct AtPlace<'m> {
    all: BTreeSet<usize>,
    /// Whose event names no equipment.
    unnamed: BTreeSet<usize>,
    named: HashMap<&'m [u8], BTreeSet<usize>>,
}

impl<'m> EventIndex<'m> {
    pub(super) fn add(&mut self, event: &Statement<'m>, at: usize) {
        count(1 + event.equipment.len());
        let Some(place) = event.home else { return };
        let here = self.0.entry(place).or_default();
        here.all.insert(at);
        here.of_equipment(event.equipment).insert(at);
    }

    pub(super) fn remove(&mut self, event: &Statement<'m>, at: usize) {
        count(1 + event.equipment.len());
        let Some(here) = event.home.and_then(|place| self.0.get_mut(&place)) else { return };
        here.all.remove(&at);
        here.of_equipment(event.equipment).remove(&at);
    }

    /// The last alert at the place of a statement: of its equipment, or else of any.
    pub(super) fn find(&self, statement: &Statement<'m>) -> Option<usize> {
        count(1 + statement.equipment.len());
        let here = self.0.get(&statement.home?)?;
        let last = |alerts: &BTreeSet<usize>| alerts.last().copied();
        let any = last(&here.all);
        if statement.equipment.is_empty() {
            return any;
        }
        let named = here.named.get(statement.equipment).and_then(last);
        named.max(last(&here.unnamed)).or(any)
    }
}

impl<'m> AtPlace<'m> {
    fn of_equipment(&mut self, equipment: &'m [u8]) -> &mut BTreeSet<usize> {
        if equipment.is_empty() { &mut self.unnamed } else { self.named.entry(equipment).or_default() }
    }
}
