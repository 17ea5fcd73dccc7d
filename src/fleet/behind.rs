//! How a device behind a gateway stands.

use jiff::Timestamp;

use super::standing::SENT_LATELY;
use super::state::DeviceState;
use crate::authz::{Device, DeviceStatus, rules};
use crate::pcd::DeviceIdentity;

/// What is known of a device behind a gateway.
#[derive(Debug, Clone, Copy)]
pub struct BehindDevice<'a> {
    /// Its name in messages.
    pub identity: &'a str,
    /// When the last message that names it was stored.
    pub last_heard: Timestamp,
    /// Whether its silence is reported.
    pub is_silent: bool,
    /// Whether it left monitoring.
    pub has_left: bool,
}

/// How a device behind `gateway` stands at `now`: it cannot send while its gateway cannot, or may not name it
/// any more. `is_connected`: whether the gateway is, to any node.
#[must_use]
pub fn state_behind(
    behind: &BehindDevice<'_>,
    gateway: &Device,
    is_connected: bool,
    now: Timestamp,
) -> DeviceState {
    let is_late = now.duration_since(behind.last_heard) > SENT_LATELY;
    match gateway.status {
        DeviceStatus::Suspended => DeviceState::Suspended,
        DeviceStatus::Damaged => DeviceState::Disconnected,
        DeviceStatus::Active if !may_name(gateway, behind.identity) => DeviceState::Disconnected,
        DeviceStatus::Active if behind.is_silent => DeviceState::Silent,
        DeviceStatus::Active if behind.has_left => DeviceState::Left,
        DeviceStatus::Active if !is_connected => DeviceState::Disconnected,
        DeviceStatus::Active if is_late => DeviceState::Connected,
        DeviceStatus::Active => DeviceState::Sends,
    }
}

/// Whether the list of the gateway has the device. A unit is named with the identity to which it belongs
/// (`CHANNEL-2 of PUMP-7`); one that has the name of the patient is shown without it.
fn may_name(gateway: &Device, name: &str) -> bool {
    let identity = name.rsplit(" of ").next().unwrap_or(name);
    name.contains(PATIENT)
        || DeviceIdentity::parse(identity).is_none_or(|identity| rules::may_speak_for(gateway, &identity))
}

/// What stands in place of a patient.
const PATIENT: &str = "[patient]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures::at;
    use crate::store::fixtures::gateway;

    #[test]
    fn a_device_behind_a_gateway_sends_only_while_its_gateway_can_send_and_name_it() {
        let listed = |names: &[&str]| Device {
            speaks_for: names.iter().map(|name| name.parse().unwrap()).collect(),
            ..gateway("GW-1")
        };
        let known = BehindDevice { identity: "BED-2", last_heard: at(0), is_silent: false, has_left: false };
        let sends = listed(&["BED-1", "BED-2"]);
        let state = |behind: BehindDevice<'_>, gateway: &Device| state_behind(&behind, gateway, true, at(60));
        assert_eq!(state(known, &sends), DeviceState::Sends);
        assert_eq!(state_behind(&known, &sends, false, at(60)), DeviceState::Disconnected);
        assert_eq!(state_behind(&known, &sends, true, at(3601)), DeviceState::Connected);
        let suspended = Device { status: DeviceStatus::Suspended, ..sends.clone() };
        assert_eq!(state(known, &suspended), DeviceState::Suspended);
        assert_eq!(state(known, &listed(&["BED-1"])), DeviceState::Disconnected);
        assert_eq!(state(BehindDevice { is_silent: true, ..known }, &sends), DeviceState::Silent);
        assert_eq!(state(BehindDevice { has_left: true, ..known }, &sends), DeviceState::Left);
        for identity in ["UNIT 1 of BED-2", "UNIT 1 of GW-1", "[patient] 0123abcd"] {
            assert_eq!(state(BehindDevice { identity, ..known }, &sends), DeviceState::Sends, "{identity}");
        }
        let unit = BehindDevice { identity: "UNIT 1 of BED-3", ..known };
        assert_eq!(state(unit, &sends), DeviceState::Disconnected);
    }
}
