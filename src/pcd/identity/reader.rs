//! The device identities that one reading of a message has, and their locations.

use memchr::memchr;

use super::claim::{Claim, Place};
use super::device_identity::{DeviceIdentity, is_eui64_type};
use super::distinct::{Distinct, Findings};
use super::encoded_text::encoded_text;
use super::terms::{SYSTEM_ID_BYTES, is_network_type, is_oid, is_system_id, is_udi};
use super::visible::{before_escape, visible};
use crate::hl7::{CharacterSet, Component, EscapeReading, Field, Location, Message, Repetition, Segment};
use crate::pcd::Transaction;

/// Reads the fields that name devices.
pub(super) struct Reader<'m> {
    found: Distinct,
    names: Distinct,
    exceeds_limit: bool,
    /// The latest OBX-18.
    equipment: &'m [u8],
    characters: CharacterSet,
    escape: Option<u8>,
    escapes: EscapeReading,
    /// A field that names a device has an escape character.
    has_escapes: bool,
}

impl<'m> Reader<'m> {
    /// Reads texts in the character set of a message, and treats escape sequences as `escapes` says.
    pub(super) fn new(characters: CharacterSet, escapes: EscapeReading, limit: usize) -> Self {
        Self {
            found: Distinct::new(limit),
            names: Distinct::empty(limit),
            exceeds_limit: false,
            equipment: &[],
            characters,
            escape: None,
            escapes,
            has_escapes: false,
        }
    }

    pub(super) fn read(mut self, message: &'m Message<'_>, transaction: Option<Transaction>) -> Findings {
        self.escape = message.separators().escape;
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
        Findings {
            identities: self.found.claims,
            names: self.names.claims,
            exceeds_limit: self.exceeds_limit,
            has_escapes: self.has_escapes,
        }
    }

    fn header(&mut self, msh: Segment<'m>) {
        let location = |field, component| Location::component(*b"MSH", 1, field, component);
        self.note_escapes(msh.field(3));
        self.note_escapes(msh.field(4));
        for application in msh.field(3).repetitions() {
            self.application(Place::SendingApplication, |component| location(3, component), application);
        }
        for facility in msh.field(4).repetitions() {
            for (component, n) in facility.components().zip(1..=u8::MAX) {
                let is_eui64 = self.push_if_eui64(Place::SendingFacility, location(4, n), component);
                if !is_eui64 && !self.is_type(component) {
                    self.push_name(Place::SendingFacility, location(4, n), component, "");
                }
            }
        }
    }

    /// HD: namespace, universal id, type of the universal id. Some senders write the identifier in place of
    /// the namespace, and its type in place of the identifier. A universal id that is no EUI-64 is most often
    /// the name, the version or the OID of a product.
    fn application(&mut self, place: Place, at: impl Fn(u8) -> Location, application: Repetition<'m>) {
        let [name, id, kind] = [1, 2, 3].map(|n| application.component(n));
        // Some senders and readers take the field for an EI, or show all of it.
        for (component, n) in application.components().zip(1..=u8::MAX).skip(2) {
            if !self.push_if_eui64(place, at(n), component) && !self.is_type(component) {
                self.push_name(place, at(n), component, "");
            }
        }
        // The universal id is the type of the namespace: `0030E60000000001^EUI-64`.
        if self.is_blank(kind) && self.is_type(id) {
            self.push(place, at(1), name, id);
            return;
        }
        let kind = self.kind(kind);
        if is_eui64_type(kind.trim()) {
            self.push(place, at(2), id, application.component(3));
        } else if !self.push_if_eui64(place, at(2), id) {
            self.push_name(place, at(2), id, &kind);
        }
        if !self.push_if_eui64(place, at(1), name) {
            self.push_name(place, at(1), name, "");
        }
    }

    fn observation(&mut self, obx: Segment<'m>, sequence: u32) {
        self.note_escapes(obx.field(3));
        if obx.field(3).repetitions().any(|term| self.is_system_id(term)) {
            let location = Location::field(*b"OBX", sequence, 5);
            self.entity(Place::SystemId, location, obx.field(5));
            for value in obx.field(5).repetitions() {
                self.encoded(Location { component: Some(5), ..location }, value);
            }
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

    /// Whether OBX-3 is MDC_ATTR_SYS_ID, by its code or its name, as the primary or an alternate term or as
    /// the original text.
    fn is_system_id(&self, term: Repetition<'m>) -> bool {
        let terms = term.components().enumerate().filter(|(at, _)| matches!(at, 0 | 1 | 3 | 4 | 8..=10));
        let parts = terms.flat_map(|(_, term)| term.subcomponents());
        // A sender decides how many parts there are. No escape sequence stands for more bytes than it has.
        parts.filter(|part| part.raw().len() >= SYSTEM_ID_BYTES).any(|part| {
            let text = part.read(self.escapes);
            is_system_id(&visible(&self.characters.decode(&text), self.escape))
        })
    }

    /// Data of the type ED: its fourth component says how the fifth is encoded.
    fn encoded(&mut self, location: Location, value: Repetition<'m>) {
        let [encoding, data] = [4, 5].map(|n| self.text(value.component(n)));
        let Some(bytes) = encoded_text(&encoding, &data) else { return };
        let text = String::from_utf8_lossy(&bytes);
        if let Some(identity) = DeviceIdentity::new(&text, "") {
            let claim = Claim::new(Place::SystemId, location, identity, &text).encoded(&bytes);
            if claim.identity.is_eui64() {
                self.found(claim);
            } else {
                self.exceeds_limit |= self.names.push(claim);
            }
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
        self.note_escapes(field);
        for entity in field.repetitions() {
            if self.exceeds_limit {
                return;
            }
            match (place, location.field) {
                (Place::Filler, _) => {
                    self.filler(location, entity);
                    self.push_name(
                        place,
                        Location { component: Some(2), ..location },
                        entity.component(2),
                        "",
                    );
                    continue;
                }
                (Place::Participation, Some(10 | 16)) => self.udi(location, entity),
                _ => self.equipment(place, location, entity),
            }
            // An EUI-64 and a Common Name count in any component: readers differ in which they take.
            let kind = entity.component(4);
            let is_of_assigner = self.is_blank(kind) || self.is_type(kind);
            let is_read = |n| n == 3 && is_of_assigner;
            for (component, number) in entity.components().zip(1..=u8::MAX).skip(1) {
                let at = Location { component: Some(number), ..location };
                let is_eui64 = if is_read(number) {
                    DeviceIdentity::new(&self.text(component), "").is_none_or(|id| id.is_eui64())
                } else {
                    self.push_if_eui64(place, at, component)
                };
                if !is_eui64 && !self.is_type(component) {
                    self.push_name(place, at, component, "");
                }
            }
        }
    }

    /// PRT-10 and PRT-16 hold a device or a UDI, which names a product, whatever its assigner is (IHE PCD TF
    /// vol. 2, B.10.3). A device is an EUI-64, a Common Name, or a unit of a DNS name, a UUID or an URN.
    fn udi(&mut self, location: Location, entity: Repetition<'m>) {
        let at = |component| Location { component: Some(component), ..location };
        let [own, _, _, kind] = components(entity);
        let text = self.text(own);
        if is_udi(&text) || !is_network_type(&self.kind(kind)) && !self.is_type(kind) {
            if !is_udi(&text) {
                self.push_if_eui64(Place::Participation, at(1), own);
            }
            self.push_if_eui64(Place::Participation, at(3), entity.component(3));
            self.push_name(Place::Participation, at(1), own, "");
        } else {
            self.equipment(Place::Participation, location, entity);
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
        let own_kind = if self.is_blank(kind) && self.is_type(name) { name } else { kind };
        if self.is_blank(assigner) {
            self.push(place, at(1), own, own_kind);
            return;
        }
        let (assigned_by, kind) = (self.text(assigner), self.kind(kind));
        let is_agency = UDI_AGENCIES.iter().any(|agency| assigned_by.trim().starts_with(agency));
        let assigner = DeviceIdentity::new(&assigned_by, &kind).filter(|_| !is_agency);
        let (unit_of, identity) = match assigner {
            Some(assigner) if !self.is_blank(own) && !assigner.is_of_eui64_type() => (Some(assigner), None),
            assigner => (None, assigner),
        };
        if let Some(identity) = identity {
            self.found(Claim::new(place, at(3), identity, &assigned_by));
        }
        if self.push_if_eui64(place, at(1), own) {
            return;
        }
        self.push_name(place, at(1), own, "");
        if let Some(DeviceIdentity::Named { kind, id }) = unit_of {
            let identity = DeviceIdentity::unit(&self.text(own), &id, &kind);
            self.found(Claim::new(place, at(3), identity, &assigned_by));
        }
    }

    /// OBR-3.1 is an order number, even with 16 hexadecimal digits: a counter or a date is not an EUI-64. It
    /// is an identifier only where no assigner is named and its type says EUI-64.
    fn filler(&mut self, location: Location, entity: Repetition<'m>) {
        let at = |component| Location { component: Some(component), ..location };
        let [own, name, assigner, kind] = components(entity);
        let own_kind = if self.is_blank(kind) && self.is_type(name) { name } else { kind };
        // An assigner of several parts without a type is a place, such as a bed, and no universal id.
        if self.is_blank(kind) && assigner.subcomponents().nth(1).is_some() {
            if !self.push_if_eui64(Place::Filler, at(3), assigner) {
                self.push_name(Place::Filler, at(3), assigner, "");
            }
            return;
        }
        self.push(Place::Filler, at(3), assigner, kind);
        if self.is_blank(assigner) && self.is_type(own_kind) {
            self.push_if_eui64(Place::Filler, at(1), own);
        }
    }

    /// The text by the character set of the message, as it is displayed and stored, or as other readers of
    /// escape sequences see it.
    fn text(&self, component: Component<'_>) -> String {
        let bytes = component.read(self.escapes);
        let text = self.characters.decode(&bytes);
        match self.escapes {
            EscapeReading::Decoded => text.into_owned(),
            _ => visible(&text, None).into_owned(),
        }
    }

    fn is_blank(&self, component: Component<'_>) -> bool {
        component.is_empty() || component.has_escape() && matches!(self.text(component).trim(), "" | "\"\"")
    }

    fn is_type(&self, component: Component<'_>) -> bool {
        if component.has_escape() {
            return is_eui64_type(self.kind(component).trim());
        }
        std::str::from_utf8(component.trimmed()).is_ok_and(is_eui64_type)
    }

    /// The type of an identifier. No type has an escape sequence, so it is the first one that some reader
    /// sees.
    fn kind(&self, component: Component<'_>) -> String {
        let own = self.text(component);
        if !component.has_escape() {
            return own;
        }
        let seen = EscapeReading::OTHERS.into_iter().map(|how| {
            let bytes = component.read(how);
            visible(&self.characters.decode(&bytes), None).into_owned()
        });
        let is_known = |kind: &String| {
            let kind = kind.trim();
            is_eui64_type(kind) || is_network_type(kind) || kind.eq_ignore_ascii_case("ISO")
        };
        std::iter::once(own.clone()).chain(seen).find(is_known).unwrap_or(own)
    }

    fn note_escapes(&mut self, field: Field<'_>) {
        self.has_escapes |= self.escape.is_some_and(|escape| memchr(escape, field.raw()).is_some());
    }

    fn push(&mut self, place: Place, location: Location, id: Component<'_>, kind: Component<'_>) {
        if id.is_empty() {
            return;
        }
        let (text, kind) = (self.text(id), self.kind(kind));
        if let Some(identity) = DeviceIdentity::new(&text, &kind) {
            self.found(Claim::new(place, location, identity, &text));
        }
        if id.subcomponents().nth(1).is_some() {
            self.push_name(place, location, id, "");
        }
    }

    /// In a field for a name or a number: only a certain EUI-64. Whether there is one.
    fn push_if_eui64(&mut self, place: Place, location: Location, id: Component<'m>) -> bool {
        let mut is_found = false;
        // Some readers take the first subcomponent for the component.
        for part in id.subcomponents() {
            let text = part.read(self.escapes);
            if text.iter().filter(|byte| byte.is_ascii_hexdigit()).count() < 16 {
                continue;
            }
            let text = self.characters.decode(&text);
            let seen = visible(&text, self.escape);
            let identity = [&*seen, before_escape(&seen, self.escape)]
                .into_iter()
                .filter(|text| !is_oid(text))
                .find_map(|text| DeviceIdentity::new(text, "").filter(DeviceIdentity::is_eui64));
            if let Some(identity) = identity {
                self.found(Claim { place, location, identity, written: None, encoded: None });
                is_found = true;
            }
        }
        is_found
    }

    fn push_name(&mut self, place: Place, location: Location, name: Component<'_>, kind: &str) {
        // Some readers take a subcomponent for the component, most often the first one.
        let has_parts = name.subcomponents().nth(1).is_some();
        let parts = std::iter::once(name).chain(name.subcomponents().filter(|_| has_parts));
        for bytes in parts.map(|part| part.read(self.escapes)).filter(|text| !text.is_empty()) {
            let text = self.characters.decode(&bytes);
            let seen = visible(&text, self.escape);
            let hidden = (*seen != *text).then_some(&*seen);
            let before = before_escape(&seen, self.escape);
            let before = (before.len() < seen.len()).then_some(before);
            for name in [Some(&*text), hidden, before].into_iter().flatten() {
                if let Some(identity) = DeviceIdentity::new(name, kind) {
                    let claim = Claim::new(place, location, identity, name).encoded(&bytes);
                    self.exceeds_limit |= self.names.push(claim);
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

/// Agencies that issue UDIs (FDA, GS1, HIBCC, ICCBBA). In PRT-10 and PRT-16 they stand in place of the
/// assigner (IHE PCD TF vol. 2, B.10.3), and a UDI names a product.
const UDI_AGENCIES: [&str; 4] =
    ["2.16.840.1.113883.3.3719", "2.51.1.1", "1.0.15961.10.816", "2.16.840.1.113883.6.18"];
