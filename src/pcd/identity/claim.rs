//! The device identities that a message claims, and their locations.

use std::borrow::Cow;
use std::collections::HashSet;

use super::device_identity::{DeviceIdentity, is_eui64_type};
use super::visible::visible;
use crate::hl7::{CharacterSet, Component, Field, Location, Message, Repetition, Segment};
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
        Claims::read(message, transaction, usize::MAX).identities
    }
}

/// What a message says about devices.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The identities, in message order.
    pub identities: Vec<Claim>,
    /// Names beside them: MSH-3.1, and OBX-18.1 beside an identifier. Most are names of products. A name is
    /// an identity only where it is the Common Name of a device.
    pub names: Vec<Claim>,
    /// EUI-64 that only other readers find: [`Message::other_readings`], [`Message::with_plain_names`]. Their
    /// other findings are names.
    pub hidden: Vec<Claim>,
    /// Whether the message has more distinct identities or names than the limit; the others are left out.
    pub exceeds_limit: bool,
}

impl Claims {
    /// Reads the claims of a message: at most `limit` distinct identities, and as many names.
    #[must_use]
    pub fn read(message: &Message<'_>, transaction: Option<Transaction>, limit: usize) -> Self {
        let read = |reading: &Message<'_>| Reader::new(message, limit).read(reading, transaction);
        let mut claims = read(message);
        for other in message.other_readings() {
            claims.add_hidden(read(&other));
        }
        if let Some(plain) = message.with_plain_names()
            && let Ok(other) = Message::parse(&plain)
        {
            claims.add_hidden(read(&other));
        }
        claims
    }

    fn add_hidden(&mut self, read: Self) {
        self.exceeds_limit |= read.exceeds_limit;
        let (eui64, others): (Vec<_>, Vec<_>) =
            read.identities.into_iter().partition(|claim| claim.identity.eui64_parts().next().is_some());
        let parts = eui64.iter().flat_map(|claim| {
            let Claim { place, location, ref identity } = *claim;
            identity.eui64_parts().map(move |identity| Claim { place, location, identity })
        });
        self.hidden.extend(parts);
        self.names.extend(others.into_iter().chain(read.names));
    }
}

/// Claims of which at most `limit` are distinct.
struct Distinct {
    claims: Vec<Claim>,
    limit: usize,
    /// The length at which duplicates are removed next.
    full: usize,
}

impl Distinct {
    fn new(limit: usize) -> Self {
        Self { claims: Vec::with_capacity(limit.min(8)), limit, full: limit.saturating_add(1) }
    }

    /// Whether there are more than the limit.
    fn push(&mut self, claim: Claim) -> bool {
        self.claims.push(claim);
        if self.claims.len() < self.full {
            return false;
        }
        let mut seen = HashSet::with_capacity(self.limit);
        self.claims.retain(|claim| seen.insert(claim.identity.clone()));
        let exceeds_limit = self.claims.len() > self.limit;
        self.claims.truncate(self.limit);
        // Each removal of duplicates is paid for by `limit` claims.
        self.full = self.claims.len().saturating_add(self.limit).saturating_add(1);
        exceeds_limit
    }
}

struct Reader<'m> {
    found: Distinct,
    names: Distinct,
    exceeds_limit: bool,
    /// The latest OBX-18.
    equipment: &'m [u8],
    characters: CharacterSet,
    escape: Option<u8>,
}

impl<'m> Reader<'m> {
    fn new(message: &Message<'_>, limit: usize) -> Self {
        Self {
            found: Distinct::new(limit),
            names: Distinct { claims: Vec::new(), ..Distinct::new(limit) },
            exceeds_limit: false,
            equipment: &[],
            characters: message.header().text_encoding(),
            escape: message.separators().escape,
        }
    }

    fn read(mut self, message: &'m Message<'_>, transaction: Option<Transaction>) -> Claims {
        let (mut requests, mut observations, mut participations) = (0, 0, 0);
        for segment in message.segments() {
            if segment.is(b"OBX") {
                observations += 1;
                self.observation(segment, observations);
            } else if segment.is(b"OBR") {
                requests += 1;
                self.entity(Place::Filler, Location::field(*b"OBR", requests, 3), segment.field(3));
            } else if segment.is(b"PRT") {
                participations += 1;
                self.participation(segment, participations, transaction);
            } else if segment.is(b"MSH") {
                self.header(segment);
            }
            if self.exceeds_limit {
                break;
            }
        }
        Claims {
            identities: self.found.claims,
            names: self.names.claims,
            hidden: Vec::new(),
            exceeds_limit: self.exceeds_limit,
        }
    }

    fn header(&mut self, msh: Segment<'m>) {
        let location = |field, component| Location::component(*b"MSH", 1, field, component);
        for application in msh.field(3).repetitions() {
            self.application(Place::SendingApplication, |component| location(3, component), application);
        }
        for facility in msh.field(4).repetitions() {
            if has_type_for_id(facility.component(2), facility.component(3)) {
                self.push_if_eui64(Place::SendingFacility, location(4, 1), facility.component(1));
            }
            self.push_if_eui64(Place::SendingFacility, location(4, 2), facility.component(2));
        }
    }

    /// HD: namespace, universal id, type of the universal id. Some senders write the identifier in place of
    /// the namespace, and its type in place of the identifier.
    fn application(&mut self, place: Place, at: impl Fn(u8) -> Location, application: Repetition<'m>) {
        let [name, id, kind] = [1, 2, 3].map(|n| application.component(n));
        // Some senders and readers take the field for an EI.
        for n in [3, 4] {
            self.push_if_eui64(place, at(n), application.component(n.into()));
        }
        if has_type_for_id(id, kind) {
            self.push(place, at(1), name, id);
            return;
        }
        self.push(place, at(2), id, kind);
        if !self.push_if_eui64(place, at(1), name) {
            self.push_name(place, at(1), name);
        }
    }

    fn observation(&mut self, obx: Segment<'m>, sequence: u32) {
        if obx.field(3).repetitions().any(|term| self.is_system_id(term)) {
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

    /// Whether OBX-3 is MDC_ATTR_SYS_ID, by its code or its name, as the primary or an alternate term.
    fn is_system_id(&self, term: Repetition<'m>) -> bool {
        let terms = term.components().enumerate().filter(|(at, _)| matches!(at, 0 | 1 | 3 | 4 | 9 | 10));
        terms.flat_map(|(_, term)| term.subcomponents()).any(|part| {
            let text = part.text();
            let text = self.characters.decode(&text);
            let text = text.trim();
            text == SYSTEM_ID.0 || text.eq_ignore_ascii_case(SYSTEM_ID.1)
        })
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
            if self.exceeds_limit {
                return;
            }
            match place {
                Place::Filler => self.filler(location, entity),
                _ => self.equipment(place, location, entity),
            }
            if place == Place::SystemId {
                // The value is often no EI: an EUI-64 counts in any component.
                let others = entity.components().zip(1..=u8::MAX).filter(|(_, n)| !matches!(n, 1 | 3));
                for (component, number) in others {
                    let at = Location { component: Some(number), ..location };
                    self.push_if_eui64(place, at, component);
                }
            }
        }
    }

    /// EI: entity, namespace of the assigner, universal id of the assigner, type of the universal id.
    ///
    /// Devices write their own EUI-64 in place of the assigner's, or as the entity with its type in the
    /// second component. Otherwise the assigner is the manufacturer, and the device is the entity within it
    /// (IHE PCD TF vol. 2, B.8 and C.5).
    fn equipment(&mut self, place: Place, location: Location, entity: Repetition<'m>) {
        let at = |component| Location { component: Some(component), ..location };
        let [own, name, assigner, kind] = components(entity);
        let own_kind = if kind.is_empty() && is_type(name) { name } else { kind };
        if assigner.is_empty() {
            self.push(place, at(1), own, own_kind);
            return;
        }
        let (assigned_by, kind) = (self.text(assigner), self.text(kind));
        let is_agency = UDI_AGENCIES.iter().any(|agency| assigned_by.trim().starts_with(agency));
        let assigner = DeviceIdentity::new(&assigned_by, &kind).filter(|_| !is_agency);
        let (unit_of, identity) = match assigner {
            Some(assigner) if !own.is_empty() && !assigner.is_of_eui64_type() => (Some(assigner), None),
            assigner => (None, assigner),
        };
        if let Some(identity) = identity {
            self.found(Claim { place, location: at(3), identity });
        }
        if self.push_if_eui64(place, at(1), own) {
            return;
        }
        self.push_name(place, at(1), own);
        if let Some(DeviceIdentity::Named { kind, id }) = unit_of {
            let identity = DeviceIdentity::unit(&self.text(own), &id, &kind);
            self.found(Claim { place, location: at(3), identity });
        }
    }

    /// OBR-3.1 is an order number, even with 16 hexadecimal digits: a counter or a date is not an EUI-64. It
    /// is an identifier only where no assigner is named and its type says EUI-64.
    fn filler(&mut self, location: Location, entity: Repetition<'m>) {
        let at = |component| Location { component: Some(component), ..location };
        let [own, name, assigner, kind] = components(entity);
        let own_kind = if kind.is_empty() && is_type(name) { name } else { kind };
        self.push(Place::Filler, at(3), assigner, kind);
        if assigner.is_empty() && is_type(own_kind) {
            self.push_if_eui64(Place::Filler, at(1), own);
        }
    }

    /// The text by the character set of the message, as it is displayed and stored.
    fn text(&self, component: Component<'_>) -> String {
        self.characters.decode(&component.text()).into_owned()
    }

    fn push(&mut self, place: Place, location: Location, id: Component<'_>, kind: Component<'_>) {
        if id.is_empty() {
            return;
        }
        let (id, kind) = (id.text(), kind.text());
        let identity = DeviceIdentity::new(&self.characters.decode(&id), &self.characters.decode(&kind));
        if let Some(identity) = identity {
            self.found(Claim { place, location, identity });
        }
    }

    /// In a field for a name or a number: only a certain EUI-64. Whether there is one.
    fn push_if_eui64(&mut self, place: Place, location: Location, id: Component<'m>) -> bool {
        let mut is_found = false;
        // Some readers take the first subcomponent for the component.
        for part in id.subcomponents() {
            let text = part.text();
            if text.iter().filter(|byte| byte.is_ascii_hexdigit()).count() < 16 {
                continue;
            }
            let text = self.characters.decode(&text);
            let identity = DeviceIdentity::new(&visible(&text, self.escape), "");
            if let Some(identity @ DeviceIdentity::Eui64(_)) = identity {
                self.found(Claim { place, location, identity });
                is_found = true;
            }
        }
        is_found
    }

    fn push_name(&mut self, place: Place, location: Location, name: Component<'_>) {
        // Some readers take the first subcomponent for the component.
        let mut subcomponents = name.subcomponents();
        let first = subcomponents.next().filter(|_| subcomponents.next().is_some());
        let parts: [Option<Cow<'_, [u8]>>; 2] = [Some(name.text()), first.map(|part| part.text())];
        for text in parts.into_iter().flatten().filter(|text| !text.is_empty()) {
            let text = self.characters.decode(&text);
            let seen = visible(&text, self.escape);
            let hidden = (*seen != *text).then_some(&*seen);
            for name in [Some(&*text), hidden].into_iter().flatten() {
                if let Some(identity) = DeviceIdentity::new(name, "") {
                    self.exceeds_limit |= self.names.push(Claim { place, location, identity });
                }
            }
        }
    }

    fn found(&mut self, claim: Claim) {
        self.exceeds_limit |= self.found.push(claim);
    }
}

fn components(entity: Repetition<'_>) -> [Component<'_>; 4] {
    let mut components = entity.components();
    std::array::from_fn(|_| components.next().unwrap_or(entity.component(0)))
}

/// Whether the universal id of an HD is the type of the namespace: `0030E60000000001^EUI-64`.
fn has_type_for_id(id: Component<'_>, kind: Component<'_>) -> bool {
    kind.is_empty() && is_type(id)
}

fn is_type(name: Component<'_>) -> bool {
    std::str::from_utf8(name.trimmed()).is_ok_and(is_eui64_type)
}

/// MDC_ATTR_SYS_ID in OBX-3.
const SYSTEM_ID: (&str, &str) = ("67972", "MDC_ATTR_SYS_ID");

/// Agencies that issue UDIs (FDA, GS1, HIBCC, ICCBBA). In PRT-10 and PRT-16 they stand in place of the
/// assigner (IHE PCD TF vol. 2, B.10.3), and a UDI names a product.
const UDI_AGENCIES: [&str; 4] =
    ["2.16.840.1.113883.3.3719", "2.51.1.1", "1.0.15961.10.816", "2.16.840.1.113883.6.18"];

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
        let both = claims("A^0030E60000000001^EUI-64", "F~G^00A037EB2175780F^EUI-64", "");
        assert_eq!(both[1..], facility, "beside an identity in MSH-3, and in a repetition");
        assert_eq!(claims("PAT_DEVICE_PHILIPS_C", "Philips", ""), []);
        assert_eq!(claims("A^\"\"", "", ""), []);
        let typed = expect(sent, "MSH[1]-3.1 0030E60000000001");
        for form in ["0030E60000000001^EUI-64", "0030E60000000001^^EUI-64", "0030E60000000001&x"] {
            assert_eq!(claims(form, "", ""), typed, "{form}");
        }
        assert_eq!(claims("A~B^0030E60000000001^EUI-64", "", "").len(), 1, "a second repetition");
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
        assert_eq!(
            one("F1519EFX^X^mindray.com^DNS"),
            expect("equipment", "OBX[1]-18.3 F1519EFX^MINDRAY.COM^DNS")
        );
        assert_eq!(one("^^mindray.com^DNS"), expect("equipment", "OBX[1]-18.3 MINDRAY.COM^DNS"));
        assert_eq!(one("7^X^1.2.3^ISO"), expect("equipment", "OBX[1]-18.3 7^1.2.3^ISO"));
        assert_eq!(one("7^^urn:oid:1.2^URN"), expect("equipment", "OBX[1]-18.3 7^URN:OID:1.2^URN"));
        let own = expect("equipment", "OBX[1]-18.1 0123456789ABCDEF");
        assert_eq!(one("0123456789ABCDEF^^mindray.com^DNS"), own);
        assert_eq!(one("e86c-Device"), expect("equipment", "OBX[1]-18.1 E86C-DEVICE"));

        let repeated = one("a^^0000000000000001^EUI-64~b^^0000000000000002^EUI64");
        assert_eq!(repeated.len(), 2);
        let first = obx("a^^0000000000000001^EUI-64");
        let other = obx("a^^0000000000000002^EUI-64");
        let (second, again) = (claims("A", "", &format!("{first}{first}{other}")), claims("A", "", &first));
        assert_eq!((second.len(), again.len()), (2, 1), "the same again says nothing new");
        assert_eq!(second[1].1, "OBX[3]-18.3 0000000000000002");
    }

    // IHE PCD TF vol. 2, B.10.3
    #[test]
    fn a_udi_names_no_device() {
        for agency in ["2.16.840.1.113883.3.3719^ISO", "2.51.1.1^ISO"] {
            let found = claims("A", "", &format!("PRT|1||||||||||||||00812345^GS1^{agency}\r"));
            assert_eq!(found, [], "{agency}");
        }
    }

    #[test]
    fn names_are_no_identities_by_themselves() {
        let text = "MSH|^~\\&|ACME^0000000000000001^EUI-64||||2026||ORU^R01^ORU_R01|1|P|2.6\r\
                    OBX|1|||||||||||||||||PUMP-7^^0000000000000001^EUI-64\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let claims = Claims::read(&message, None, 8);
        let names: Vec<_> = claims.names.iter().map(|claim| claim.identity.to_string()).collect();
        assert_eq!((names, claims.identities.len()), (vec!["ACME".to_owned(), "PUMP-7".to_owned()], 2));
    }

    #[test]
    fn distinct_identities_are_limited_and_repeated_ones_are_not() {
        let read = |devices: u32| {
            let mut text = String::from("MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6\r");
            for n in 0..1000 {
                text += &format!("OBX|{n}|||||||||||||||||^^{:016X}^EUI-64\r", n % devices);
            }
            let message = Message::parse(text.as_bytes()).unwrap();
            Claims::read(&message, None, 16)
        };
        assert!(!read(16).exceeds_limit);
        let many = read(17);
        assert!(many.exceeds_limit && many.identities.len() == 16);
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
        for code in [
            "67972^MDC_ATTR_SYS_ID^MDC",
            "67972",
            "^MDC_ATTR_SYS_ID",
            "1^X^L^67972",
            "1^X^L^^mdc_attr_sys_id",
            r"\X3637\972",
            "1^X~67972",
            "67972&1",
        ] {
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
