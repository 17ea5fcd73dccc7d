//! The liveness of all devices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::behind::{Behind, DevicesBehind};
use super::feed::FeedState;
use super::missing::MissingDevices;
use super::rules::{CLOCK_TOLERANCE, Change, DeviceLiveness};
use super::sign_of_life::SignOfLife;
use crate::authz::{Device, Directory, rules};
use crate::config::Devices;
use crate::model::{DeviceId, SilentAfter};
use crate::pcd::DeviceIdentity;

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
    /// Whether the directory admitted it not at the last check, though it names it: an operator suspended it.
    is_suspended: bool,
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

    /// The same of a message that another node received: only what is newer than what is known. A message of
    /// a time to come is one of a clock that was wrong: each look at the store would take it for a new one.
    pub fn hear_elsewhere(&self, device: &DeviceId, at: Timestamp, now: Timestamp, sign: &SignOfLife) {
        if at.duration_since(now) > CLOCK_TOLERANCE {
            return;
        }
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
        for (id, Certificate { own, behind, asked, .. }) in &mut self.lock().certificates {
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

    /// Every certificate that was heard, and every device behind one.
    #[must_use]
    pub fn feeds(&self) -> Vec<FeedState> {
        let state = |via: &DeviceId, identity: Option<&Arc<str>>, known: &DeviceLiveness| FeedState {
            via: via.clone(),
            identity: identity.map(Arc::clone),
            last: known.last_heard(),
            pause: known.longest_gap(),
            heartbeat: known.heartbeat_interval(),
            is_silent: known.is_silent(),
            has_left: known.has_left(),
        };
        let mut feeds = Vec::new();
        for (via, Certificate { own, behind, .. }) in &self.lock().certificates {
            feeds.push(state(via, None, own));
            feeds.extend(behind.iter().map(|(name, known)| state(via, Some(name), known)));
        }
        feeds
    }

    /// Adds what was written of a feed before the platform started at `now`, where messages say less: of
    /// devices whose messages are not among the newest ones, and that a silence was reported.
    pub fn remember(&self, feed: &FeedState, now: Timestamp) {
        let mut table = self.lock();
        let has_moved = feed.identity.as_ref().is_some_and(|name| table.via.contains_key(name));
        let known = match (&feed.identity, table.certificates.get_mut(&feed.via)) {
            (None, Some(certificate)) => Some(&mut certificate.own),
            (Some(name), Some(certificate)) => certificate.behind.get_mut(name),
            (_, None) => None,
        };
        match (known, &feed.identity) {
            (Some(known), _) => {
                if feed.is_silent && known.last_heard() <= feed.last {
                    known.remember_silence();
                }
            }
            (None, None) => {
                let own = DeviceLiveness::remembered(feed, now);
                table.certificates.insert(feed.via.clone(), Certificate::new(own));
            }
            (None, Some(name)) if !has_moved => {
                table.insert_behind(&feed.via, name, DeviceLiveness::remembered(feed, now));
            }
            (None, Some(_)) => {}
        }
    }

    /// Removes the devices behind certificates that do not send for them any more, by `directory`: their
    /// silence is right.
    pub fn forget_unlisted(&self, directory: &Directory) {
        let mut table = self.lock();
        let Table { certificates, via, .. } = &mut *table;
        for (id, certificate) in certificates {
            let Some(device) = directory.find(id) else { continue };
            let is_gone = |name: &str| {
                let identity = DeviceIdentity::new(name, "");
                identity.is_some_and(|identity| rules::is_behind_no_longer(device, directory, &identity))
            };
            certificate.behind.remove_where(is_gone).iter().for_each(|name| drop(via.remove(name)));
        }
    }

    /// The changes that are to be reported at `now`. Devices that `directory` does not name are removed, and
    /// devices behind a certificate that were not heard for a week. Of a suspended device nothing is
    /// reported; what was learned of it stays, and counts again from the check that finds it resumed.
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
            let is_named = directory.find(device).is_some();
            if !is_named {
                certificate.behind.names().for_each(|name| drop(via.remove(name)));
            }
            certificate.admit(directory.active(device).is_ok(), now);
            is_named
        });
        let mut reports = Vec::new();
        let admitted = certificates.iter_mut().filter(|(_, certificate)| !certificate.is_suspended);
        for (device, Certificate { own, behind, .. }) in admitted {
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
        Self { own, behind: Behind::default(), is_suspended: false, asked: None }
    }

    /// Whether the directory admits it at `now`.
    fn admit(&mut self, is_admitted: bool, now: Timestamp) {
        if is_admitted && self.is_suspended {
            self.own.listen_from(now);
            self.behind.listen_from(now);
        } else if !is_admitted {
            self.own.suspend();
            self.behind.suspend();
        }
        self.is_suspended = !is_admitted;
    }

    /// A device behind it is heard through another one.
    fn release(&mut self, name: &str, at: Timestamp) -> Option<DeviceLiveness> {
        let mut released = self.behind.remove(name)?;
        if self.is_suspended {
            released.listen_from(at);
        }
        Some(released)
    }
}

impl Table {
    fn hear_behind(&mut self, device: &DeviceId, name: &str, at: Timestamp, sign: &SignOfLife) {
        let moved = match self.via.get(name) {
            Some(via) if via == device => None,
            // The device is behind another gateway now.
            Some(via) => self.certificates.get_mut(via).and_then(|other| other.release(name, at)),
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
        let has_place = certificate.behind.len() < self.limits.per_certificate;
        if !has_place || self.via.len() >= self.limits.total {
            let evicted = certificate.behind.evict();
            let Some(evicted) = evicted.or_else(|| has_place.then(|| self.evict_suspended()).flatten())
            else {
                self.not_watched = self.not_watched.saturating_add(1);
                return;
            };
            self.via.remove(&evicted);
        }
        let Some(certificate) = self.certificates.get_mut(device) else { return };
        let name: Arc<str> = name.into();
        self.via.insert(Arc::clone(&name), device.clone());
        certificate.behind.insert(name, liveness);
    }
}

impl Table {
    /// Devices behind a suspended certificate make room first.
    fn evict_suspended(&mut self) -> Option<Arc<str>> {
        let suspended = self.certificates.values_mut().filter(|certificate| certificate.is_suspended);
        suspended.map(|certificate| &mut certificate.behind).find_map(Behind::evict_any)
    }
}

/// How often the store is asked for messages of a silent device.
const ASK_INTERVAL: SignedDuration = SignedDuration::from_mins(1);
