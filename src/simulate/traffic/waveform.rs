//! A stretch of an electrocardiogram (PCD-01 with a waveform, IHE PCD TF vol. 2, B.7.1).

use bytes::Bytes;

use super::message::{Details, Draft, MessageKind};
use super::values::{MONITOR, signs};
use super::vendor::Unit;
use super::{Sending, Strain};

pub(super) fn message(sending: &Sending<'_>) -> Bytes {
    let mut draft = Draft::new(sending, MessageKind::DATA);
    draft.request(
        &format!("{}^SIM^{}^EUI-64", sending.control_id, sending.sender),
        "69121^MDC_OBS_WAVE_CTS^MDC",
        "",
    );
    draft.contain(MONITOR, "1.0.0.0");
    draft.contain("69798^MDC_DEV_ECG_VMD^MDC", "1.1.0.0");
    draft.contain("69799^MDC_DEV_ECG_CHAN^MDC", "1.1.1.0");
    let beats_per_second = signs(sending, Strain::default()).heart_rate / 60.0;
    let samples: Vec<_> = (0..SAMPLES)
        .map(|n| microvolts((f64::from(n) / RATE * beats_per_second).fract()).round().to_string())
        .collect();
    let unit = sending.vendor.unit(Unit::MICROVOLTS);
    let details = Details { is_timed: true, ..Details::default() };
    draft.observe("NA", "131330^MDC_ECG_ELEC_POTL_II^MDC", "1.1.1.131330", samples.join("^"), unit, details);
    draft.number("0^MDC_ATTR_SAMP_RATE^MDC", "1.1.1.131330.1", RATE, Unit::HERTZ, "");
    draft.finish()
}

/// One beat, from 0 to 1: P, QRS and T as bells.
fn microvolts(at: f64) -> f64 {
    let bell = |centre: f64, width: f64, height: f64| height * (-((at - centre) / width).powi(2)).exp();
    bell(0.18, 0.025, 120.0)
        + bell(0.29, 0.008, -90.0)
        + bell(0.31, 0.010, 1100.0)
        + bell(0.335, 0.009, -220.0)
        + bell(0.53, 0.045, 260.0)
}

/// Samples per second, and of one message: two seconds.
const RATE: f64 = 125.0;
const SAMPLES: u32 = 250;
