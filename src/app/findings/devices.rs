//! Findings about devices.

use std::time::Duration;

use jiff::Timestamp;

use crate::authz::{Device, Directory};
use crate::finding::{Code, Finding, Subject};
use crate::liveness::{DeviceLiveness, Liveness};

/// Devices of the directory, and devices behind them, that sent regularly and have stopped.
pub(super) fn silent(directory: &Directory, liveness: &Liveness, now: Timestamp) -> Vec<Finding> {
    directory.devices().flat_map(|device| silent_of(device, liveness, now)).collect()
}

fn silent_of(device: &Device, liveness: &Liveness, now: Timestamp) -> Vec<Finding> {
    let own = liveness.device(&device.id).filter(DeviceLiveness::is_silent);
    let own = own.map(|own| finding(device.id.as_str(), None, &own, now));
    let behind = liveness.devices_behind(&device.id).into_iter();
    let behind = behind.filter(|(_, liveness)| liveness.is_silent());
    let via = device.id.as_str();
    own.into_iter().chain(behind.map(|(name, silent)| finding(&name, Some(via), &silent, now))).collect()
}

fn finding(name: &str, via: Option<&str>, liveness: &DeviceLiveness, now: Timestamp) -> Finding {
    let last = liveness.last_heard();
    let quiet = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    let through = via.map(|via| format!(" through {via}")).unwrap_or_default();
    let what =
        format!("it has sent nothing{through} for {}; its last message came at {last:.0}", rounded(quiet));
    Finding::new(Code::DeviceSilent, Subject::Device(name.to_owned()), what).since(last)
}

/// A duration in its two largest units.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let shown = |seconds| rounded(Duration::from_secs(seconds));
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(541), "9 min 1 s");
        assert_eq!(shown(7260), "2 h 1 min");
        assert_eq!(shown(90_000), "1 d 1 h");
    }
}
