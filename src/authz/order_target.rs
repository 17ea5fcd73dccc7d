//! Which device an order is for, by what it says itself.

use super::Device;
use super::rules::may_speak_for;
use crate::hl7::{Location, Message};
use crate::pcd::{Claims, DeviceIdentity, Place, Transaction};

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

/// Compares an order with the entry of the device that is to get it.
///
/// The device is named in OBX-18, PRT-10 or MDC_ATTR_SYS_ID, as in what devices send; in PCD-03 the pump of
/// OBX 69986 (IHE PCD TF vol. 2, 3.3.4.4). Without one of these MSH-5 counts, if it is an EUI-64.
#[must_use]
pub fn order_target(device: &Device, order: &Message<'_>) -> OrderTarget {
    let claims = Claims::read(order, Transaction::of(order), MAX_NAMED);
    let is_equipment =
        |place: Place| matches!(place, Place::Equipment | Place::Participation | Place::SystemId);
    let mut named =
        claims.identities.iter().chain(&claims.hidden).filter(|claim| is_equipment(claim.place)).peekable();
    if named.peek().is_some() {
        let other = named.find(|claim| !may_speak_for(device, &claim.identity));
        return other.map_or(OrderTarget::Own, |claim| OrderTarget::Other(claim.location));
    }
    match receiver(order) {
        Some(identity) if may_speak_for(device, &identity) => OrderTarget::Own,
        Some(_) => OrderTarget::Other(Location::field(*b"MSH", 1, 5)),
        None => OrderTarget::Unnamed,
    }
}

/// MSH-5, if it is an EUI-64. Otherwise it is most often the name of a product.
fn receiver(order: &Message<'_>) -> Option<DeviceIdentity> {
    let field = order.header().receiving_application();
    let component = |number| String::from_utf8_lossy(&field.component(number).text()).into_owned();
    let identity = DeviceIdentity::new(&component(2), &component(3))?;
    identity.is_eui64().then_some(identity)
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
        order_target(&device, &Message::parse(text.as_bytes()).unwrap())
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
}
