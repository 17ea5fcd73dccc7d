//! The heartbeat interval that a watchdog message states.

use std::time::Duration;

use crate::hl7::Message;
use crate::pcd::Observation;

/// The time within which the sender of a watchdog message (DEV-53) sends the next one.
///
/// OBX-7 of MDC_EVT_WATCHDOG states it as an upper bound such as `<10000`, in milliseconds unless OBX-6 says
/// seconds. The example in the proposal has the bound one field later. `None` without such a bound, and for
/// one below 1 s or above 24 h.
#[must_use]
pub fn heartbeat_interval(message: &Message<'_>) -> Option<Duration> {
    let mut observations = message.segments().filter_map(Observation::of);
    let watchdog = observations.find(|observation| observation.code().trimmed() == MDC_EVT_WATCHDOG)?;
    let bound = [watchdog.range(), watchdog.flags()]
        .into_iter()
        .find_map(|field| std::str::from_utf8(field.trimmed()).ok()?.strip_prefix('<'))?;
    let units = watchdog.units();
    let in_seconds =
        units.component(1).trimmed() == b"264320" || units.component(2).trimmed() == b"MDC_DIM_X_SEC";
    let number: u64 = bound.trim().parse().ok()?;
    let interval = if in_seconds { Duration::from_secs(number) } else { Duration::from_millis(number) };
    (MIN_INTERVAL..=MAX_INTERVAL).contains(&interval).then_some(interval)
}

/// MDC_EVT_WATCHDOG in OBX-3.
const MDC_EVT_WATCHDOG: &[u8] = b"198200";
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(units: &str, range: &str) -> Option<Duration> {
        let text =
            format!("MSH|^~\\&|\rOBX|1|ST|198200^ MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue|{units}|{range}\r");
        heartbeat_interval(&Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_watchdog_states_its_heartbeat_interval() {
        assert_eq!(interval("", "<10000"), Some(Duration::from_secs(10)));
        assert_eq!(interval("", "|<10000"), Some(Duration::from_secs(10)));
        assert_eq!(interval("264320^MDC_DIM_X_SEC^MDC", "<10"), Some(Duration::from_secs(10)));
    }

    #[test]
    fn an_interval_that_is_missing_or_out_of_range_is_ignored() {
        for range in ["", "10000", "<", "<-1", "<1", "<999999999999", "<ten"] {
            assert_eq!(interval("", range), None, "{range}");
        }
    }
}
