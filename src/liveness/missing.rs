//! Devices that are expected and were never heard.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::authz::{Device, DeviceStatus, Directory};
use crate::model::{DeviceId, SilentAfter};

/// The devices that the directory expects (`device add --expected`) and that were not heard.
#[derive(Debug, Default)]
pub(super) struct MissingDevices(HashMap<DeviceId, Awaited>);

#[derive(Debug)]
struct Awaited {
    /// Since when the platform listens to it.
    since: Timestamp,
    /// When the store was last asked whether another node has heard it.
    asked: Option<Timestamp>,
    is_missing: bool,
}

impl MissingDevices {
    /// The devices for which it is time to ask the store, with the time that they had.
    pub(super) fn due(
        &mut self,
        directory: &Directory,
        is_heard: impl Fn(&DeviceId) -> bool,
        now: Timestamp,
        rule: SilentAfter,
    ) -> Vec<(DeviceId, Duration)> {
        let is_awaited = |device: &Device| {
            device.expected && device.status == DeviceStatus::Active && !is_heard(&device.id)
        };
        self.0
            .retain(|id, _| directory.find(id).is_some_and(|device| device.id == *id && is_awaited(device)));
        let mut due = Vec::new();
        for device in directory.devices().filter(|device| is_awaited(device)) {
            let awaited = self.0.entry(device.id.clone()).or_insert(Awaited {
                since: now,
                asked: None,
                is_missing: false,
            });
            let allowed = match device.silent_after.unwrap_or(rule) {
                SilentAfter::Never => continue,
                SilentAfter::Fixed(after) => after,
                SilentAfter::Learned => EXPECTED_WITHIN,
            };
            let is_over = has_passed(awaited.since, allowed, now);
            if is_over && awaited.asked.is_none_or(|asked| has_passed(asked, ASK_INTERVAL, now)) {
                awaited.asked = Some(now);
                due.push((device.id.clone(), allowed));
            }
        }
        due
    }

    /// Records what the store says. Returns whether the device is missing since now.
    pub(super) fn set(&mut self, device: &DeviceId, is_missing: bool) -> bool {
        let Some(awaited) = self.0.get_mut(device) else { return false };
        let was_missing = std::mem::replace(&mut awaited.is_missing, is_missing);
        is_missing && !was_missing
    }

    pub(super) fn is_missing(&self, device: &DeviceId) -> bool {
        self.0.get(device).is_some_and(|awaited| awaited.is_missing)
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().filter(|awaited| awaited.is_missing).count()
    }
}

fn has_passed(since: Timestamp, time: Duration, now: Timestamp) -> bool {
    SignedDuration::try_from(time).is_ok_and(|time| now.duration_since(since) > time)
}

/// How long an expected device has for its first message where no fixed time says it.
const EXPECTED_WITHIN: Duration = Duration::from_hours(24);
/// Another node may hear a missing device.
const ASK_INTERVAL: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::gateway;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    fn directory(expected: bool, silent_after: Option<SilentAfter>) -> Directory {
        vec![Device { expected, silent_after, ..gateway("GW-1") }, gateway("GW-2")].into()
    }

    #[test]
    fn only_an_expected_device_is_missing_and_only_until_it_is_heard() {
        let id: DeviceId = "GW-1".parse().unwrap();
        let mut missing = MissingDevices::default();
        let learned = SilentAfter::Learned;
        let unheard = |_: &DeviceId| false;
        let two_minutes = SilentAfter::Fixed(Duration::from_mins(2));
        let expected = directory(true, Some(two_minutes));
        assert_eq!(missing.due(&directory(false, Some(two_minutes)), unheard, at(0), learned), []);
        assert_eq!(
            missing.due(&expected, unheard, at(100_000), learned),
            [],
            "it is listened to from now on"
        );
        assert_eq!(missing.due(&expected, unheard, at(100_120), learned), []);
        let due = missing.due(&expected, unheard, at(100_121), learned);
        assert_eq!(due, [(id.clone(), Duration::from_mins(2))]);
        assert!(missing.set(&id, true) && !missing.set(&id, true), "it is reported once");
        assert_eq!(missing.due(&expected, unheard, at(100_130), learned), []);
        assert_eq!(
            missing.due(&expected, unheard, at(100_182), learned).len(),
            1,
            "the store is asked again"
        );
        assert_eq!((missing.count(), missing.is_missing(&id)), (1, true));
        missing.set(&id, false);
        assert_eq!(missing.count(), 0, "another node heard it");
        missing.set(&id, true);
        assert_eq!(missing.due(&expected, |_| true, at(100_200), learned), []);
        assert_eq!(missing.count(), 0);
    }

    #[test]
    fn without_a_fixed_time_an_expected_device_has_a_day() {
        let mut missing = MissingDevices::default();
        let unheard = |_: &DeviceId| false;
        let mut due = |second, rule| missing.due(&directory(true, None), unheard, at(second), rule).len();
        assert_eq!([due(0, SilentAfter::Learned), due(24 * 3600, SilentAfter::Learned)], [0, 0]);
        assert_eq!(
            [due(24 * 3600 + 1, SilentAfter::Never), due(24 * 3600 + 1, SilentAfter::Learned)],
            [0, 1]
        );
    }
}
