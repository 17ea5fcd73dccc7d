//! What a message says about the liveness of devices.

use super::heartbeat::Heartbeat;
use crate::authz::{Device, DeviceKind};
use crate::hl7::{CharacterSet, Message, Repetition};
use crate::model::PatientKey;
use crate::pcd::{DeviceIdentity, KnownPatient, Level, Observation};

/// What a message says about the liveness of devices, besides that its sender is alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignOfLife {
    /// The heartbeat in it: that of `devices`, or of the sender itself without any.
    pub heartbeat: Option<Heartbeat>,
    /// The devices behind the sender that the message is about; without the sender itself.
    pub devices: Vec<String>,
}

impl SignOfLife {
    /// Reads a message that was sent with the certificate of `sender`.
    ///
    /// The devices are those of OBX-18 at the level of the device (MDS); without any, those in
    /// MDC_ATTR_SYS_ID; then those of OBX-18 at other levels; then MSH-3 and OBR-3. Of the repetitions of
    /// OBX-18 the first names the device. `key` names a patient whom the sender wrote there. At most
    /// [`SignOfLife::MAX_DEVICES`].
    #[must_use]
    pub fn read(message: &Message<'_>, sender: &Device, key: &PatientKey) -> Self {
        let heartbeat = Heartbeat::find(message);
        let mut names = Reader { characters: message.header().text_encoding(), sender }.names(message);
        // Some senders write the patient into a field for a device.
        let characters = message.text_encoding();
        names.sort();
        names.dedup();
        if !names.is_empty() {
            let patient = KnownPatient::of(message, characters);
            names = names
                .into_iter()
                .map(|name| patient.without_patient(name, |text| key.digits(text)))
                .collect();
            names.sort();
            names.dedup();
        }
        names.truncate(Self::MAX_DEVICES);
        Self { heartbeat, devices: names }
    }

    /// Devices of one message that are watched.
    pub const MAX_DEVICES: usize = 256;
}

struct Reader<'s> {
    characters: CharacterSet,
    sender: &'s Device,
}

impl Reader<'_> {
    fn names(&self, message: &Message<'_>) -> Vec<String> {
        let (mut devices, mut systems, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut last: &[u8] = &[];
        for observation in message.segments().filter_map(Observation::of) {
            if is_system_id(&observation) {
                systems.extend(observation.value().repetitions().next());
            }
            let equipment = observation.equipment();
            if equipment.is_empty() || equipment.raw() == last {
                continue;
            }
            last = equipment.raw();
            let is_device = observation.path().is_ok_and(|path| path.level() == Level::Mds);
            let list = if is_device { &mut devices } else { &mut parts };
            list.extend(equipment.repetitions().next());
        }
        let application = self.text(message.header().sending_application().component(1));
        match [devices, systems, parts].into_iter().find(|list| !list.is_empty()) {
            Some(list) => list.into_iter().filter_map(|named| self.name(named, &application)).collect(),
            None => self.senders(message),
        }
    }

    /// The identities in MSH-3 (data type HD) and OBR-3 (EI). What they have besides is the name of a
    /// product, and the number of an order.
    fn senders(&self, message: &Message<'_>) -> Vec<String> {
        let application = message.header().sending_application();
        let filler = message.segment(b"OBR").map(|obr| obr.field(3));
        let parts = [
            Some([application.component(2), application.component(3)]),
            filler.map(|filler| [filler.component(3), filler.component(4)]),
        ];
        let identity = |[id, kind]: [crate::hl7::Component<'_>; 2]| {
            DeviceIdentity::new(&self.text(id), &self.text(kind)).filter(|identity| !self.is_own(identity))
        };
        parts
            .into_iter()
            .flatten()
            .filter_map(identity)
            .map(|identity| bounded(&identity.to_string()))
            .collect()
    }

    /// The name of a device (data type EI); `None` for the sender itself. `application` is the name of the
    /// sending application (MSH-3.1), with which gateways name themselves.
    fn name(&self, named: Repetition<'_>, application: &str) -> Option<String> {
        let [unit, namespace, assigner, kind] = [1, 2, 3, 4].map(|n| self.text(named.component(n)));
        let (unit, identity) = if assigner.is_empty() {
            (String::new(), DeviceIdentity::new(&unit, &namespace)?)
        } else {
            (unit, DeviceIdentity::new(&assigner, &kind)?)
        };
        // A gateway may name its devices by a unit of its own identity.
        let is_unit = self.sender.kind == DeviceKind::Gateway && !unit.is_empty() && unit != application;
        if self.is_own(&identity) && !is_unit {
            return None;
        }
        let is_same = DeviceIdentity::new(&unit, "").is_some_and(|unit| unit == identity);
        let name =
            if unit.is_empty() || is_same { identity.to_string() } else { format!("{unit} of {identity}") };
        Some(bounded(&name))
    }

    fn is_own(&self, identity: &DeviceIdentity) -> bool {
        DeviceIdentity::new(self.sender.id.as_str(), "").is_some_and(|own| own.stands_for(identity))
    }

    fn text(&self, component: crate::hl7::Component<'_>) -> String {
        self.characters.decode(&component.text()).trim().to_owned()
    }
}

fn bounded(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

fn is_system_id(observation: &Observation<'_>) -> bool {
    let places = [observation.code().trimmed(), observation.name().trimmed()];
    places.contains(&&b"67972"[..]) || places.contains(&&b"MDC_ATTR_SYS_ID"[..])
}

/// Characters of a name.
const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::gateway;

    const OWN: &str = "0009FBFFFF059322";

    fn devices(sender: &Device, rest: &str) -> Vec<String> {
        let text = format!("MSH|^~\\&|GATEWAY^{OWN}^EUI64||||2026||ORU^R01^ORU_R01|1|P|2.6\r{rest}");
        let key = PatientKey::new(b"key");
        SignOfLife::read(&Message::parse(text.as_bytes()).unwrap(), sender, &key).devices
    }

    #[test]
    fn the_devices_of_a_message_are_those_that_it_is_about() {
        let sender = gateway(OWN);
        let of = |rest: &str| devices(&sender, rest);
        let mds = "OBX|1||1^X_MDS|1.0.0.0|||||||X|||||||M1^^00A037EB2175780F^EUI-64\r";
        let module = "OBX|2||1^X_VMD|1.1.0.0|||||||X|||||||P7^^00A037EB21757810^EUI-64~WARD 7\r";
        let system = "OBX|3|ST|67972^MDC_ATTR_SYS_ID^MDC|1.1.0.9|5A9F-1\r";
        let filler = "OBR|1||7^^00A037EB21757811^EUI-64\r";
        assert_eq!(of(&format!("{filler}{mds}{module}{system}")), ["M1 of 00A037EB2175780F"]);
        assert_eq!(of(&format!("{filler}{module}{system}")), ["5A9F-1"]);
        assert_eq!(of(&format!("{filler}{module}")), ["P7 of 00A037EB21757810"]);
        assert_eq!(of(filler), ["00A037EB21757811"], "the number is that of the order");
        assert_eq!(of("OBR|1\r"), [""; 0]);
    }

    /// PCMC: at the interval of reports.
    #[test]
    fn a_heartbeat_counts_in_a_report_of_any_kind() {
        for kind in ["ORU^R01^ORU_R01", "ORU^R40^ORU_R40", "ORU^R42^ORU_R01"] {
            let text = format!(
                "MSH|^~\\&|A||||2026||{kind}|1|P|2.6\rOBR|1\r\
                OBX|1|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|end||<0\r"
            );
            let sign = SignOfLife::read(
                &Message::parse(text.as_bytes()).unwrap(),
                &gateway(OWN),
                &PatientKey::new(b"key"),
            );
            assert_eq!(sign.heartbeat, Some(Heartbeat::Leaves), "{kind}");
        }
    }

    #[test]
    fn a_device_that_names_itself_as_unit_and_assigner_is_named_once() {
        let twice = "OBX|1||1^X_MDS|1.0.0.0|||||||X|||||||00A037EB2175780F^^00A037EB2175780F^EUI-64\r";
        assert_eq!(devices(&gateway(OWN), twice), ["00A037EB2175780F"]);
    }

    #[test]
    fn a_device_with_the_name_of_the_patient_is_watched_without_it() {
        let named = "PID|1||4711||Quackenbush^Zebulon\rOBX|1||1^X_MDS|1.0.0.0|||||||X|||||||Zebulon\r";
        let found = devices(&gateway(OWN), named);
        let [name] = found.as_slice() else { panic!("{found:?}") };
        assert!(name.starts_with("[patient] ") && name.len() == 18, "{name}");
    }

    #[test]
    fn the_sender_is_no_device_behind_itself() {
        let unit = format!("OBX|1||1^X_MDS|1.0.0.0|||||||X|||||||XY150^^{OWN}^EUI-64\r");
        assert_eq!(devices(&gateway(OWN), &unit), [format!("XY150 of {OWN}")]);
        assert_eq!(devices(&gateway(OWN), &unit.replace("XY150", "GATEWAY")), [""; 0]);
        let device = Device { kind: DeviceKind::Device, ..gateway(OWN) };
        assert_eq!(devices(&device, &unit), [""; 0], "a device names its own unit");
    }
}
