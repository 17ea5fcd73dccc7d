//! Which devices are simulated.

use std::collections::BTreeMap;

use super::Fault;
use super::traffic::{BEHIND_GATEWAY, Equipment, Kind, Topic, Vendor};
use crate::pki::{KeyFamily, Role};

/// A simulated device or gateway: one certificate, one session.
#[derive(Debug, Clone)]
pub struct SimulatedDevice {
    /// EUI-64: the Common Name of its certificate.
    pub id: String,
    /// Device or gateway.
    pub role: Role,
    /// The family of its key.
    pub key: KeyFamily,
    /// What it reports on: itself, or the equipment behind the gateway.
    pub equipment: Vec<Equipment>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// The devices of a simulation. The same numbers make the same fleet.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// In the order of their numbers.
    pub devices: Vec<SimulatedDevice>,
}

impl Fleet {
    /// So many devices, of which the last ones have the faults.
    #[must_use]
    pub fn new(devices: u32, vendor: Vendor, behind: u32, faults: &BTreeMap<Fault, u32>, seed: u64) -> Self {
        let mut faults = faults.iter().flat_map(|(fault, count)| (0..*count).map(|_| *fault)).rev();
        let mut made: Vec<_> =
            (0..devices).rev().map(|number| device(number, vendor, behind, faults.next(), seed)).collect();
        made.reverse();
        Self { devices: made }
    }

    /// What `device import` takes: every device but those that are meant to be unknown.
    #[must_use]
    pub fn directory(&self) -> String {
        let mut csv = "cn,kind,speaks-for,name,ward,note\n".to_owned();
        for device in self.devices.iter().filter(|device| device.fault != Some(Fault::Unknown)) {
            let SimulatedDevice { id, role, .. } = device;
            let (kind, speaks_for) = match role {
                Role::Gateway => ("gateway", format!("{}*", prefix_behind(&device.equipment))),
                _ => ("device", String::new()),
            };
            csv.push_str(&format!(
                "{id},{kind},{speaks_for},{},Simulation,simulated device\n",
                device.name()
            ));
        }
        csv
    }

    /// Whether a device without a fault ever sends this.
    #[must_use]
    pub fn sends(&self, topic: Topic) -> bool {
        self.sound().any(|device| match topic {
            Topic::Heartbeats => device.role == Role::Gateway,
            _ => device.equipment.iter().any(|equipment| topic.is_sent_by(equipment.kind)),
        })
    }

    /// The devices without a fault.
    pub fn sound(&self) -> impl Iterator<Item = &SimulatedDevice> {
        self.devices.iter().filter(|device| device.fault.is_none())
    }
}

impl SimulatedDevice {
    /// What staff would call it.
    fn name(&self) -> String {
        let what = match (self.role, self.equipment.first().map(|equipment| equipment.kind)) {
            (Role::Gateway, _) => "gateway",
            (_, Some(Kind::Pump)) => "pump",
            (_, Some(Kind::Ventilator)) => "ventilator",
            (_, Some(Kind::Tracked)) => "tracked equipment",
            (_, Some(Kind::Reporter)) => "report system",
            _ => "monitor",
        };
        format!("Simulated {what} {}", self.id.get(8..).unwrap_or_default())
    }
}

fn device(number: u32, vendor: Vendor, behind: u32, fault: Option<Fault>, seed: u64) -> SimulatedDevice {
    let table = composition(vendor);
    let position = usize::try_from(number).unwrap_or(usize::MAX) % table.len();
    // A faulty device is a monitor: what it sends depends on its fault alone.
    let member = if fault.is_some() { Some(Kind::Monitor) } else { table.get(position).copied().flatten() };
    // One that is to be unknown must not be in the directory from another run.
    let id = identity(if fault == Some(Fault::Unknown) { UNKNOWN | number } else { number });
    // Each kind of device has both families.
    let key = if (number / 2 + number / 20).is_multiple_of(2) { KeyFamily::Ecc } else { KeyFamily::Rsa };
    match member {
        Some(kind) => {
            let equipment = vec![Equipment::new(id.clone(), kind, number, seed)];
            SimulatedDevice { id, role: Role::Device, key, equipment, fault }
        }
        None => {
            let kinds = behind_gateway(vendor);
            let equipment =
                (0..behind.clamp(1, MAX_BEHIND)).zip(kinds.iter().cycle()).map(|(place, kind)| {
                    // This bit, the number of the gateway, and eight bits.
                    let number = BEHIND_GATEWAY | (number << 8) | place;
                    Equipment::new(identity(number), *kind, number, seed)
                });
            SimulatedDevice { id, role: Role::Gateway, key, equipment: equipment.collect(), fault }
        }
    }
}

/// An EUI-64 that is administered locally (the second bit of its first octet), and so belongs to no maker.
fn identity(number: u32) -> String {
    format!("0253494D{number:08X}")
}

/// What the identities behind one gateway have in common.
fn prefix_behind(equipment: &[Equipment]) -> String {
    let first = equipment.first().map(|equipment| equipment.id.as_str()).unwrap_or_default();
    first.get(..14).unwrap_or(first).to_owned()
}

/// The devices that follow each other; none is a gateway.
const fn composition(vendor: Vendor) -> &'static [Option<Kind>] {
    use Kind::{Monitor, Pump, Reporter, Tracked, Ventilator};
    match vendor {
        Vendor::Framework => &[
            Some(Monitor),
            Some(Pump),
            None,
            Some(Ventilator),
            Some(Tracked),
            Some(Reporter),
            Some(Monitor),
            Some(Pump),
            Some(Monitor),
            Some(Pump),
            Some(Monitor),
            Some(Ventilator),
            Some(Monitor),
            Some(Pump),
            Some(Monitor),
            Some(Pump),
            Some(Monitor),
            Some(Ventilator),
            Some(Monitor),
            Some(Pump),
        ],
        Vendor::BBraun => &[Some(Pump), Some(Pump), None, Some(Pump)],
        Vendor::Draeger => &[Some(Ventilator), Some(Monitor), None, Some(Ventilator)],
        Vendor::Philips | Vendor::Ge | Vendor::Mindray => {
            &[Some(Monitor), Some(Monitor), None, Some(Monitor)]
        }
    }
}

const fn behind_gateway(vendor: Vendor) -> &'static [Kind] {
    use Kind::{Monitor, Pump, Ventilator};
    match vendor {
        Vendor::Framework => &[Monitor, Monitor, Pump, Monitor],
        Vendor::BBraun => &[Pump],
        Vendor::Draeger => &[Ventilator, Monitor],
        Vendor::Philips | Vendor::Ge | Vendor::Mindray => &[Monitor],
    }
}

/// The numbers of devices that are to be unknown have this bit.
const UNKNOWN: u32 = 1 << 30;
/// Equipment behind one gateway.
pub(super) const MAX_BEHIND: u32 = 200;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn fleet(devices: u32, faults: &[(Fault, u32)]) -> Fleet {
        Fleet::new(devices, Vendor::Framework, 8, &faults.iter().copied().collect(), 1)
    }

    #[test]
    fn a_fleet_has_every_kind_of_device_with_both_families_of_keys_and_no_identity_twice() {
        let fleet = fleet(2000, &[]);
        let kinds: BTreeSet<_> = fleet
            .devices
            .iter()
            .filter(|device| device.role == Role::Device)
            .map(|device| (device.equipment[0].kind, device.key == KeyFamily::Ecc))
            .collect();
        assert_eq!(kinds.len(), 10, "{kinds:?}");
        let gateways = fleet.devices.iter().filter(|device| device.role == Role::Gateway);
        let families: HashSet<_> = gateways.clone().map(|gateway| gateway.key).collect();
        assert_eq!((gateways.count(), families.len()), (100, 2));
        let identities: Vec<_> = fleet
            .devices
            .iter()
            .flat_map(|device| &device.equipment)
            .map(|equipment| &equipment.id)
            .collect();
        assert_eq!(identities.iter().collect::<HashSet<_>>().len(), identities.len());
        assert_eq!(identities.len(), 1900 + 100 * 8);
    }

    #[test]
    fn a_fleet_knows_what_its_devices_never_send() {
        let never = |vendor, devices| -> Vec<_> {
            let fleet = Fleet::new(devices, vendor, 8, &BTreeMap::new(), 1);
            Topic::ALL.into_iter().filter(|topic| !fleet.sends(*topic)).collect()
        };
        assert_eq!(never(Vendor::Framework, 20), []);
        assert_eq!(never(Vendor::Ge, 20), [Topic::Infusions, Topic::Conditions, Topic::Documents]);
        assert_eq!(never(Vendor::BBraun, 20), [Topic::Conditions, Topic::Documents, Topic::Waveforms]);
        assert!(never(Vendor::Framework, 1).contains(&Topic::Infusions), "the first one is a monitor");
    }

    #[test]
    fn the_last_devices_have_the_faults_and_an_unknown_one_is_not_in_the_directory() {
        let fleet = fleet(10, &[(Fault::Revoked, 2), (Fault::Unknown, 1)]);
        let faults: Vec<_> = fleet.devices.iter().filter_map(|device| device.fault).collect();
        assert_eq!(faults.len(), 3);
        assert!(fleet.devices[..7].iter().all(|device| device.fault.is_none()));
        assert_eq!(fleet.sound().count(), 7);
        let directory = fleet.directory();
        assert_eq!(directory.lines().count(), 1 + 9);
        assert!(directory.contains("0253494D00000002,gateway,0253494D800002*,Simulated gateway 00000002,"));
        let unknown = fleet.devices.iter().find(|device| device.fault == Some(Fault::Unknown)).unwrap();
        assert!(!directory.contains(&unknown.id));
        assert_eq!(unknown.id, "0253494D40000009", "nor is it in that of a larger fleet");
    }
}
