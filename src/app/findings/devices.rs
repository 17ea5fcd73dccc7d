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

/// Expected devices of the directory of which nothing was ever stored.
pub(super) fn missing(directory: &Directory, liveness: &Liveness) -> Vec<Finding> {
    let missing = directory.devices().filter(|device| liveness.is_missing(&device.id));
    let what = "it is expected, and no message of it was ever stored";
    let finding = |device: &Device| {
        Finding::new(Code::DeviceNeverSeen, Subject::Device(device.id.to_string()), what.to_owned())
    };
    missing.map(|device| finding(device)).collect()
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
    use crate::model::{DeviceId, SilentAfter};
    use crate::store::fixtures::gateway;

    #[test]
    fn an_expected_device_that_never_sent_is_a_finding_until_it_sends() {
        let directory = Directory::from(vec![Device { expected: true, ..gateway("GW-1") }, gateway("GW-2")]);
        let (liveness, rule) = (Liveness::default(), SilentAfter::Fixed(Duration::from_secs(5)));
        let at = |second: i64| Timestamp::from_second(1_750_000_000 + second).unwrap();
        let id: DeviceId = "GW-1".parse().unwrap();
        assert!(liveness.unheard(&directory, at(0), rule).is_empty());
        assert!(missing(&directory, &liveness).is_empty(), "it has some time");
        assert_eq!(liveness.unheard(&directory, at(6), rule).len(), 1);
        assert!(liveness.set_missing(&id, true));
        let found = missing(&directory, &liveness);
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((finding.code, finding.subject.name()), (Code::DeviceNeverSeen, Some("GW-1")));
        assert!(!liveness.set_missing(&id, false));
        assert!(missing(&directory, &liveness).is_empty());
    }

    #[test]
    fn durations_have_two_units() {
        let shown = |seconds| rounded(Duration::from_secs(seconds));
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(541), "9 min 1 s");
        assert_eq!(shown(7260), "2 h 1 min");
        assert_eq!(shown(90_000), "1 d 1 h");
    }
}
