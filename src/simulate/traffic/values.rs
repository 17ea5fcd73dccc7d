//! Periodic values of monitors and ventilators (PCD-01, IHE PCD TF vol. 2, 3.1).

use bytes::Bytes;

use super::message::{Draft, MessageKind};
use super::noise::{between, fraction};
use super::vendor::Unit;
use super::vital_signs::{Strain, VitalSigns};
use super::{Kind, Sending};

pub(super) fn message(sending: &Sending<'_>, strain: Strain) -> Bytes {
    let mut draft = Draft::new(sending, MessageKind::DATA);
    let filler = format!("{}^SIM^{}^EUI-64", sending.control_id, sending.sender);
    match sending.equipment.kind {
        Kind::Ventilator => ventilation(sending, strain, &mut draft, &filler),
        _ => vital_signs(sending, strain, &mut draft, &filler),
    }
    draft.finish()
}

fn vital_signs(sending: &Sending<'_>, strain: Strain, draft: &mut Draft<'_>, filler: &str) {
    let signs = signs(sending, strain);
    draft.request(filler, &sending.vendor.service(MONITOR), "");
    draft.contain(MONITOR, "1.0.0.0");
    draft.contain("69798^MDC_DEV_ECG_VMD^MDC", "1.1.0.0");
    draft.contain("69799^MDC_DEV_ECG_CHAN^MDC", "1.1.1.0");
    let rate = signs.heart_rate.round();
    draft.number("147842^MDC_ECG_CARD_BEAT_RATE^MDC", "1.1.1.147842", rate, Unit::BEATS, RATE_LIMITS);
    let respiration = signs.respiration.round();
    draft.number("151562^MDC_RESP_RATE^MDC", "1.1.1.151562", respiration, Unit::BREATHS, "8-35");
    draft.contain("69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC", "1.2.0.0");
    draft.contain("69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC", "1.2.1.0");
    let saturation = signs.saturation.round();
    draft.number(
        "150456^MDC_PULS_OXIM_SAT_O2^MDC",
        "1.2.1.150456",
        saturation,
        Unit::PERCENT,
        SATURATION_LIMITS,
    );
    draft.number("149530^MDC_PULS_OXIM_PULS_RATE^MDC", "1.2.1.149530", rate, Unit::BEATS, RATE_LIMITS);
    draft.contain("70686^MDC_DEV_PRESS_BLD_NONINV_VMD^MDC", "1.3.0.0");
    draft.contain("70687^MDC_DEV_PRESS_BLD_NONINV_CHAN^MDC", "1.3.1.0");
    for (term, path, value, range) in [
        ("150021^MDC_PRESS_BLD_NONINV_SYS^MDC", "1.3.1.150021", signs.systolic, "90-160"),
        ("150022^MDC_PRESS_BLD_NONINV_DIA^MDC", "1.3.1.150022", signs.diastolic, "50-100"),
        ("150023^MDC_PRESS_BLD_NONINV_MEAN^MDC", "1.3.1.150023", signs.mean(), "60-120"),
    ] {
        draft.number(term, path, value.round(), Unit::MMHG, range);
    }
    draft.contain("69902^MDC_DEV_METER_TEMP_VMD^MDC", "1.4.0.0");
    draft.contain("69903^MDC_DEV_METER_TEMP_CHAN^MDC", "1.4.1.0");
    let temperature = format!("{:.1}", signs.temperature);
    draft.number("150344^MDC_TEMP^MDC", "1.4.1.150344", temperature, Unit::DEGREES, "36.0-38.5");
}

fn ventilation(sending: &Sending<'_>, strain: Strain, draft: &mut Draft<'_>, filler: &str) {
    let (seed, second) = (sending.equipment.seed, second(sending));
    let rate = signs(sending, strain).respiration.round();
    let tidal = (between(seed, 70, 380.0, 520.0) + 20.0 * (fraction(seed, 71, second) - 0.5)).round();
    let peep = between(seed, 72, 5.0, 8.0).round();
    let oxygen = between(seed, 73, 25.0, 45.0).round();
    draft.request(filler, &sending.vendor.service(VENTILATOR), "");
    draft.contain(VENTILATOR, "1.0.0.0");
    draft.contain("70002^MDC_DEV_SYS_PT_VENT_VMD^MDC", "1.1.0.0");
    draft.contain("70003^MDC_DEV_SYS_PT_VENT_CHAN^MDC", "1.1.1.0");
    draft.number("151586^MDC_VENT_RESP_RATE^MDC", "1.1.1.151586", rate, Unit::BREATHS, RESPIRATION_LIMITS);
    draft.number("151868^MDC_VOL_AWAY_TIDAL^MDC", "1.1.1.151868", tidal, Unit::ML, "");
    draft.number("151880^MDC_VOL_MINUTE_AWAY^MDC", "1.1.1.151880", rate * tidal, Unit::ML_PER_MINUTE, "");
    draft.number("151976^MDC_VENT_PRESS_AWAY_END_EXP_POS^MDC", "1.1.1.151976", peep, Unit::CM_H2O, "");
    draft.number("152196^MDC_CONC_AWAY_O2_INSP^MDC", "1.1.1.152196", oxygen, Unit::PERCENT, "21-60");
}

pub(super) fn signs(sending: &Sending<'_>, strain: Strain) -> VitalSigns {
    VitalSigns::at(sending.equipment.seed, sending.at.as_duration().as_secs_f64(), strain)
}

pub(super) fn second(sending: &Sending<'_>) -> u64 {
    u64::try_from(sending.at.as_second()).unwrap_or(0)
}

pub(super) const MONITOR: &str = "69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC";
pub(super) const VENTILATOR: &str = "70001^MDC_DEV_SYS_PT_VENT_MDS^MDC";
/// Limits of alarms.
pub(super) const RATE_LIMITS: &str = "50-110";
pub(super) const SATURATION_LIMITS: &str = "90-100";
pub(super) const RESPIRATION_LIMITS: &str = "8-21";
