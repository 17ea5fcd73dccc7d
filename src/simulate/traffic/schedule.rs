//! Who reports what in which turn.

use std::collections::BTreeSet;
use std::time::Duration;

use super::alarm::{AlarmReport, Cause, Phase};
use super::infusion::{InfusionEvent, InfusionReport};
use super::{Equipment, Kind, Report, Strain};

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Periodic values (PCD-01): vital signs, ventilation, the state of pumps.
    Values,
    /// Alarms that start, continue and end (PCD-04).
    Alarms,
    /// Events of infusions (PCD-10).
    Infusions,
    /// The condition of equipment (PCD-15).
    Conditions,
    /// Reports in PDF (PCD-09).
    Documents,
    /// Heartbeats of gateways (DEV-53).
    Heartbeats,
    /// Waveforms (PCD-01).
    Waveforms,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Values,
        Self::Alarms,
        Self::Infusions,
        Self::Conditions,
        Self::Documents,
        Self::Heartbeats,
        Self::Waveforms,
    ];

    /// Whether equipment of this kind ever sends it. Heartbeats come from gateways.
    #[must_use]
    pub const fn is_sent_by(self, kind: Kind) -> bool {
        match self {
            Self::Values | Self::Alarms => matches!(kind, Kind::Monitor | Kind::Ventilator | Kind::Pump),
            Self::Infusions => matches!(kind, Kind::Pump),
            Self::Conditions => matches!(kind, Kind::Tracked),
            Self::Documents => matches!(kind, Kind::Reporter),
            Self::Waveforms => matches!(kind, Kind::Monitor),
            Self::Heartbeats => false,
        }
    }
}

/// The reports of each turn. Equipment whose numbers follow each other does the same in turns that follow
/// each other, so that the load is even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// From one turn to the next.
    pub interval: Duration,
    /// What is simulated.
    pub topics: BTreeSet<Topic>,
}

impl Schedule {
    /// What the equipment reports in this turn, from 0.
    #[must_use]
    pub fn due(&self, equipment: &Equipment, turn: u64) -> Vec<Report> {
        let mut due = Vec::new();
        let mut add = |topic, report| {
            if self.topics.contains(&topic) {
                due.push(report);
            }
        };
        let episode = Episode::at(equipment, turn);
        match equipment.kind {
            Kind::Monitor | Kind::Ventilator => {
                let alarms = self.topics.contains(&Topic::Alarms);
                let strain = episode.filter(|_| alarms).map(|episode| episode.strain()).unwrap_or_default();
                add(Topic::Values, Report::Values(strain));
                if equipment.kind == Kind::Monitor {
                    add(Topic::Waveforms, Report::Waveform);
                }
            }
            Kind::Pump => {
                let (event, report) = self.infusion(equipment, turn);
                add(Topic::Values, Report::Infusion(InfusionReport { event: None, ..report.clone() }));
                if event.is_some() {
                    add(Topic::Infusions, Report::Infusion(report));
                }
            }
            Kind::Tracked if place(equipment, turn, CONDITION_TURNS).1 == 0 => {
                add(Topic::Conditions, Report::Condition);
            }
            Kind::Reporter if place(equipment, turn, DOCUMENT_TURNS).1 == 0 => {
                add(Topic::Documents, Report::Document);
            }
            Kind::Tracked | Kind::Reporter => {}
        }
        if let Some(episode) = episode {
            add(Topic::Alarms, Report::Alarm(episode.report(episode.phase())));
        }
        due
    }

    /// What equipment reports as soon as it is connected.
    #[must_use]
    pub fn first(&self, equipment: &Equipment) -> Option<Report> {
        let (topic, report) = match equipment.kind {
            Kind::Monitor | Kind::Ventilator => (Topic::Values, Report::Values(Strain::default())),
            Kind::Pump => {
                let number = 0;
                let state =
                    InfusionReport { event: None, number, is_running: false, runs_for: Duration::ZERO };
                (Topic::Values, Report::Infusion(state))
            }
            Kind::Tracked => (Topic::Conditions, Report::Condition),
            Kind::Reporter => (Topic::Documents, Report::Document),
        };
        self.topics.contains(&topic).then_some(report)
    }

    /// The heartbeat of a gateway.
    #[must_use]
    pub fn heartbeat(&self, leaves: bool) -> Option<Report> {
        // A turn may be late, and one heartbeat may be lost.
        let within_ms = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX).saturating_mul(3);
        self.topics.contains(&Topic::Heartbeats).then_some(Report::Heartbeat { leaves, within_ms })
    }

    /// What ends when the equipment sends nothing after this turn.
    #[must_use]
    pub fn closing(&self, equipment: &Equipment, turn: u64) -> Option<Report> {
        let episode = Episode::at(equipment, turn).filter(|_| self.topics.contains(&Topic::Alarms))?;
        (episode.phase() != Phase::End).then(|| Report::Alarm(episode.report(Phase::End)))
    }

    fn infusion(&self, equipment: &Equipment, turn: u64) -> (Option<InfusionEvent>, InfusionReport) {
        let (infusion, at) = place(equipment, turn, INFUSION_TURNS);
        let event = match at {
            0 => Some(InfusionEvent::Started),
            STOP_TURN => Some(InfusionEvent::Stopped),
            _ => None,
        };
        let turns = u32::try_from(at.min(STOP_TURN)).unwrap_or(u32::MAX);
        let runs_for = self.interval.saturating_mul(turns);
        (event, InfusionReport { event, number: infusion, is_running: at < STOP_TURN, runs_for })
    }
}

/// A stretch of turns in which equipment has an alarm.
#[derive(Debug, Clone, Copy)]
struct Episode {
    cause: Cause,
    number: u64,
    /// From 0 to [`LAST_ALARM_TURN`].
    at: u64,
}

impl Episode {
    /// The one of this turn. One that had begun before the first turn is left out: it has no start.
    fn at(equipment: &Equipment, turn: u64) -> Option<Self> {
        let (number, at) = place(equipment, turn, ALARM_TURNS);
        let cause = match equipment.kind {
            Kind::Monitor if number.is_multiple_of(2) => Cause::Tachycardia,
            Kind::Monitor => Cause::Desaturation,
            Kind::Ventilator => Cause::RespirationHigh,
            Kind::Pump => Cause::Occlusion,
            Kind::Tracked | Kind::Reporter => return None,
        };
        (at <= LAST_ALARM_TURN && at <= turn).then_some(Self { cause, number, at })
    }

    const fn phase(&self) -> Phase {
        match self.at {
            0 => Phase::Start,
            LAST_ALARM_TURN => Phase::End,
            _ => Phase::Continue,
        }
    }

    const fn report(&self, phase: Phase) -> AlarmReport {
        AlarmReport { cause: self.cause, number: self.number, turn: self.at, phase, strain: self.strain() }
    }

    /// Strongest in the middle; at the end the values are back within their limits.
    const fn strain(&self) -> Strain {
        let strength = match self.at {
            0 => 0.9,
            1 => 1.0,
            LAST_ALARM_TURN => 0.0,
            _ => 0.95,
        };
        match self.cause {
            Cause::Desaturation => Strain { tachycardia: 0.0, desaturation: strength },
            _ => Strain { tachycardia: strength, desaturation: 0.0 },
        }
    }
}

/// Which round of so many turns it is for the equipment, and the place within it. The first round of number 0
/// begins with turn 0, that of number 1 with turn 1.
fn place(equipment: &Equipment, turn: u64, turns: u64) -> (u64, u64) {
    let shifted = turn + turns - u64::from(equipment.number) % turns;
    (shifted / turns, shifted % turns)
}

/// An alarm begins every so many turns, and ends in the fourth.
const ALARM_TURNS: u64 = 12;
const LAST_ALARM_TURN: u64 = 3;
/// An infusion begins every so many turns, and stops in this one.
const INFUSION_TURNS: u64 = 24;
const STOP_TURN: u64 = 20;
/// Turns from one report of condition to the next.
const CONDITION_TURNS: u64 = 3;
/// Turns from one document to the next.
const DOCUMENT_TURNS: u64 = 12;
