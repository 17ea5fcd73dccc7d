//! The device identities that a message claims, and their locations.

use super::device_identity::{DeviceIdentity, is_eui64_type};
use crate::hl7::{Component, Field, Location, Message, Repetition, Segment};
use crate::pcd::Transaction;

/// One claim of a message about its sender or the measuring equipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The role of the identity.
    pub place: Place,
    /// The location in the message.
    pub location: Location,
    /// The identity.
    pub identity: DeviceIdentity,
}

/// The fields in which a message names devices.
///
/// OBR-2, OBR-29, MSH-5 and PID name other parties and are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// MSH-3.
    SendingApplication,
    /// MSH-4, where some senders write the value of MSH-3.
    SendingFacility,
    /// OBR-3.
    Filler,
    /// OBX-18.
    Equipment,
    /// PRT-10, PRT-16 and PRT-20 (HL7 2.7 and later).
    Participation,
    /// OBX-5 of MDC_ATTR_SYS_ID.
    SystemId,
}

impl Place {
    /// The stable name in the audit trail.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SendingApplication => "sending-application",
            Self::SendingFacility => "sending-facility",
            Self::Filler => "filler",
            Self::Equipment => "equipment",
            Self::Participation => "participation",
            Self::SystemId => "system-id",
        }
    }
}

impl Claim {
    /// Every claim of a message, in message order.
    ///
    /// A claim that repeats the one of the previous segment is left out.
    #[must_use]
    pub fn all_of(message: &Message<'_>, transaction: Option<Transaction>) -> Vec<Self> {
        let mut claims = Claims { found: Vec::with_capacity(8), equipment: &[] };
        let (mut requests, mut observations, mut participations) = (0, 0, 0);
        for segment in message.segments() {
            if segment.is(b"OBX") {
                observations += 1;
                claims.observation(segment, observations);
            } else if segment.is(b"OBR") {
                requests += 1;
                claims.entity(Place::Filler, Location::field(*b"OBR", requests, 3), segment.field(3));
            } else if segment.is(b"PRT") {
                participations += 1;
                claims.participation(segment, participations, transaction);
            } else if segment.is(b"MSH") {
                claims.header(segment);
            }
        }
        claims.found
    }
}

struct Claims<'m> {
    found: Vec<Claim>,
    /// The latest OBX-18.
    equipment: &'m [u8],
}

impl<'m> Claims<'m> {
    fn header(&mut self, msh: Segment<'m>) {
        let (application, facility) = (msh.field(3), msh.field(4));
        let location = |field, component| Location::component(*b"MSH", 1, field, component);
        let sent = Place::SendingApplication;
        let before = self.found.len();
        self.push(sent, location(3, 2), application.component(2), application.component(3));
        self.push_if_eui64(sent, location(3, 1), application.component(1));
        if self.found.len() == before {
            self.push_if_eui64(Place::SendingFacility, location(4, 2), facility.component(2));
        }
    }

    fn observation(&mut self, obx: Segment<'m>, sequence: u32) {
        let code = obx.field(3).repetitions().next();
        let mut terms = code.iter().flat_map(|code| code.components()).map(|term| term.trimmed());
        if terms.next() == Some(SYSTEM_ID.0) || terms.next() == Some(SYSTEM_ID.1) {
            self.entity(Place::SystemId, Location::field(*b"OBX", sequence, 5), obx.field(5));
        }
        if !obx.reaches(18) {
            return;
        }
        let equipment = obx.field(18);
        if !equipment.raw().is_empty() && equipment.raw() != self.equipment {
            self.equipment = equipment.raw();
            self.entity(Place::Equipment, Location::field(*b"OBX", sequence, 18), equipment);
        }
    }

    /// PRT-17 to 19 are dates and a lot: they identify nothing. In PCD-05 PRT-10 is the phone of a person.
    fn participation(&mut self, prt: Segment<'m>, sequence: u32, transaction: Option<Transaction>) {
        let phone = transaction == Some(Transaction::Pcd05);
        for n in [10, 16, 20].into_iter().filter(|n| *n != 10 || !phone) {
            self.entity(Place::Participation, Location::field(*b"PRT", sequence, n), prt.field(n.into()));
        }
    }

    /// Every repetition of a field that holds entity identifiers (data type EI).
    fn entity(&mut self, place: Place, location: Location, field: Field<'m>) {
        for entity in field.repetitions() {
            self.one_entity(place, location, entity);
        }
    }

    /// EI: entity, namespace of the assigner, universal id of the assigner, type of the universal id.
    ///
    /// Devices write their own identifier in place of the assigner's, or as the entity with its type in the
    /// second component.
    ///
    /// OBR-3.1 is an order number, even with 16 hexadecimal digits: a counter or a date is not an EUI-64. It
    /// is an identifier only where no assigner is named and its type says EUI-64.
    fn one_entity(&mut self, place: Place, location: Location, entity: Repetition<'m>) {
        let at = |component| Location { component: Some(component), ..location };
        let mut components = entity.components();
        let [own, name, assigner, kind] =
            std::array::from_fn(|_| components.next().unwrap_or(entity.component(0)));
        let own_kind = if kind.is_empty() && is_type(name) { name } else { kind };
        self.push(place, at(3), assigner, kind);
        match (place, assigner.is_empty()) {
            (Place::Filler, true) if is_type(own_kind) => self.push_if_eui64(place, at(1), own),
            (Place::Filler, _) => {}
            (_, true) => self.push(place, at(1), own, own_kind),
            (_, false) => self.push_if_eui64(place, at(1), own),
        }
    }

    fn push(&mut self, place: Place, location: Location, id: Component<'_>, kind: Component<'_>) {
        if id.is_empty() {
            return;
        }
        let (id, kind) = (id.text(), kind.text());
        let identity = DeviceIdentity::new(&String::from_utf8_lossy(&id), &String::from_utf8_lossy(&kind));
        self.found.extend(identity.map(|identity| Claim { place, location, identity }));
    }

    /// In a field for a name or a number: only a certain EUI-64.
    fn push_if_eui64(&mut self, place: Place, location: Location, id: Component<'_>) {
        let digits = id.trimmed().iter().filter(|byte| byte.is_ascii_hexdigit()).count();
        if digits < 16 {
            return;
        }
        if let Some(identity @ DeviceIdentity::Eui64(_)) =
            DeviceIdentity::new(&String::from_utf8_lossy(&id.text()), "")
        {
            self.found.push(Claim { place, location, identity });
        }
    }
}

fn is_type(name: Component<'_>) -> bool {
    std::str::from_utf8(name.trimmed()).is_ok_and(is_eui64_type)
}

/// MDC_ATTR_SYS_ID in OBX-3.
const SYSTEM_ID: (&[u8], &[u8]) = (b"67972", b"MDC_ATTR_SYS_ID");

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(msh3: &str, msh4: &str, rest: &str) -> Vec<(&'static str, String)> {
        let text = format!("MSH|^~\\&|{msh3}|{msh4}|||2026||ORU^R01^ORU_R01|1|P|2.6\r{rest}");
        let message = Message::parse(text.as_bytes()).unwrap();
        Claim::all_of(&message, Transaction::of(&message))
            .into_iter()
            .map(|claim| (claim.place.code(), format!("{} {}", claim.location, claim.identity)))
            .collect()
    }

    fn expect(place: &'static str, claim: &str) -> Vec<(&'static str, String)> {
        vec![(place, claim.to_owned())]
    }

    #[test]
    fn the_sending_application_and_its_misplaced_forms() {
        let sent = "sending-application";
        assert_eq!(
            claims("ACME^00a037eb2175780f^EUI64", "", ""),
            expect(sent, "MSH[1]-3.2 00A037EB2175780F")
        );
        assert_eq!(claims("ACME^1.2.3^ISO", "F^1.2.4^ISO", ""), expect(sent, "MSH[1]-3.2 1.2.3^ISO"));
        assert_eq!(claims("00A037EB2175780F", "", ""), expect(sent, "MSH[1]-3.1 00A037EB2175780F"));
        let facility = claims("ACME", "F^00A037EB2175780F^EUI-64", "");
        assert_eq!(facility, expect("sending-facility", "MSH[1]-4.2 00A037EB2175780F"));
        assert_eq!(claims("PAT_DEVICE_PHILIPS_C", "Philips", ""), []);
        assert_eq!(claims("A^\"\"", "", ""), []);
    }

    #[test]
    fn the_filler_but_not_the_number_of_its_order() {
        let filler =
            claims("A", "", "OBR|1|X^^FFFFFFFFFFFFFFFF^EUI-64|AB12345^ACME^ACDE48234567ABCD^EUI-64\r");
        assert_eq!(filler, expect("filler", "OBR[1]-3.3 ACDE48234567ABCD"));
        assert_eq!(claims("A", "", "OBR|1||201512218265601\rOBR|2||12345-2^LIVEDATA\r"), []);
    }

    /// Counters and dates can have 16 hexadecimal digits. A monitor with such alert numbers must not count as
    /// another device.
    #[test]
    fn an_order_number_that_looks_like_an_eui64_names_no_device() {
        let of = |filler: &str| claims("A", "", &format!("OBR|1||{filler}\r"));
        for number in ["ACDE48234567ABCD", "2015122182656010", "20151221-82656-010", "0000000B00000000^ACME"]
        {
            assert_eq!(of(number), [], "{number}");
        }
        let assigned = |id: &str| format!("0000000B00000000^^{id}^EUI-64");
        assert_eq!(of(&assigned("0009FBFFFF059322")), expect("filler", "OBR[1]-3.3 0009FBFFFF059322"));
        // An assigner that is not an EUI-64 is compared as text, whatever its type.
        assert_eq!(of(&assigned("ACME-7")), expect("filler", "OBR[1]-3.3 ACME-7^EUI-64"));
        assert_eq!(of("0000000B00000000^ACME^1.2.3^ISO"), expect("filler", "OBR[1]-3.3 1.2.3^ISO"));
        // Its type says that it is one.
        for typed in ["ACDE48234567ABCD^EUI-64", "ACDE48234567ABCD^^^EUI64"] {
            assert_eq!(of(typed), expect("filler", "OBR[1]-3.1 ACDE48234567ABCD"), "{typed}");
        }
        assert_eq!(of("E1^EUI-64"), [], "a type does not make it one");
    }

    #[test]
    fn no_assigner_hides_behind_an_order_number() {
        let rest = "OBR|1||0000000000000001^EUI-64^0000000000000002^EUI-64\r";
        assert_eq!(claims("A", "", rest), expect("filler", "OBR[1]-3.3 0000000000000002"));
    }

    #[test]
    fn the_equipment_in_every_observation_and_repetition() {
        let obx = |equipment: &str| format!("OBX|1|NM|1^X^MDC|1.0.0.1|5||||||R|||2026||||{equipment}\r");
        let one = |equipment: &str| claims("A", "", &obx(equipment));
        assert_eq!(
            one("P6013^^0012210000000000^EUI-64"),
            expect("equipment", "OBX[1]-18.3 0012210000000000")
        );
        assert_eq!(one("0123456789ABCDEF^EUI-64"), expect("equipment", "OBX[1]-18.1 0123456789ABCDEF"));
        assert_eq!(one("0600dc750001"), expect("equipment", "OBX[1]-18.1 0600DCFFFE750001"));
        assert_eq!(one("F1519EFX^X^mindray.com^DNS"), expect("equipment", "OBX[1]-18.3 MINDRAY.COM^DNS"));
        assert_eq!(one("e86c-Device"), expect("equipment", "OBX[1]-18.1 E86C-DEVICE"));

        let repeated = one("a^^0000000000000001^EUI-64~b^^0000000000000002^EUI64");
        assert_eq!(repeated.len(), 2);
        let first = obx("a^^0000000000000001^EUI-64");
        let other = obx("a^^0000000000000002^EUI-64");
        let (second, again) = (claims("A", "", &format!("{first}{first}{other}")), claims("A", "", &first));
        assert_eq!((second.len(), again.len()), (2, 1), "the same again says nothing new");
        assert_eq!(second[1].1, "OBX[3]-18.3 0000000000000002");
    }

    #[test]
    fn no_second_identifier_hides_behind_the_first() {
        let rest = "OBX|1|||||||||||||||||0000000000000002^^0000000000000001^EUI-64\r";
        let found = claims("0000000000000003^0000000000000001^EUI-64", "", rest);
        let found: Vec<_> = found.iter().map(|(_, claim)| claim.as_str()).collect();
        assert_eq!(
            found,
            [
                "MSH[1]-3.2 0000000000000001",
                "MSH[1]-3.1 0000000000000003",
                "OBX[1]-18.3 0000000000000001",
                "OBX[1]-18.1 0000000000000002",
            ]
        );
    }

    #[test]
    fn a_system_id_given_as_a_value() {
        for code in ["67972^MDC_ATTR_SYS_ID^MDC", "67972", "^MDC_ATTR_SYS_ID"] {
            let found = claims("A", "", &format!("OBX|1|ST|{code}|1.0.0.1|00-A0-37-EB-21-75-78-0F\r"));
            assert_eq!(found, expect("system-id", "OBX[1]-5.1 00A037EB2175780F"), "{code}");
        }
        assert_eq!(claims("A", "", "OBX|1|ST|67973^X|1.0.0.1|00A037EB2175780F\r"), []);
    }

    #[test]
    fn participations_name_devices_but_for_the_phone_in_pcd_05() {
        let prt = "PRT|1|||||||||P1^^0000000000000001^EUI-64||||||D2^^0000000000000002^EUI-64|20260101|20270101|LOT7|S20\r";
        let found = claims("A", "", prt);
        let found: Vec<_> = found.iter().map(|(_, claim)| claim.as_str()).collect();
        assert_eq!(
            found,
            ["PRT[1]-10.3 0000000000000001", "PRT[1]-16.3 0000000000000002", "PRT[1]-20.1 S20"]
        );

        let text = "MSH|^~\\&|A||||2026||ORU^R41^ORU_R41|1|P|2.6\rPRT|1|||||||||5551234\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(Claim::all_of(&message, Transaction::of(&message)), []);
    }

    #[test]
    fn an_escaped_identifier_is_the_identifier() {
        let found = claims(r"A^00A037EB\X32313735\780F^EUI-64", "", "");
        assert_eq!(found, expect("sending-application", "MSH[1]-3.2 00A037EB2175780F"));
    }
}
