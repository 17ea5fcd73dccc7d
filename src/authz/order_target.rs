//! Which device an order is for, by what it says itself.

use std::sync::Arc;

use super::rules::speaks_for;
use super::{Device, DeviceKind, Directory};
use crate::hl7::{Location, Message};
use crate::pcd::{Claim, Claims, DeviceIdentity, Transaction};

/// What an order says about the device that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderTarget {
    /// It names this device, or one behind it.
    Own,
    /// It names no device.
    Unnamed,
    /// It names another device, here.
    Other(Location),
}

/// Compares an order with the entry of the device that is to get it. A pattern for many passes on no order
/// for a device with an entry of its own: its answers would be rejected.
///
/// The device is named in OBX-18, PRT-10 or MDC_ATTR_SYS_ID, as in what devices send; in PCD-03 the pump of
/// OBX 69986 (IHE PCD TF vol. 2, 3.3.4.4). Without one of these MSH-5 counts, if it is an EUI-64.
#[must_use]
pub fn order_target(device: &Device, directory: &Directory, order: &Message<'_>) -> OrderTarget {
    Named::read(order).target(device, directory)
}

/// The one active device for which an order is, by what it says itself: its receiver (MSH-5), by the Common
/// Name or as an EUI-64, or else the one that has the equipment. `None` also when it names equipment that the
/// receiver does not speak for.
#[must_use]
pub fn order_device(directory: &Directory, order: &Message<'_>) -> Option<Arc<Device>> {
    let named = Named::read(order);
    let only = |identities: &[DeviceIdentity]| {
        let has_one =
            |device: &&Arc<Device>| identities.iter().any(|identity| speaks_for(device, directory, identity));
        let mut meant =
            directory.devices().filter(has_one).filter(|device| directory.active(&device.id).is_ok());
        let first = meant.next()?;
        meant.next().is_none().then(|| Arc::clone(first))
    };
    let equipment: Vec<_> = named.equipment.iter().map(|claim| claim.identity.clone()).collect();
    let device = only(&named.receivers).or_else(|| only(&equipment))?;
    (!matches!(named.target(&device, directory), OrderTarget::Other(_))).then_some(device)
}

/// The device behind `receiver`, a gateway, for which an order is. `None` when the order names none, or
/// `receiver` is no gateway. A gateway has a queue for each of them.
#[must_use]
pub fn order_addressee(receiver: &Device, order: &Message<'_>) -> Option<DeviceIdentity> {
    if receiver.kind != DeviceKind::Gateway {
        return None;
    }
    let Named { equipment, receivers } = Named::read(order);
    let (equipment, name) = (equipment.into_iter().map(|claim| claim.identity), receivers.first().cloned());
    // A name in MSH-5 is most often that of a product.
    receivers.into_iter().chain(equipment).find(DeviceIdentity::is_eui64).or(name)
}

/// What an order names.
struct Named {
    equipment: Vec<Claim>,
    /// MSH-5: the name, and the universal identifier.
    receivers: Vec<DeviceIdentity>,
}

impl Named {
    fn read(order: &Message<'_>) -> Self {
        let claims = Claims::read(order, Transaction::of(order), MAX_NAMED);
        let all = claims.identities.into_iter().chain(claims.hidden);
        let field = order.header().receiving_application();
        let text = |number| String::from_utf8_lossy(&field.component(number).text()).into_owned();
        let receivers = [(text(1), String::new()), (text(2), text(3))];
        Self {
            equipment: all.filter(|claim| claim.place.is_equipment()).collect(),
            receivers: receivers.iter().filter_map(|(id, kind)| DeviceIdentity::new(id, kind)).collect(),
        }
    }

    fn target(&self, device: &Device, directory: &Directory) -> OrderTarget {
        if !self.equipment.is_empty() {
            let other = self.equipment.iter().find(|claim| !speaks_for(device, directory, &claim.identity));
            return other.map_or(OrderTarget::Own, |claim| OrderTarget::Other(claim.location));
        }
        // Anything else is most often the name of a product.
        match self.receivers.iter().find(|identity| identity.is_eui64()) {
            Some(identity) if speaks_for(device, directory, identity) => OrderTarget::Own,
            Some(_) => OrderTarget::Other(Location::field(*b"MSH", 1, 5)),
            None => OrderTarget::Unnamed,
        }
    }
}

/// More devices than an order names.
const MAX_NAMED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcd::IdentityPattern;

    const PUMP: &str = "6543210000000001";

    fn target(receiver: &str, rest: &str, speaks_for: &[&str]) -> OrderTarget {
        let text = format!("MSH|^~\\&|IOP||{receiver}||20260101||RGV^O15^RGV_O15|1|P|2.6|||AL|AL\r{rest}");
        let patterns = speaks_for.iter().map(|text| text.parse::<IdentityPattern>().unwrap());
        let device = Device { speaks_for: patterns.collect(), ..Device::new(PUMP.parse().unwrap()) };
        let order = Message::parse(text.as_bytes()).unwrap();
        order_target(&device, &Directory::from(vec![device.clone()]), &order)
    }

    fn pump(identity: &str) -> String {
        format!("OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X|||||||{identity}\r")
    }

    // IHE PCD TF vol. 2, 3.3.4.4
    #[test]
    fn an_order_is_for_the_pump_that_it_names() {
        assert_eq!(target("", &pump("A0001^^6543210000000001^EUI-64"), &[]), OrderTarget::Own);
        let other = pump("A0001^^6543210000000002^EUI-64");
        assert_eq!(
            target("", &other, &["6543210000000002"]),
            OrderTarget::Own,
            "it stands behind the device"
        );
        let OrderTarget::Other(location) = target("", &other, &[]) else { panic!("another pump") };
        assert_eq!(location.to_string(), "OBX[1]-18.3");
        let both = [pump("A0001^^6543210000000001^EUI-64"), other].concat();
        assert!(matches!(target("", &both, &[]), OrderTarget::Other(_)), "one of two is another");
    }

    #[test]
    fn the_receiver_counts_where_no_equipment_is_named() {
        assert_eq!(target("IOC^6543210000000001^EUI-64", "", &[]), OrderTarget::Own);
        assert_eq!(
            target("IOC^6543210000000002^EUI-64", "", &[]),
            OrderTarget::Other(Location::field(*b"MSH", 1, 5))
        );
        assert_eq!(target("IOC", "", &[]), OrderTarget::Unnamed);
        let own = pump("A0001^^6543210000000001^EUI-64");
        assert_eq!(
            target("IOC^6543210000000002^EUI-64", &own, &[]),
            OrderTarget::Own,
            "a gateway receives it"
        );
    }

    #[test]
    fn an_order_for_a_gateway_names_one_device_behind_it() {
        let addressee = |kind, receiver: &str, rest: &str| {
            let text =
                format!("MSH|^~\\&|IOP||{receiver}||20260101||RGV^O15^RGV_O15|1|P|2.6|||AL|AL\r{rest}");
            let device = Device { kind, ..Device::new("GW".parse().unwrap()) };
            order_addressee(&device, &Message::parse(text.as_bytes()).unwrap())
        };
        let (one, other) = (pump("A0001^^6543210000000001^EUI-64"), pump("A0001^^6543210000000002^EUI-64"));
        let gateway = |receiver, rest| addressee(DeviceKind::Gateway, receiver, rest);
        let named = gateway("", &one);
        assert!(named.is_some());
        assert_eq!(gateway("PRODUCT", &one), named);
        assert_eq!(gateway("IOC^6543210000000001^EUI-64", ""), named);
        assert_eq!(gateway("IOC^6543210000000001^EUI-64", &other), named, "the receiver comes first");
        assert_ne!(gateway("", &other), named);
        assert!(gateway("PUMP-7", "").is_some());
        assert_ne!(gateway("PUMP-7", ""), gateway("PUMP-8", ""));
        assert_eq!(gateway("", ""), None);
        assert_eq!(addressee(DeviceKind::Device, "", &one), None, "a device has one queue");
    }

    // IHE PCD TF vol. 2, 3.3.4.4; B.1
    #[test]
    fn an_order_is_for_the_one_device_that_it_names() {
        let device = |id: &str, speaks_for: &[&str]| {
            let speaks_for = speaks_for.iter().map(|pattern| pattern.parse().unwrap()).collect();
            Device { speaks_for, ..Device::new(id.parse().unwrap()) }
        };
        let all = vec![
            device("00A037FFFE000001", &[]),
            device("HUB", &["00A037FFFE000002"]),
            device("GW", &["00A038*"]),
            device("00A038FFFE000001", &[]),
        ];
        let directory = Directory::from(all);
        for (receiver, equipment, expected) in [
            ("PUMP^00A037FFFE000001^EUI-64", "", Some("00A037FFFE000001")),
            ("", "P^^00A037FFFE000001^EUI-64", Some("00A037FFFE000001")),
            ("HUB", "", Some("HUB")),
            ("HUB", "P^^00A037FFFE000002^EUI-64", Some("HUB")),
            ("", "P^^00A037FFFE000002^EUI-64", Some("HUB")),
            ("", "P^^00A037FFFE000003^EUI-64", None),
            // The receiver is no pump of that name.
            ("PUMP^00A037FFFE000001^EUI-64", "P^^00A037FFFE000002^EUI-64", None),
            ("HUB", "P^^00A037FFFE000001^EUI-64", None),
            ("PLATFORM-B", "", None),
            // A pattern has all but those with an entry of their own.
            ("GW", "P^^00A038FFFE000002^EUI-64", Some("GW")),
            ("GW", "P^^00A038FFFE000001^EUI-64", None),
            ("", "P^^00A038FFFE000001^EUI-64", Some("00A038FFFE000001")),
        ] {
            let pump = if equipment.is_empty() { String::new() } else { pump(equipment) };
            let text = format!("MSH|^~\\&|IOP||{receiver}||2026||RGV^O15^RGV_O15|1|P|2.6|||AL|AL\r{pump}");
            let found = order_device(&directory, &Message::parse(text.as_bytes()).unwrap());
            let found = found.map(|device| device.id.to_string());
            assert_eq!(found.as_deref(), expected, "{receiver} {equipment}");
        }
    }
}
