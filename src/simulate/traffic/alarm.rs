//! Alarms (PCD-04, IHE PCD TF vol. 2, 3.4 and B.8.5), with the containment of the device that has them.

use std::fmt;

use bytes::Bytes;

use super::infusion::PUMP;
use super::message::{Details, Draft, MessageKind};
use super::values::{MONITOR, RATE_LIMITS, RESPIRATION_LIMITS, SATURATION_LIMITS, VENTILATOR, signs};
use super::vendor::{Unit, Vendor};
use super::{Sending, Strain};

/// One report of an alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlarmReport {
    pub(super) cause: Cause,
    /// The number of the alarm.
    pub(super) number: u64,
    /// Which report of the alarm it is, from 0.
    pub(super) turn: u64,
    pub(super) phase: Phase,
    pub(super) strain: Strain,
}

/// What the alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The heart rate is above its limit.
    Tachycardia,
    /// The oxygen saturation is below its limit.
    Desaturation,
    /// The respiratory rate is above its limit.
    RespirationHigh,
    /// The line of the pump is occluded.
    Occlusion,
}

/// 68481 MDC_ATTR_EVENT_PHASE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Start,
    Continue,
    End,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Continue => "continue",
            Self::End => "end",
        })
    }
}

/// The terms of a cause.
struct Terms {
    containment: &'static [(&'static str, &'static str)],
    /// OBX-4 without the facet.
    path: &'static str,
    event: &'static str,
    /// In words, for vendors that report alarms as text.
    words: &'static str,
    /// The measured value with its unit and limits; a technical alarm has none.
    measured: Option<(&'static str, Unit, &'static str)>,
    priority: &'static str,
    /// Physiological or technical.
    kind: &'static str,
    /// L or H of OBX-8.
    direction: &'static str,
}

impl Cause {
    const fn terms(self) -> Terms {
        match self {
            Self::Tachycardia => Terms {
                containment: &[
                    (MONITOR, "1.0.0.0"),
                    ("69798^MDC_DEV_ECG_VMD^MDC", "1.1.0.0"),
                    ("69799^MDC_DEV_ECG_CHAN^MDC", "1.1.1.0"),
                ],
                path: "1.1.1.147842",
                event: "199728^MDC_EVT_ECG_TACHY^MDC",
                words: "Tachycardia",
                measured: Some(("147842^MDC_ECG_CARD_BEAT_RATE^MDC", Unit::BEATS, RATE_LIMITS)),
                priority: "PH",
                kind: "SP",
                direction: "H",
            },
            Self::Desaturation => Terms {
                containment: &[
                    (MONITOR, "1.0.0.0"),
                    ("69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC", "1.2.0.0"),
                    ("69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC", "1.2.1.0"),
                ],
                path: "1.2.1.150456",
                event: "196670^MDC_EVT_LO^MDC",
                words: "Low SpO2",
                measured: Some(("150456^MDC_PULS_OXIM_SAT_O2^MDC", Unit::PERCENT, SATURATION_LIMITS)),
                priority: "PM",
                kind: "SP",
                direction: "L",
            },
            Self::RespirationHigh => Terms {
                containment: &[
                    (VENTILATOR, "1.0.0.0"),
                    ("70002^MDC_DEV_SYS_PT_VENT_VMD^MDC", "1.1.0.0"),
                    ("70003^MDC_DEV_SYS_PT_VENT_CHAN^MDC", "1.1.1.0"),
                ],
                path: "1.1.1.151586",
                event: "196648^MDC_EVT_HI^MDC",
                words: "High respiratory rate",
                measured: Some(("151586^MDC_VENT_RESP_RATE^MDC", Unit::BREATHS, RESPIRATION_LIMITS)),
                priority: "PM",
                kind: "SP",
                direction: "H",
            },
            Self::Occlusion => Terms {
                containment: &[(PUMP, "1.0.0.0"), ("70050^MDC_DEV_PUMP_INFUS_LVP_VMD^MDC", "1.1.0.0")],
                path: "1.1.0.1",
                event: "196940^MDC_EVT_FLUID_LINE_OCCL^MDC",
                words: "Occlusion",
                measured: None,
                priority: "PM",
                kind: "ST",
                direction: "",
            },
        }
    }
}

impl AlarmReport {
    pub(super) fn message(&self, sending: &Sending<'_>) -> Bytes {
        let terms = self.cause.terms();
        let vendor = sending.vendor;
        let mut draft = Draft::new(sending, MessageKind::ALERT);
        let assigner = |separator| {
            ["SIM", &sending.equipment.id, "EUI-64"].map(|part| format!("{separator}{part}")).concat()
        };
        let number = |turn: u64| match vendor {
            // Each report has a number of its own, and OBR-29 names the first.
            Vendor::BBraun => format!("{}-{}_{turn}", sending.run, self.number),
            _ => format!("{}-{}", sending.run, self.number),
        };
        // OBR-29 names the alarm in every report but the first.
        let parent = match self.phase {
            Phase::Start => String::new(),
            _ => format!("{}^{}{}", "|".repeat(22), number(0), assigner("&")),
        };
        let turn = if self.phase == Phase::End { self.turn + 1 } else { self.turn };
        draft.request(&format!("{}{}", number(turn), assigner("^")), "196616^MDC_EVT_ALARM^MDC", &parent);
        let path = match vendor {
            Vendor::BBraun => "1.0.0.0",
            _ => {
                terms.containment.iter().for_each(|(term, path)| draft.contain(term, path));
                terms.path
            }
        };
        self.event(&terms, path, sending, &mut draft);
        let status = vendor.alarm_status();
        let details = Details { status, ..Details::default() };
        let state = if self.phase == Phase::End { "inactive" } else { "active" };
        let mut facet = |n: u8, term: &str, value: &dyn fmt::Display| {
            draft.observe("ST", term, &format!("{path}.{n}"), value, "", details);
        };
        facet(3, "68481^MDC_ATTR_EVENT_PHASE^MDC", &self.phase);
        facet(4, "68482^MDC_ATTR_ALARM_STATE^MDC", &state);
        facet(5, "68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC", &"enabled");
        if !matches!(vendor, Vendor::BBraun | Vendor::Mindray) {
            facet(6, "68484^MDC_ATTR_ALARM_PRIORITY^MDC", &terms.priority);
            facet(7, "68485^MDC_ATTR_ALERT_TYPE^MDC", &terms.kind);
        }
        draft.finish()
    }

    /// The event and its source: facets 1 and 2.
    fn event(&self, terms: &Terms, path: &str, sending: &Sending<'_>, draft: &mut Draft<'_>) {
        let vendor = sending.vendor;
        let flags: Vec<_> = [terms.direction, terms.priority, terms.kind]
            .into_iter()
            .filter(|flag| !flag.is_empty())
            .collect();
        let flags = flags.join("~");
        let id = &sending.equipment.id;
        let equipment = format!("{id}^^{id}^EUI-64");
        let status = vendor.alarm_status();
        let details =
            Details { flags: &flags, status, is_timed: true, equipment: &equipment, ..Details::default() };
        let event_path = format!("{path}.1");
        match vendor {
            Vendor::Mindray => draft.observe("ST", terms.event, &event_path, terms.words, "", details),
            _ => {
                let value = terms.event;
                draft.observe("CWE", "196616^MDC_EVT_ALARM^MDC", &event_path, value, "", details);
            }
        }
        let path = format!("{path}.2");
        match terms.measured {
            Some((term, unit, range)) => {
                let value = self.measured(sending);
                let details = Details { range, status, is_timed: true, ..Details::default() };
                draft.observe("NM", term, &path, value, vendor.unit(unit), details);
            }
            None => {
                let details = Details { status, is_timed: true, ..Details::default() };
                draft.observe("CWE", "68480^MDC_ATTR_ALERT_SOURCE^MDC", &path, PUMP, "", details);
            }
        }
    }

    fn measured(&self, sending: &Sending<'_>) -> f64 {
        let signs = signs(sending, self.strain);
        match self.cause {
            Cause::Tachycardia => signs.heart_rate.round(),
            Cause::Desaturation => signs.saturation.round(),
            Cause::RespirationHigh | Cause::Occlusion => signs.respiration.round(),
        }
    }
}
