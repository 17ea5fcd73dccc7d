//! Infusions: the state of a pump (PCD-01) and its events (PCD-10, IHE PCD TF vol. 2, 3.10).

use std::time::Duration;

use bytes::Bytes;

use super::Sending;
use super::message::{Draft, MessageKind};
use super::noise::{between, mixed};
use super::vendor::Unit;

/// The state of an infusion, or an event of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfusionReport {
    /// None: the periodic state.
    pub(super) event: Option<InfusionEvent>,
    /// The number of the infusion.
    pub(super) number: u64,
    pub(super) is_running: bool,
    /// How long it has run.
    pub(super) runs_for: Duration,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InfusionEvent {
    Started,
    Stopped,
}

impl InfusionReport {
    pub(super) fn message(&self, sending: &Sending<'_>) -> Bytes {
        let kind = if self.event.is_some() { MessageKind::INFUSION } else { MessageKind::DATA };
        let mut draft = Draft::new(sending, kind);
        let drug = self.drug(sending);
        // The rate of a pump has a step of five.
        let rate = (between(sending.equipment.seed, 80 + self.number, 20.0, 240.0) / 5.0).round() * 5.0;
        let infused = rate * self.runs_for.as_secs_f64() / 3600.0;
        let remaining = (VOLUME - infused).max(0.0);
        let current = if self.is_running { rate } else { 0.0 };
        let filler = format!("{}-{}^SIM^{}^EUI-64", sending.run, self.number, sending.equipment.id);
        let service = match self.event {
            Some(_) => format!("{drug}^{drug}^L"),
            None => sending.vendor.service(PUMP),
        };
        draft.request(&filler, &service, "");
        draft.contain(PUMP, "1.0.0.0");
        draft.word("ST", "184517^MDC_PUMP_DRUG_LIBRARY_VERSION^MDC", "1.0.0.1", "SIM-1");
        if let Some(event) = self.event {
            let event = match event {
                InfusionEvent::Started => "197288^MDC_EVT_PUMP_DELIV_START^MDC",
                InfusionEvent::Stopped => "197290^MDC_EVT_PUMP_DELIV_STOP^MDC",
            };
            draft.word("CWE", "68487^MDC_ATTR_EVT_COND^MDC", "1.0.0.2", event);
            draft.word("ST", "68488^MDC_ATTR_EVT_SOURCE^MDC", "1.0.0.3", "1.1.2.0");
        }
        draft.contain("70050^MDC_DEV_PUMP_INFUS_LVP_VMD^MDC", "1.1.0.0");
        draft.contain("70067^MDC_DEV_PUMP_DELIVERY_INFO^MDC", "1.1.1.0");
        let status = if self.is_running { "^pump-status-infusing" } else { "^pump-status-paused" };
        draft.word("CWE", "184519^MDC_PUMP_INFUSING_STATUS^MDC", "1.1.1.1", status);
        draft.number("158014^MDC_FLOW_FLUID_PUMP_CURRENT^MDC", "1.1.1.2", current, Unit::ML_PER_HOUR, "");
        draft.word("CWE", "158016^MDC_PUMP_ACTIVE_SOURCES^MDC", "1.1.1.3", "^pump-source-info-primary");
        draft.contain("70071^MDC_DEV_PUMP_INFUSATE_SOURCE_PRIMARY_CHAN^MDC", "1.1.2.0");
        draft.number("157784^MDC_FLOW_FLUID_PUMP^MDC", "1.1.2.4", rate, Unit::ML_PER_HOUR, "");
        let one_digit = |value: f64| format!("{value:.1}");
        draft.number("157884^MDC_VOL_FLUID_TBI^MDC", "1.1.2.6", one_digit(VOLUME), Unit::ML, "");
        draft.number("157993^MDC_VOL_FLUID_DELIV_TOTAL^MDC", "1.1.2.7", one_digit(infused), Unit::ML, "");
        draft.number("157872^MDC_VOL_FLUID_TBI_REMAIN^MDC", "1.1.2.8", one_digit(remaining), Unit::ML, "");
        let minutes = (remaining / rate * 60.0).round();
        draft.number("157916^MDC_TIME_PD_REMAIN^MDC", "1.1.2.9", minutes, Unit::MINUTES, "");
        draft.word("ST", "184514^MDC_DRUG_NAME_LABEL^MDC", "1.1.2.10", drug);
        draft.finish()
    }

    fn drug(&self, sending: &Sending<'_>) -> &'static str {
        let drawn = mixed(sending.equipment.seed, 79, self.number) % DRUGS.len() as u64;
        usize::try_from(drawn).ok().and_then(|drawn| DRUGS.get(drawn)).copied().unwrap_or_default()
    }
}

pub(super) const PUMP: &str = "70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC";
/// Millilitres to be infused.
const VOLUME: f64 = 250.0;
const DRUGS: [&str; 4] = ["Sodium chloride 0.9%", "Ringer's lactate", "Glucose 5%", "Potassium chloride"];
