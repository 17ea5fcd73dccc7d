//! The simulated equipment.

use super::noise::mixed;

/// What a piece of equipment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A patient monitor: vital signs and their alarms.
    Monitor,
    /// An infusion pump: its state, events and alarms. It takes orders.
    Pump,
    /// A ventilator: its settings and measurements, and alarms.
    Ventilator,
    /// Equipment that reports its own condition (PCD-15).
    Tracked,
    /// A system that reports on implanted devices, with a PDF (PCD-09).
    Reporter,
}

/// One piece of equipment, and the patient at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equipment {
    /// EUI-64.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its number, from 0: when it does what.
    pub number: u32,
    /// Decides about its values.
    pub(super) seed: u64,
}

impl Equipment {
    /// Equipment with this identity; `seed` is that of the run.
    #[must_use]
    pub fn new(id: String, kind: Kind, number: u32, seed: u64) -> Self {
        Self { id, kind, number, seed: mixed(seed, 1, number.into()) }
    }

    /// The same under another identity.
    #[must_use]
    pub fn called(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }

    /// The number of the patient.
    pub(super) fn patient(&self) -> String {
        format!("SIM-{:06}", self.bed())
    }

    /// The number of the bed. The numbers of equipment behind gateways are large; its beds come after those
    /// of other devices.
    pub(super) const fn bed(&self) -> u32 {
        match self.number & !BEHIND_GATEWAY {
            own if own == self.number => own,
            behind => FIRST_BED_BEHIND + behind,
        }
    }
}

/// This bit is set in the numbers of equipment behind gateways.
pub(in crate::simulate) const BEHIND_GATEWAY: u32 = 1 << 31;
/// More than a simulation has devices.
const FIRST_BED_BEHIND: u32 = 100_000;
