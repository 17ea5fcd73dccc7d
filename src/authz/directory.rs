//! A snapshot of the device directory.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::lookalikes::Lookalikes;
use super::{Device, DeviceStatus};
use crate::model::{DeviceId, KeyHash, Refusal};
use crate::pcd::{Claim, DeviceIdentity, IdentityPattern};

/// The current device directory. A change replaces it as a whole.
pub type DirectoryHandle = Arc<ArcSwap<Directory>>;

/// The directory at the time when it was read from the store. A change creates a new one.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    devices: HashMap<DeviceId, Arc<Device>>,
    /// The Common Names as identities, and the entries that have each: names may differ in case only, and
    /// older directories hold one EUI-64 in several spellings.
    identities: HashMap<DeviceIdentity, Vec<DeviceId>>,
    /// The identities, by value, for which an entry may speak besides its own, and the entries.
    listed: HashMap<DeviceIdentity, Vec<DeviceId>>,
    /// The patterns for many identities, and the entry of each; `--any` is not here.
    wide: Vec<(DeviceId, IdentityPattern)>,
    /// The Common Names by what they look like.
    alike: Lookalikes,
    /// The same of the listed identities.
    listed_alike: Lookalikes,
}

impl Directory {
    /// Every entry.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.devices.values()
    }

    /// Whether the holder of a certificate with this Common Name may connect now (A8). `issuers` are the keys
    /// of the CAs in its path, the root's included. The entry may spell the same EUI-64 in another way.
    ///
    /// # Errors
    /// When the directory has no such entry, an operator has suspended it, or it is bound to other CAs.
    pub fn admit(
        &self,
        id: &DeviceId,
        issuers: impl IntoIterator<Item = KeyHash>,
    ) -> Result<Arc<Device>, Refusal> {
        let device = self.active(id)?;
        let is_bound = !device.issuers.is_empty();
        if is_bound && !issuers.into_iter().any(|issuer| device.issuers.contains(&issuer)) {
            return Err(Refusal::OtherIssuer);
        }
        Ok(device)
    }

    /// The entry of this device, whatever certificate it presents. The entry may spell the same EUI-64 in
    /// another way.
    ///
    /// # Errors
    /// When the directory has no such entry, an operator has suspended it, or it cannot be read.
    pub fn active(&self, id: &DeviceId) -> Result<Arc<Device>, Refusal> {
        let device = self.find(id).ok_or(Refusal::UnknownDevice)?;
        match device.status {
            DeviceStatus::Active => Ok(Arc::clone(device)),
            DeviceStatus::Suspended => Err(Refusal::SuspendedDevice),
            DeviceStatus::Damaged => Err(Refusal::DamagedEntry),
        }
    }

    /// The entry with this Common Name, or the only one with another spelling of the same EUI-64. Where an
    /// older directory has several, none of them is taken for a further spelling: each may have been
    /// suspended or bound on its own.
    #[must_use]
    pub fn find(&self, id: &DeviceId) -> Option<&Arc<Device>> {
        let spelled = || match self.identities.get(&eui64(id)?)?.as_slice() {
            [only] => self.devices.get(only),
            _ => None,
        };
        self.devices.get(id).or_else(spelled)
    }

    /// The entries that are spellings of one EUI-64, sorted, each group once.
    #[must_use]
    pub fn spelled_twice(&self) -> Vec<Vec<DeviceId>> {
        let is_group =
            |(identity, ids): &(&DeviceIdentity, &Vec<DeviceId>)| identity.is_eui64() && ids.len() > 1;
        let mut groups: Vec<_> =
            self.identities.iter().filter(is_group).map(|(_, ids)| ids.clone()).collect();
        groups.iter_mut().for_each(|ids| ids.sort());
        groups.sort();
        groups
    }

    /// Whether `identity` is the Common Name of a device or gateway, active or suspended.
    #[must_use]
    pub fn names(&self, identity: &DeviceIdentity) -> bool {
        let is_name = |identity: &DeviceIdentity| self.identities.contains_key(identity);
        is_name(identity) || identity.without_type().is_some_and(|name| is_name(&name))
    }

    /// Whether `identity` is the Common Name of another entry than `id`, active or suspended, whatever its
    /// type is, and also as the unit or the assigner of a unit.
    #[must_use]
    pub fn names_other(&self, id: &DeviceId, identity: &DeviceIdentity) -> bool {
        self.other_name(id, identity).is_some()
    }

    /// That other entry.
    fn other_name(&self, id: &DeviceId, identity: &DeviceIdentity) -> Option<&DeviceId> {
        let other =
            |identity: &DeviceIdentity| self.identities.get(identity)?.iter().find(|other| *other != id);
        let by_part = || identity.names().find_map(|name| other(&name));
        other(identity).or_else(|| if identity.is_eui64() { None } else { by_part() })
    }

    /// Another entry than `id` of which `identity` is the Common Name, or looks like it.
    pub(super) fn other_name_or_alike(&self, id: &DeviceId, identity: &DeviceIdentity) -> Option<&DeviceId> {
        self.other_name(id, identity).or_else(|| self.alike.find(identity, None, |other| other != id))
    }

    /// An entry that `counts` and has a Common Name which the claimed one looks like, or is for some reader.
    pub(super) fn alike(&self, claim: &Claim, counts: impl Fn(&DeviceId) -> bool) -> Option<&DeviceId> {
        self.alike.find_claimed(claim, counts)
    }

    /// Whether the Common Name of some entry looks like these bytes, by whatever character set they are read.
    pub(super) fn has_alike_encoded(&self, encoded: &[u8]) -> bool {
        self.alike.find_encoded(encoded, |_| true).is_some()
    }

    /// Another entry than `id` whose list has an identity that this one looks like.
    pub(super) fn other_listing_alike(&self, id: &DeviceId, identity: &DeviceIdentity) -> Option<&DeviceId> {
        self.listed_alike.find(identity, None, |other| other != id)
    }

    /// The entries whose list spells `identity`, or the same text without a type.
    pub(super) fn listing(&self, identity: &DeviceIdentity) -> impl Iterator<Item = &DeviceId> {
        let untyped = identity.without_type();
        let lists = [self.listed.get(identity), untyped.and_then(|untyped| self.listed.get(&untyped))];
        lists.into_iter().flatten().flatten()
    }

    /// The patterns for many identities, and the entry of each.
    pub(super) fn wide(&self) -> impl Iterator<Item = (&DeviceId, &IdentityPattern)> {
        self.wide.iter().map(|(id, pattern)| (id, pattern))
    }

    /// Whether some entry lists `identity`, not only a pattern that has it, as one for which it may speak.
    #[must_use]
    pub fn lists(&self, identity: &DeviceIdentity) -> bool {
        let is_listed = |identity: &DeviceIdentity| self.listed.contains_key(identity);
        is_listed(identity) || identity.without_type().is_some_and(|name| is_listed(&name))
    }

    /// Whether another entry has this Common Name in another spelling: names are compared exactly, and
    /// identities are not.
    #[must_use]
    pub fn has_case_variant(&self, id: &DeviceId) -> bool {
        let identity = DeviceIdentity::new(id.as_str(), "");
        let own = usize::from(self.devices.contains_key(id));
        identity
            .and_then(|identity| self.identities.get(&identity))
            .is_some_and(|entries| entries.len() > own)
    }

    /// The number of devices and gateways, including suspended ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether the directory has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

impl FromIterator<Device> for Directory {
    fn from_iter<I: IntoIterator<Item = Device>>(devices: I) -> Self {
        let devices: HashMap<_, _> =
            devices.into_iter().map(|device| (device.id.clone(), Arc::new(device))).collect();
        let mut identities: HashMap<_, Vec<_>> = HashMap::with_capacity(devices.len());
        for id in devices.keys() {
            if let Some(identity) = DeviceIdentity::new(id.as_str(), "") {
                identities.entry(identity).or_default().push(id.clone());
            }
        }
        let mut alike = Lookalikes::default();
        devices.keys().for_each(|id| alike.add_name(id));
        let (mut listed, mut listed_alike) = (HashMap::<_, Vec<_>>::new(), Lookalikes::default());
        let mut wide = Vec::new();
        for device in devices.values() {
            for pattern in &device.speaks_for {
                if let Some(identity) = pattern.identity() {
                    listed.entry(identity.clone()).or_default().push(device.id.clone());
                    listed_alike.add_identity(identity, &device.id);
                } else if pattern.is_wide() {
                    wide.push((device.id.clone(), pattern.clone()));
                }
            }
        }
        Self { devices, identities, listed, wide, alike, listed_alike }
    }
}

/// The number that a Common Name spells, if it is an EUI-64 or the MAC-48 of one.
#[must_use]
pub fn eui64(id: &DeviceId) -> Option<DeviceIdentity> {
    DeviceIdentity::new(id.as_str(), "").filter(DeviceIdentity::is_eui64)
}

impl From<Vec<Device>> for Directory {
    fn from(devices: Vec<Device>) -> Self {
        devices.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::DeviceKind;
    use crate::hl7::AcknowledgeAs;

    fn device(id: &str, status: DeviceStatus) -> Device {
        let id = DeviceId::parse(id).unwrap();
        Device {
            id,
            kind: DeviceKind::Device,
            status,
            speaks_for: vec![],
            issuers: vec![],
            acknowledge: AcknowledgeAs::AsAsked,
            silent_after: None,
            expected: false,
            receives_orders: true,
            note: String::new(),
            learns_until: None,
            about: crate::authz::About::default(),
        }
    }

    /// A8: the device identifier in the subject's Common Name must be authorized.
    #[test]
    fn only_known_and_active_devices_are_admitted() {
        let directory: Directory =
            vec![device("monitor", DeviceStatus::Active), device("pump", DeviceStatus::Suspended)].into();
        let admit =
            |id| directory.admit(&DeviceId::parse(id).unwrap(), []).map(|device| device.id.to_string());
        assert_eq!(admit("monitor"), Ok("monitor".into()));
        assert_eq!(admit("pump"), Err(Refusal::SuspendedDevice));
        assert_eq!(admit("Monitor"), Err(Refusal::UnknownDevice));
        assert_eq!(admit("monitor2"), Err(Refusal::UnknownDevice));
        assert_eq!((directory.len(), directory.is_empty()), (2, false));
        assert!(Directory::default().is_empty());
    }

    /// A8: one EUI-64 is one device, however its certificate and the directory spell it.
    #[test]
    fn a_certificate_with_another_spelling_is_admitted_as_the_device_of_the_directory() {
        let directory: Directory = vec![
            device("00A037EB2175780F", DeviceStatus::Active),
            device("00:a0:37:00:00:00:00:01", DeviceStatus::Suspended),
            device("0600DCFFFE750001", DeviceStatus::Active),
            device("ward-7", DeviceStatus::Active),
        ]
        .into();
        let admit =
            |id: &str| directory.admit(&DeviceId::parse(id).unwrap(), []).map(|device| device.id.to_string());
        for spelling in ["00a037eb2175780f", "00:A0:37:EB:21:75:78:0F", "00-a0-37-eb-21-75-78-0f"] {
            assert_eq!(admit(spelling), Ok("00A037EB2175780F".into()), "{spelling}");
        }
        assert_eq!(admit("00A0370000000001"), Err(Refusal::SuspendedDevice));
        assert_eq!(admit("06-00-DC-75-00-01"), Ok("0600DCFFFE750001".into()));
        assert_eq!(admit("WARD-7"), Err(Refusal::UnknownDevice), "other names are compared exactly");
        assert_eq!(admit("00A037EB21757810"), Err(Refusal::UnknownDevice));
        assert!(directory.spelled_twice().is_empty());
    }

    #[test]
    fn of_two_entries_for_one_eui64_each_admits_its_own_spelling_alone() {
        let directory: Directory = vec![
            device("00A037EB2175780F", DeviceStatus::Suspended),
            device("00a037eb2175780f", DeviceStatus::Active),
        ]
        .into();
        let admit = |id: &str| directory.admit(&DeviceId::parse(id).unwrap(), []).map(drop);
        assert_eq!(admit("00A037EB2175780F"), Err(Refusal::SuspendedDevice));
        assert_eq!(admit("00a037eb2175780f"), Ok(()));
        assert_eq!(admit("00:A0:37:EB:21:75:78:0F"), Err(Refusal::UnknownDevice));
        assert_eq!(directory.spelled_twice().len(), 1);
    }

    /// A8: another installed root cannot certify the Common Name of a bound device.
    #[test]
    fn a_bound_device_is_admitted_by_its_issuers_alone() {
        let [one, two, other] = [b"1", b"2", b"3"].map(|key| KeyHash::sha256(key));
        let bound = Device { issuers: vec![one, two], ..device("pump", DeviceStatus::Active) };
        let suspended = Device { issuers: vec![one], ..device("monitor", DeviceStatus::Suspended) };
        let directory: Directory = vec![bound, suspended].into();
        let admit =
            |id, path: &[KeyHash]| directory.admit(&DeviceId::parse(id).unwrap(), path.to_vec()).map(drop);
        assert_eq!(admit("pump", &[one]), Ok(()));
        assert_eq!(admit("pump", &[other, two]), Ok(()));
        assert_eq!(admit("pump", &[other]), Err(Refusal::OtherIssuer));
        assert_eq!(admit("pump", &[]), Err(Refusal::OtherIssuer));
        assert_eq!(admit("monitor", &[other]), Err(Refusal::SuspendedDevice));
    }
}
