//! Heartbeats (DEV-53 of the proposal for monitored communication).

use bytes::Bytes;

use super::Sending;
use super::message::{Details, Draft, MessageKind};
use super::vendor::Vendor;

pub(super) fn message(sending: &Sending<'_>, leaves: bool, within_ms: u64) -> Bytes {
    let mut draft = Draft::new(sending, MessageKind::HEARTBEAT);
    draft.request(
        &format!("{}^SIM^{}^EUI-64", sending.control_id, sending.sender),
        "196616^MDC_EVT_ALARM^MDC",
        "",
    );
    draft.contain("69633^MDC_DEV_MDS^MDC", "1.0.0.0");
    let (phase, bound) =
        if leaves { ("end", "<0".to_owned()) } else { ("continue", format!("<{within_ms}")) };
    let details =
        Details { range: &bound, flags: "N~ST~PL", status: "F", is_timed: true, ..Details::default() };
    let unit = "264338^MDC_DIM_MILLI_SEC^MDC";
    match sending.vendor {
        Vendor::Draeger if !leaves => {
            let event = Details { range: "", ..details };
            draft.observe("ST", "0^MDC_EVT_WATCHDOG^MDC", "1.0.0.1", phase, "", event);
            let timeout = Details { flags: "", range: "", ..details };
            draft.observe("NM", "67860^MDC_ATTR_CONFIRM_TIMEOUT^MDC", "1.0.0.2", within_ms, unit, timeout);
        }
        _ => draft.observe("ST", "198200^MDC_EVT_WATCHDOG^MDC", "1.0.0.1", phase, unit, details),
    }
    draft.finish()
}
