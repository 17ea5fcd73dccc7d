//! The order in which entries are written: fair between devices.
//!
//! Each device has a lane, and the platform itself has one. A batch takes entries from the lanes in turn, and
//! from each lane at most its share, so that a device that floods the store or sends messages that are
//! expensive to write delays its own messages only. A device that sends alone has all of the batch. Within a
//! lane the order is that of arrival, and within a batch too. A removal is a batch by itself; it waits for
//! one batch of the others, and they wait for one removal.

use std::collections::{HashMap, VecDeque};

use crate::model::DeviceId;

/// Whose entries wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::store) enum Lane {
    /// Those of the platform and of its operators.
    Platform,
    /// Reads of hospital systems. They have at most a tenth of a batch: devices come first.
    Readers,
    /// Messages and sessions of this device.
    Device(DeviceId),
    /// Removals, and the index of FHIR resources. Each has a batch of its own: what the database refuses to
    /// remove, or removes slowly, must not cost a sender its message.
    Retention,
}

/// The entries that wait, with their jobs.
#[derive(Debug)]
pub(super) struct Lanes<J> {
    waiting: HashMap<Lane, VecDeque<Waiting<J>>>,
    /// The lanes with entries; the first is next.
    turns: VecDeque<Lane>,
    /// Entries so far.
    arrived: u64,
    /// The device lane that was seen last.
    last_device: Option<Lane>,
    /// For how many more batches a device counts as one of several: another one has sent lately.
    contended: u32,
}

#[derive(Debug)]
struct Waiting<J> {
    number: u64,
    work: u32,
    job: J,
}

impl<J> Lanes<J> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new(), arrived: 0, last_device: None, contended: 0 }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Adds a job behind those of its lane. `work` is what its entry costs the writer.
    pub(super) fn push(&mut self, lane: Lane, work: u32, job: J) {
        self.arrived += 1;
        let waiting = self.waiting.entry(lane.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(lane);
        }
        waiting.push_back(Waiting { number: self.arrived, work, job });
    }

    /// Removes the jobs of the next batch and appends them to `batch`, in the order of their arrival.
    pub(super) fn take(&mut self, batch: &mut Vec<J>) {
        if self.turns.front() == Some(&Lane::Retention) {
            batch.extend(self.take_removal());
            return;
        }
        let turns = self.turns.len();
        self.turns.retain(|lane| *lane != Lane::Retention);
        let has_removal = self.turns.len() < turns;
        self.take_from_turns(batch);
        if has_removal {
            self.turns.push_front(Lane::Retention);
        }
    }

    /// The next removal, whose lane comes behind the others afterwards.
    fn take_removal(&mut self) -> Option<J> {
        self.turns.pop_front();
        let waiting = self.waiting.get_mut(&Lane::Retention)?;
        let removal = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&Lane::Retention);
        } else {
            self.turns.push_back(Lane::Retention);
        }
        removal.map(|removal| removal.job)
    }

    /// The jobs of a batch of entries that are no removals.
    fn take_from_turns(&mut self, batch: &mut Vec<J>) {
        let max_lane_work = self.lane_share();
        let mut chosen = Vec::with_capacity(self.turns.len());
        let mut total = 0_u32;
        // Lanes that still have a share in this batch, with the work of theirs so far.
        let mut round: VecDeque<(Lane, u32)> = self.turns.drain(..).map(|lane| (lane, 0)).collect();
        let mut rest = VecDeque::new();
        while let Some((lane, spent)) = round.pop_front() {
            let Some(waiting) = self.waiting.get_mut(&lane) else { continue };
            let fits = |work: u32| {
                // The first small message of a lane goes with any batch: waiting for the next one takes
                // longer.
                let fits_batch = chosen.is_empty()
                    || (spent == 0 && work <= SMALL_WORK)
                    || work.saturating_add(total) <= MAX_BATCH_WORK;
                let own_share = if lane == Lane::Readers { MAX_READERS_WORK } else { max_lane_work };
                let fits_lane = spent == 0 || work.saturating_add(spent) <= own_share;
                chosen.len() < MAX_BATCH && fits_batch && fits_lane
            };
            match waiting.pop_front_if(|next| fits(next.work)) {
                Some(Waiting { number, work, job }) => {
                    chosen.push((number, job));
                    total = total.saturating_add(work);
                    round.push_back((lane, spent.saturating_add(work)));
                }
                None if waiting.is_empty() => {
                    self.waiting.remove(&lane);
                }
                // A lane that got nothing comes before those that got something.
                None if spent == 0 => rest.push_front(lane),
                None => rest.push_back(lane),
            }
        }
        self.turns = rest;
        chosen.sort_unstable_by_key(|(number, _)| *number);
        batch.extend(chosen.into_iter().map(|(_, job)| job));
    }

    /// The work that one lane may have in the next batch.
    fn lane_share(&mut self) -> u32 {
        self.contended = self.contended.saturating_sub(1);
        for lane in self.turns.iter().filter(|lane| matches!(lane, Lane::Device(_))) {
            if self.last_device.replace(lane.clone()).is_some_and(|last| last != *lane) {
                self.contended = CONTENDED_BATCHES;
            }
        }
        if self.contended > 0 { MAX_LANE_WORK } else { MAX_BATCH_WORK }
    }

    /// Removes all jobs.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.turns.clear();
    }
}

/// The maximum number of entries in one transaction.
pub(super) const MAX_BATCH: usize = 512;
/// The maximum work of one transaction: the time of so many small messages.
const MAX_BATCH_WORK: u32 = 1024;
/// The maximum work of one lane in a transaction, where several devices send; one entry may be more
/// expensive.
const MAX_LANE_WORK: u32 = 32;
/// The maximum work of the reads of hospital systems in a transaction: a tenth of its entries.
const MAX_READERS_WORK: u32 = MAX_BATCH as u32 / 10;
/// Several devices send if another one did within so many batches: some tenths of a second.
const CONTENDED_BATCHES: u32 = 64;
/// The work of a small message.
const SMALL_WORK: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> Lane {
        Lane::Device(name.parse().unwrap())
    }

    fn taken<J>(lanes: &mut Lanes<J>) -> Vec<J> {
        let mut batch = Vec::new();
        lanes.take(&mut batch);
        batch
    }

    #[test]
    fn a_batch_has_the_order_of_arrival() {
        let mut lanes = Lanes::new();
        for number in 0..90 {
            let lane = if number % 3 == 0 { Lane::Platform } else { device(&format!("D{}", number % 7)) };
            lanes.push(lane, 1, number);
        }
        assert_eq!(taken(&mut lanes), (0..90).collect::<Vec<_>>());
        assert!(lanes.is_empty() && taken(&mut lanes).is_empty());
    }

    #[test]
    fn a_device_has_its_share_of_a_batch_and_others_do_not_wait() {
        let mut lanes = Lanes::new();
        for number in 0..10 * MAX_LANE_WORK as i32 {
            lanes.push(device("FLOOD"), 1, number);
        }
        lanes.push(device("LATE"), 1, 2000);
        lanes.push(Lane::Platform, 1, 2001);
        let batch = taken(&mut lanes);
        assert_eq!(batch.len(), MAX_LANE_WORK as usize + 2);
        assert!(batch.ends_with(&[2000, 2001]));
        let next = taken(&mut lanes);
        assert_eq!(next[0], MAX_LANE_WORK as i32, "its order stays");
        assert_eq!(next.len(), MAX_LANE_WORK as usize, "the other one may come again");
        (1..CONTENDED_BATCHES).for_each(|_| lanes.take(&mut Vec::new()));
        for number in 0..1000 {
            lanes.push(device("FLOOD"), 1, number);
        }
        assert_eq!(taken(&mut lanes).len(), MAX_BATCH, "it is alone");
    }

    #[test]
    fn reads_of_hospital_systems_have_a_tenth_of_a_batch() {
        let mut lanes = Lanes::new();
        for number in 0..1000 {
            lanes.push(Lane::Readers, 1, (0, number));
        }
        for number in 0..1000 {
            lanes.push(device("A"), 1, (1, number));
        }
        let batch = taken(&mut lanes);
        let reads = batch.iter().filter(|(kind, _)| *kind == 0).count();
        assert_eq!((batch.len(), reads), (MAX_BATCH, 51));
        // Also alone: the next batch begins sooner.
        let mut lanes = Lanes::new();
        (0..1000).for_each(|number| lanes.push(Lane::Readers, 1, number));
        assert_eq!(taken(&mut lanes), (0..51).collect::<Vec<_>>());
    }

    #[test]
    fn a_removal_has_a_batch_of_its_own_and_takes_turns_with_the_others() {
        let mut lanes = Lanes::new();
        lanes.push(device("A"), 1, 1);
        lanes.push(Lane::Retention, 1, 100);
        lanes.push(Lane::Retention, 1, 101);
        lanes.push(Lane::Platform, 1, 2);
        assert_eq!(taken(&mut lanes), [1, 2]);
        lanes.push(device("B"), 1, 3);
        assert_eq!(taken(&mut lanes), [100], "it waited for one batch");
        assert_eq!(taken(&mut lanes), [3], "the others wait for one removal");
        assert_eq!(taken(&mut lanes), [101]);
        assert!(lanes.is_empty() && taken(&mut lanes).is_empty());
        lanes.push(Lane::Retention, 1, 102);
        lanes.push(device("A"), 1, 4);
        assert_eq!((taken(&mut lanes), taken(&mut lanes)), (vec![102], vec![4]));
    }

    #[test]
    fn expensive_entries_share_the_work_of_a_batch() {
        let mut lanes = Lanes::new();
        for name in 0..20 {
            for number in 0..3 {
                lanes.push(device(&format!("D{name}")), 100, (name, number));
            }
        }
        let mut seen = Vec::new();
        for _ in 0..6 {
            let batch = taken(&mut lanes);
            assert_eq!(batch.len(), 10, "{batch:?}");
            seen.extend(batch);
        }
        // Each lane has its first turn before any has its second.
        assert!(seen[..20].iter().all(|(_, number)| *number == 0), "{seen:?}");
        assert!(lanes.is_empty());
        for name in 0..3 {
            lanes.push(device(&format!("D{name}")), 5000, (name, 0));
        }
        lanes.push(Lane::Platform, 1, (7, 7));
        assert_eq!(taken(&mut lanes), [(0, 0), (7, 7)], "one that is too expensive, and what costs nothing");
    }
}
