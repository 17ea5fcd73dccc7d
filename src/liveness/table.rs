//! The liveness of all devices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::behind::{Behind, DevicesBehind};
use super::missing::MissingDevices;
use super::rules::{Change, DeviceLiveness};
use super::sign_of_life::SignOfLife;
use crate::authz::{Device, Directory};
use crate::config::Devices;
use crate::model::{DeviceId, SilentAfter};

/// The liveness of every certificate that was heard, and of the devices behind it. Cheap to clone; clones
/// share the state.
#[derive(Debug, Clone, Default)]
pub struct Liveness(Arc<Mutex<Table>>);

/// How many devices behind certificates are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedLimits {
    /// Of one certificate.
    pub per_certificate: usize,
    /// Of all certificates.
    pub total: usize,
}

/// What is to be reported of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Of the certificate itself: whether anything comes with it.
    Own(Change),
    /// Devices behind it went silent.
    Silent(DevicesBehind),
    /// Devices behind it send again.
    Resumed(DevicesBehind),
}

#[derive(Debug, Default)]
struct Table {
    certificates: HashMap<DeviceId, Certificate>,
    /// The certificate with which each device behind one was heard last.
    via: HashMap<Arc<str>, DeviceId>,
    missing: MissingDevices,
    limits: FeedLimits,
    /// Messages about devices for which there was no room, since they were counted last.
    not_watched: u64,
}

#[derive(Debug)]
struct Certificate {
    own: DeviceLiveness,
    behind: Behind,
    /// When the store was last asked what another node has heard.
    asked: Option<Timestamp>,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self::from(&Devices::default())
    }
}

impl From<&Devices> for FeedLimits {
    fn from(devices: &Devices) -> Self {
        Self { per_certificate: devices.max_feeds_per_device as usize, total: devices.max_feeds as usize }
    }
}

impl Liveness {
    /// Records that a message of `device` was stored, and what it says. A heartbeat is that of the devices
    /// which the message names; without any, that of its sender.
    pub fn hear(&self, device: &DeviceId, at: Timestamp, sign: &SignOfLife) {
        let mut table = self.lock();
        let heartbeat = sign.heartbeat.filter(|_| sign.devices.is_empty());
        match table.certificates.get_mut(device) {
            Some(known) => known.own.hear(at, heartbeat),
            None => {
                let mut own = DeviceLiveness::first_heard(at);
                own.take_heartbeat(heartbeat);
                table.certificates.insert(device.clone(), Certificate::new(own));
            }
        }
        for name in &sign.devices {
            table.hear_behind(device, name, at, sign);
        }
    }

    /// The same of a message that another node received: only what is newer than what is known.
    pub fn hear_elsewhere(&self, device: &DeviceId, at: Timestamp, sign: &SignOfLife) {
        let mut table = self.lock();
        let heartbeat = sign.heartbeat.filter(|_| sign.devices.is_empty());
        let Some(known) = table.certificates.get_mut(device) else { return };
        if at > known.own.last_heard() {
            known.own.hear(at, heartbeat);
        }
        for name in &sign.devices {
            let known = table.certificates.get_mut(device).and_then(|via| via.behind.get_mut(name));
            if known.is_none_or(|known| at > known.last_heard()) {
                table.hear_behind(device, name, at, sign);
            }
        }
    }

    /// The certificates of which this node misses messages, and since when: another node may have them. One
    /// whose silence is reported comes once a minute.
    pub fn not_heard(
        &self,
        directory: &Directory,
        now: Timestamp,
        rule: SilentAfter,
    ) -> Vec<(Arc<Device>, Timestamp)> {
        let mut found = Vec::new();
        for (id, Certificate { own, behind, asked }) in &mut self.lock().certificates {
            let Ok(device) = directory.active(id) else { continue };
            let rule = device.silent_after.unwrap_or(rule);
            let is_overdue = own.is_overdue(now, rule);
            let own = (is_overdue || own.is_silent()).then(|| (own.last_heard(), is_overdue));
            let all = [own, behind.not_heard(now, rule)].into_iter().flatten();
            let Some((since, is_overdue)) =
                all.reduce(|(first, any), (at, is_overdue)| (first.min(at), any || is_overdue))
            else {
                continue;
            };
            let may_ask = asked.is_none_or(|asked| now.duration_since(asked) >= ASK_INTERVAL);
            if is_overdue || may_ask {
                *asked = Some(now);
                found.push((device, since));
            }
        }
        found
    }

    /// Adds what the store knows of `device`; a device that was heard since the start keeps its state.
    pub fn restore(&self, device: &DeviceId, liveness: DeviceLiveness) {
        self.lock().certificates.entry(device.clone()).or_insert_with(|| Certificate::new(liveness));
    }

    /// The same for a device behind `device`.
    pub fn restore_behind(&self, device: &DeviceId, name: &str, liveness: DeviceLiveness) {
        let mut table = self.lock();
        if !table.via.contains_key(name) {
            table.insert_behind(device, name, liveness);
        }
    }

    /// The changes that are to be reported at `now`. Devices that `directory` does not admit are removed, and
    /// devices behind a certificate that were not heard for a week.
    pub fn check(
        &self,
        directory: &Directory,
        now: Timestamp,
        rule: SilentAfter,
        limits: FeedLimits,
    ) -> Vec<(DeviceId, Report)> {
        let mut table = self.lock();
        let Table { certificates, via, .. } = &mut *table;
        certificates.retain(|device, certificate| {
            let is_admitted = directory.active(device).is_ok();
            if !is_admitted {
                certificate.behind.names().for_each(|name| drop(via.remove(name)));
            }
            is_admitted
        });
        let mut reports = Vec::new();
        for (device, Certificate { own, behind, .. }) in certificates {
            let known = directory.find(device).and_then(|known| known.silent_after);
            let rule = known.unwrap_or(rule);
            behind.forget(now).iter().for_each(|name| drop(via.remove(name)));
            let (silent, resumed) = behind.check(now, rule);
            let own = own.check(now, rule).map(Report::Own);
            let all = [own, silent.map(Report::Silent), resumed.map(Report::Resumed)];
            reports.extend(all.into_iter().flatten().map(|report| (device.clone(), report)));
        }
        table.limits = limits;
        reports
    }

    /// The liveness of one certificate; `None` when it was never heard.
    #[must_use]
    pub fn device(&self, device: &DeviceId) -> Option<DeviceLiveness> {
        self.lock().certificates.get(device).map(|certificate| certificate.own.clone())
    }

    /// The liveness of the devices behind one certificate, by name.
    #[must_use]
    pub fn devices_behind(&self, device: &DeviceId) -> Vec<(Arc<str>, DeviceLiveness)> {
        self.lock()
            .certificates
            .get(device)
            .map(|certificate| certificate.behind.sorted())
            .unwrap_or_default()
    }

    /// How many devices are silent: certificates, and devices behind them.
    #[must_use]
    pub fn silent_devices(&self) -> usize {
        let silent = |certificate: &Certificate| {
            usize::from(certificate.own.is_silent()) + certificate.behind.silent()
        };
        self.lock().certificates.values().map(silent).sum()
    }

    /// Expected devices that were not heard here for as long as they may be silent, with that time: to be
    /// looked for in the store.
    pub fn unheard(
        &self,
        directory: &Directory,
        now: Timestamp,
        rule: SilentAfter,
    ) -> Vec<(DeviceId, Duration)> {
        let Table { certificates, missing, .. } = &mut *self.lock();
        missing.due(directory, |device| certificates.contains_key(device), now, rule)
    }

    /// Records whether such a device is missing. Returns whether that is to be reported.
    #[must_use]
    pub fn set_missing(&self, device: &DeviceId, is_missing: bool) -> bool {
        self.lock().missing.set(device, is_missing)
    }

    /// Whether the device is expected and was never heard.
    #[must_use]
    pub fn is_missing(&self, device: &DeviceId) -> bool {
        self.lock().missing.is_missing(device)
    }

    /// How many devices are.
    #[must_use]
    pub fn missing_devices(&self) -> usize {
        self.lock().missing.count()
    }

    /// How many devices behind certificates are watched.
    #[must_use]
    pub fn devices_watched_behind(&self) -> usize {
        self.lock().via.len()
    }

    /// How many messages named a device for which there was no room, since this was asked last.
    #[must_use]
    pub fn take_not_watched(&self) -> u64 {
        std::mem::take(&mut self.lock().not_watched)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Certificate {
    fn new(own: DeviceLiveness) -> Self {
        Self { own, behind: Behind::default(), asked: None }
    }
}

impl Table {
    fn hear_behind(&mut self, device: &DeviceId, name: &str, at: Timestamp, sign: &SignOfLife) {
        let moved = match self.via.get(name) {
            Some(via) if via == device => None,
            // The device is behind another gateway now.
            Some(via) => self.certificates.get_mut(via).and_then(|other| other.behind.remove(name)),
            None => None,
        };
        let is_known = moved.is_some();
        if let Some(moved) = moved {
            self.via.remove(name);
            self.insert_behind(device, name, moved);
        }
        if let Some(known) = self.certificates.get_mut(device).and_then(|via| via.behind.get_mut(name)) {
            known.hear(at, sign.heartbeat);
        } else if !is_known {
            let mut first = DeviceLiveness::first_heard(at);
            first.take_heartbeat(sign.heartbeat);
            self.insert_behind(device, name, first);
        }
    }

    fn insert_behind(&mut self, device: &DeviceId, name: &str, liveness: DeviceLiveness) {
        let Some(certificate) = self.certificates.get_mut(device) else { return };
        let is_full =
            certificate.behind.len() >= self.limits.per_certificate || self.via.len() >= self.limits.total;
        if is_full {
            let Some(evicted) = certificate.behind.evict() else {
                self.not_watched = self.not_watched.saturating_add(1);
                return;
            };
            self.via.remove(&evicted);
        }
        let name: Arc<str> = name.into();
        self.via.insert(Arc::clone(&name), device.clone());
        certificate.behind.insert(name, liveness);
    }
}

/// How often the store is asked for messages of a silent device.
const ASK_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::Heartbeat;
    use crate::store::fixtures::gateway;

    const RULE: SilentAfter = SilentAfter::Learned;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    fn of(names: &[&str]) -> SignOfLife {
        let interval = Heartbeat::Within(Duration::from_secs(10));
        SignOfLife {
            heartbeat: Some(interval),
            devices: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn directory() -> Directory {
        vec![gateway("GW-1"), gateway("GW-2")].into()
    }

    fn limits(per_certificate: usize, total: usize) -> FeedLimits {
        FeedLimits { per_certificate, total }
    }

    fn checked(liveness: &Liveness, second: i64) -> Vec<Report> {
        let reports = liveness.check(&directory(), at(second), RULE, limits(100, 1000));
        reports.into_iter().map(|(_, report)| report).collect()
    }

    fn names(devices: &DevicesBehind) -> Vec<&str> {
        devices.names.iter().map(AsRef::as_ref).collect()
    }

    // A ward may have its own rule, for what is behind its gateway too.
    #[test]
    fn the_rule_of_an_entry_replaces_the_configured_one() {
        let gateway_with = |silent_after| {
            let device = Device { silent_after, ..gateway("GW-1") };
            Directory::from(vec![device])
        };
        for (silent_after, second, reports) in [
            (None, 21, 1),
            (Some(SilentAfter::Never), 100_000, 0),
            (Some(SilentAfter::Fixed(Duration::from_secs(5))), 6, 2),
        ] {
            let liveness = Liveness::default();
            liveness.hear(&"GW-1".parse().unwrap(), at(0), &of(&["A"]));
            let found = liveness.check(&gateway_with(silent_after), at(second), RULE, limits(100, 1000));
            assert_eq!(found.len(), reports, "{silent_after:?}: {found:?}");
        }
    }

    /// Of 42 monitors behind one gateway, each can stop.
    #[test]
    fn devices_behind_a_gateway_are_watched_one_by_one() {
        let liveness = Liveness::default();
        let gateway: DeviceId = "GW-1".parse().unwrap();
        let monitors: Vec<String> = (0..42).map(|n| format!("MONITOR-{n:02}")).collect();
        let all: Vec<&str> = monitors.iter().map(String::as_str).collect();
        liveness.hear(&gateway, at(0), &of(&all));
        // One goes on, and with it the certificate.
        (1..10).for_each(|n| liveness.hear(&gateway, at(n * 5), &of(&all[..1])));
        let reports = checked(&liveness, 46);
        let [Report::Silent(silent)] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!((silent.names.len(), silent.others, silent.last_heard), (32, 9, Some(at(0))));
        assert_eq!((liveness.silent_devices(), checked(&liveness, 47)), (41, Vec::new()), "once");
        liveness.hear(&gateway, at(48), &of(&all[7..9]));
        let reports = checked(&liveness, 49);
        let [Report::Resumed(resumed)] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!(names(resumed), ["MONITOR-07", "MONITOR-08"]);
        assert_eq!(liveness.silent_devices(), 39);
    }

    #[test]
    fn the_heartbeat_of_a_device_is_not_that_of_its_gateway() {
        let liveness = Liveness::default();
        let gateway: DeviceId = "GW-1".parse().unwrap();
        liveness.hear(&gateway, at(0), &of(&["A"]));
        assert_eq!(liveness.device(&gateway).unwrap().silence_threshold(RULE), None);
        liveness.hear(&gateway, at(0), &of(&[]));
        let threshold = liveness.device(&gateway).unwrap().silence_threshold(RULE);
        assert_eq!(threshold, Some(Duration::from_secs(20)));
    }

    #[test]
    fn a_device_that_changes_its_gateway_is_not_silent() {
        let liveness = Liveness::default();
        let [one, other]: [DeviceId; 2] = ["GW-1", "GW-2"].map(|name| name.parse().unwrap());
        liveness.hear(&one, at(0), &of(&["A"]));
        (1..10).for_each(|n| liveness.hear(&other, at(n * 5), &of(&["A"])));
        assert_eq!(checked(&liveness, 46), []);
        assert_eq!((liveness.devices_behind(&one).len(), liveness.devices_behind(&other).len()), (0, 1));
        let reports = liveness.check(&directory(), at(100), RULE, FeedLimits::default());
        assert!(matches!(reports.as_slice(), [(via, Report::Silent(_))] if *via == other), "{reports:?}");
    }

    #[test]
    fn the_devices_that_are_watched_are_limited() {
        let liveness = Liveness::default();
        let [one, other]: [DeviceId; 2] = ["GW-1", "GW-2"].map(|name| name.parse().unwrap());
        let limited = |second| liveness.check(&directory(), at(second), RULE, limits(2, 3)).len();
        limited(0);
        liveness.hear(&one, at(0), &of(&["A", "B", "C"]));
        assert_eq!((liveness.devices_watched_behind(), liveness.take_not_watched()), (2, 1));
        liveness.hear(&other, at(0), &of(&["D", "E"]));
        assert_eq!((liveness.devices_watched_behind(), liveness.take_not_watched()), (3, 1));
        // A silent one makes room.
        assert_eq!(limited(30), 2);
        liveness.hear(&one, at(31), &of(&["C"]));
        assert_eq!((liveness.devices_watched_behind(), liveness.take_not_watched()), (3, 0));
        assert!(liveness.devices_behind(&one).iter().any(|(name, _)| &**name == "C"));
        // Taken away, and removed from the directory.
        assert_eq!(limited(31 + 8 * 24 * 3600), 0);
        assert_eq!(liveness.devices_watched_behind(), 0);
        liveness.hear(&one, at(1_000_000), &of(&["C"]));
        liveness.check(&Directory::default(), at(1_000_000), RULE, limits(2, 3));
        assert_eq!((liveness.devices_watched_behind(), liveness.silent_devices()), (0, 0));
    }
}
