//! The heartbeat in a message (DEV-53).

use std::time::Duration;

use crate::hl7::{Field, Message};
use crate::pcd::nomenclature::{Coded, find_unit};
use crate::pcd::{Observation, is_heartbeat};

/// What a heartbeat says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// The next one comes within this time.
    Within(Duration),
    /// It states no usable time.
    Continues,
    /// The device leaves monitoring: nothing is expected of it any more.
    Leaves,
}

impl Heartbeat {
    /// The heartbeat in a message, of whatever transaction; `None` without one.
    ///
    /// OBX-7 of MDC_EVT_WATCHDOG states the time as an upper bound such as `<10000`, in milliseconds unless
    /// OBX-6 has another unit. The example in the proposal has the bound one field later. The phase `end` in
    /// OBX-5, or a bound that is not above zero (`<0`), says that the device leaves monitoring (PCMC
    /// 3.53.4.1.2). MDC_ATTR_CONFIRM_TIMEOUT, which some gateways send, has the time in OBX-5. Without a unit
    /// it counts as seconds, and above ten minutes as milliseconds.
    ///
    /// A time below 1 s counts as 1 s; one above 24 h is not used. Of a heartbeat without a valid value
    /// (OBX-11 other than final or corrected; test, demonstration, invalid or questionable in OBX-8; MSH-11
    /// other than production) neither counts: such a message takes no device out of monitoring.
    #[must_use]
    pub fn find(message: &Message<'_>) -> Option<Self> {
        let mut found = None;
        let mode = message.header().processing_id().component(1).trimmed();
        let is_production = !["T", "D"].iter().any(|other| mode.eq_ignore_ascii_case(other.as_bytes()));
        for observation in message.segments().filter_map(Observation::of).filter(is_heartbeat) {
            let stated = match is_timeout(&observation) {
                _ if !is_production || !counts(&observation) => Self::Continues,
                true => timeout(&observation),
                false => watchdog(&observation),
            };
            // A timeout beside a watchdog adds its time to it.
            if matches!((found, stated), (None | Some(Self::Continues), _) | (_, Self::Leaves)) {
                found = Some(stated);
            }
        }
        found
    }
}

/// Whether what a heartbeat states is its sender's last word, and clinical.
fn counts(observation: &Observation<'_>) -> bool {
    let is_one_of =
        |text: &[u8], words: &[&str]| words.iter().any(|it| text.eq_ignore_ascii_case(it.as_bytes()));
    is_one_of(observation.status().trimmed(), &FINAL)
        && !observation.flag_words().any(|flag| is_one_of(&flag, &DOUBTS))
}

fn watchdog(observation: &Observation<'_>) -> Heartbeat {
    let bounds = [observation.range(), observation.flags()];
    let bound = bounds
        .into_iter()
        .find_map(|field| std::str::from_utf8(field.trimmed()).ok()?.strip_prefix('<'))
        .and_then(|bound| bound.trim().parse::<f64>().ok());
    let phase = observation.value().component(1).trimmed();
    if phase.eq_ignore_ascii_case(b"end") || bound.is_some_and(|bound| bound <= 0.0) {
        return Heartbeat::Leaves;
    }
    let milliseconds = unit_milliseconds(observation.units()).unwrap_or(1.0);
    bound.and_then(|bound| within(bound * milliseconds)).unwrap_or(Heartbeat::Continues)
}

fn timeout(observation: &Observation<'_>) -> Heartbeat {
    let time = std::str::from_utf8(observation.value().trimmed()).ok().and_then(|text| text.parse().ok());
    let Some(time) = time.filter(|time: &f64| *time > 0.0) else { return Heartbeat::Continues };
    let assumed = if time <= MAX_ASSUMED_SECONDS { 1000.0 } else { 1.0 };
    within(time * unit_milliseconds(observation.units()).unwrap_or(assumed)).unwrap_or(Heartbeat::Continues)
}

fn is_timeout(observation: &Observation<'_>) -> bool {
    let places = [observation.code().trimmed(), observation.name().trimmed()];
    places.contains(&&b"67860"[..]) || places.contains(&&b"MDC_ATTR_CONFIRM_TIMEOUT"[..])
}

/// The milliseconds of a unit; `None` when there is none, or it is no time.
fn unit_milliseconds(units: Field<'_>) -> Option<f64> {
    match find_unit(Coded::of(units, 1))?.plain() {
        "ms" => Some(1.0),
        "s" => Some(1000.0),
        "min" => Some(60_000.0),
        _ => None,
    }
}

fn within(milliseconds: f64) -> Option<Heartbeat> {
    let interval = Duration::try_from_secs_f64(milliseconds / 1000.0).ok()?;
    (interval <= MAX_INTERVAL).then(|| Heartbeat::Within(interval.max(MIN_INTERVAL)))
}

/// OBX-11 of a value that stands; any other text is none of these.
const FINAL: [&str; 6] = ["", "F", "R", "V", "C", "U"];
/// OBX-8 of a value that does not.
const DOUBTS: [&str; 5] = ["TEST", "DEMO", "INV", "NAV", "QUES"];
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_hours(24);
/// A larger timeout without a unit counts as milliseconds.
const MAX_ASSUMED_SECONDS: f64 = 600.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn find(observations: &str) -> Option<Heartbeat> {
        Heartbeat::find(&Message::parse(format!("MSH|^~\\&|\rOBR|1\r{observations}").as_bytes()).unwrap())
    }

    fn watchdog(phase: &str, units: &str, range: &str) -> Option<Heartbeat> {
        find(&format!("OBX|1|ST|198200^ MDC_EVT_WATCHDOG^MDC|1.0.0.1|{phase}|{units}|{range}\r"))
    }

    fn seconds(seconds: u64) -> Option<Heartbeat> {
        Some(Heartbeat::Within(Duration::from_secs(seconds)))
    }

    #[test]
    fn a_heartbeat_states_the_time_until_the_next() {
        assert_eq!(watchdog("continue", "", "<10000"), seconds(10));
        assert_eq!(watchdog("continue", "", "|<10000"), seconds(10));
        for unit in ["264320^MDC_DIM_X_SEC^MDC", "^MDC_DIM_SEC^MDC", "264320^MDC_DIM_SEC^MDC", "s^^UCUM"] {
            assert_eq!(watchdog("start", unit, "<10"), seconds(10), "{unit}");
        }
        assert_eq!(watchdog("continue", "264338^MDC_DIM_MILLI_SEC^MDC", "<2500"), {
            Some(Heartbeat::Within(Duration::from_millis(2500)))
        });
        assert_eq!(watchdog("continue", "", "<200"), seconds(1), "at least a second");
        for term in ["198201^MDC_EVT_WATCHDOG^MDC", "198201", "^MDC_EVT_WATCHDOG"] {
            assert_eq!(find(&format!("OBX|1|ST|{term}||continue||<5000\r")), seconds(5), "{term}");
        }
    }

    #[test]
    fn an_interval_that_is_missing_or_out_of_range_is_not_used() {
        for range in ["", "10000", "<", "<999999999999", "<ten", "<NaN", "<inf"] {
            assert_eq!(watchdog("continue", "", range), Some(Heartbeat::Continues), "{range}");
        }
        assert_eq!(find("OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC||72||<100\r"), None);
    }

    #[test]
    fn a_device_leaves_monitoring_by_its_phase_or_its_bound() {
        assert_eq!(watchdog("end", "", "<0"), Some(Heartbeat::Leaves));
        assert_eq!(watchdog("End", "", "<10000"), Some(Heartbeat::Leaves));
        for bound in ["<0", "<-1", "|<0"] {
            assert_eq!(watchdog("continue", "", bound), Some(Heartbeat::Leaves), "{bound}");
        }
    }

    #[test]
    fn a_heartbeat_without_a_valid_value_takes_no_device_out_of_monitoring() {
        let of = |phase: &str, bound: &str, flags: &str, status: &str| {
            find(&format!(
                "OBX|1|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|{phase}||{bound}|{flags}|||{status}\r"
            ))
        };
        for (phase, bound) in [("end", ""), ("end", "<0"), ("continue", "<0"), ("continue", "<86400000")] {
            for status in ["W", "w", "X", "D", "I", "N", "O", "P", "S", "W^x", "F~W", "Z"] {
                assert_eq!(
                    of(phase, bound, "", status),
                    Some(Heartbeat::Continues),
                    "{phase} {bound} {status}"
                );
            }
            for flag in ["TEST", "demo", "INV", "NAV", "QUES", "H~TEST", "x^INV", r"\X54455354\"] {
                assert_eq!(of(phase, bound, flag, "F"), Some(Heartbeat::Continues), "{phase} {bound} {flag}");
            }
        }
        for status in ["", "F", "R", "V", "C", "U"] {
            assert_eq!(of("end", "", "", status), Some(Heartbeat::Leaves), "{status}");
        }
        for mode in ["T", "D", "t^A"] {
            let text = format!("MSH|^~\\&|||||||||{mode}\rOBX|1|ST|198200|1.0.0.1|end\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(Heartbeat::find(&message), Some(Heartbeat::Continues), "{mode}");
        }
        let live = "OBX|1|ST|198200|1.0.0.1|continue||<5000||||F\r";
        let withdrawn = "OBX|2|ST|198200|1.0.0.1|end||<0||||W\r";
        assert_eq!(find(&format!("{live}{withdrawn}")), seconds(5));
        assert_eq!(find(&format!("{withdrawn}{live}")), seconds(5));
    }

    #[test]
    fn a_confirm_timeout_is_a_heartbeat() {
        let timeout = |value: &str, unit: &str| {
            find(&format!("OBX|1|NM|67860^MDC_ATTR_CONFIRM_TIMEOUT^MDC|1.0.0|{value}|{unit}\r"))
        };
        assert_eq!(timeout("5", "264320^MDC_DIM_SEC^MDC"), seconds(5));
        assert_eq!(timeout("7000", "264338^MDC_DIM_MILLI_SEC^MDC"), seconds(7));
        assert_eq!((timeout("15", ""), timeout("15000", "")), (seconds(15), seconds(15)));
        assert_eq!(timeout("0", ""), Some(Heartbeat::Continues));
        let event = "OBX|1|ST|0^MDC_EVT_WATCHDOG^MDC|1.0.0.0.1|\r";
        let beside = "OBX|2|NM|67860^MDC_ATTR_CONFIRM_TIMEOUT^MDC|1.0.0|5|264320^MDC_DIM_SEC^MDC\r";
        assert_eq!(find(&format!("{event}{beside}")), seconds(5));
    }
}
