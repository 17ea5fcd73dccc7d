//! The condition of equipment (PCD-15, CP-PCD-152): OBR-4 is 69135 MDC_OBS_MEM.

use bytes::Bytes;

use super::Sending;
use super::message::{Draft, MessageKind};
use super::noise::between;
use super::values::second;
use super::vendor::Unit;

pub(super) fn message(sending: &Sending<'_>) -> Bytes {
    let mut draft = Draft::new(sending, MessageKind::CONDITION);
    let seed = sending.equipment.seed;
    // The battery loses a percent in two minutes, and is charged again when a quarter is left.
    let used = (second(sending) / 120 + sending.equipment.seed % 75) % 75;
    let charge = 100 - used;
    let capacity = between(seed, 90, 2.5, 6.0);
    draft.request(
        &format!("{}^SIM^{}^EUI-64", sending.control_id, sending.sender),
        "69135^MDC_OBS_MEM^MDC",
        "",
    );
    draft.contain("69633^MDC_DEV_MDS^MDC", "1.0.0.0");
    draft.number("67996^MDC_ATTR_VAL_BATT_CHARGE^MDC", "1.0.0.1", charge, Unit::PERCENT, "");
    let minutes = (f64::from(u32::try_from(charge).unwrap_or(100)) * capacity).round();
    draft.number("67976^MDC_ATTR_TIME_BATT_REMAIN^MDC", "1.0.0.2", minutes, Unit::MINUTES, "");
    draft.word("ST", "67925^MDC_ATTR_POWER_STAT^MDC", "1.0.0.3", "onBattery");
    draft.finish()
}
