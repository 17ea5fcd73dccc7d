//! The devices that some reader may find in a message, whatever its decoder and its idea of a segment.

use std::borrow::Cow;

use super::claim::{Claim, Place};
use super::device_identity::{DeviceIdentity, is_eui64_type};
use super::distinct::{Distinct, Findings};
use super::name_bytes::{NameBytes, name_bytes};
use super::terms::{is_network_type, is_oid, is_system_id, is_udi};
use super::visible::{before_escape, visible};
use crate::hl7::{CharacterSet, EscapeReading, Follows, Location, Message, Naming, PossibleText};
use crate::model::work::count;
use crate::pcd::Transaction;

/// Reads [`Message::every_reading`].
pub(super) struct EveryReader<'m> {
    found: Distinct,
    names: Distinct,
    exceeds_limit: bool,
    characters: CharacterSet,
    escape: Option<u8>,
    /// Decoders of its character set may disagree on where MSH-4 ends.
    is_facility_uncertain: bool,
    transaction: Option<Transaction>,
    /// OBX-3 may be MDC_ATTR_SYS_ID.
    is_system_id: bool,
    value: Value<'m>,
}

/// The value of which a text is a component.
#[derive(Default)]
struct Value<'m> {
    first: &'m [u8],
    /// Whether the first component has an escape character, once that was asked: a value has many components.
    first_has_escape: Option<bool>,
    /// What is seen of the first component, once that was asked: one text, or one for each way of reading
    /// escape sequences.
    first_seen: Option<Vec<String>>,
    previous: &'m [u8],
    /// The number of the latest component.
    component: u32,
}

/// What a reader sees of a text.
struct Seen {
    text: String,
    /// The bytes that other decoders read in another way.
    encoded: Option<NameBytes>,
}

/// The field in which a text may be.
#[derive(Clone, Copy)]
struct At {
    place: Place,
    location: Location,
    /// A Common Name counts.
    named: bool,
    /// A unit or a name counts by the type behind it.
    typed: bool,
}

impl EveryReader<'_> {
    pub(super) fn read(message: &Message<'_>, transaction: Option<Transaction>, limit: usize) -> Findings {
        let header = message.header();
        let mut reader = EveryReader {
            found: Distinct::empty(limit),
            names: Distinct::empty(limit),
            exceeds_limit: false,
            characters: header.text_encoding(),
            escape: message.separators().escape,
            is_facility_uncertain: [header.sending_application(), header.sending_facility()]
                .iter()
                .any(|field| !message.separators().has_common_characters(field.raw())),
            transaction,
            is_system_id: false,
            value: Value::default(),
        };
        message.every_reading(|text| reader.text(text));
        Findings {
            identities: reader.found.claims,
            names: reader.names.claims,
            exceeds_limit: reader.exceeds_limit,
            has_escapes: false,
        }
    }
}

impl<'m> EveryReader<'m> {
    /// Whether to go on.
    fn text(&mut self, text: PossibleText<'m>) -> bool {
        if text.follows == Follows::Value {
            self.value = Value { first: text.bytes, ..Value::default() };
        }
        self.value.component += 1;
        if matches!(text.last_field(Naming::Obx), Some(0 | 1)) {
            self.is_system_id = false;
        }
        if text.may_be(Naming::Obx, 3) {
            self.is_system_id |= self.seen(&text).iter().any(|seen| is_system_id(&seen.text));
        }
        if !text.bytes.is_empty()
            && let Some(at) = self.place(&text)
        {
            self.read_at(at, &text);
        }
        self.value.previous = text.bytes;
        !self.exceeds_limit
    }

    fn place(&self, text: &PossibleText<'m>) -> Option<At> {
        let at = |place, segment, id: [u8; 3], n: u8| {
            let location = Location::field(id, text.sequence(segment), n);
            text.may_be(segment, n.into()).then_some(At { place, location, named: true, typed: true })
        };
        let application = || at(Place::SendingApplication, Naming::Msh, *b"MSH", 3);
        // Behind MSH-4 stands the receiver. Only a reader of another set than that of MSH-18 takes it for the
        // sender's facility.
        let facility = || {
            let named = text.last_field(Naming::Msh) == Some(4);
            let is_own = self.is_facility_uncertain || named;
            let at = at(Place::SendingFacility, Naming::Msh, *b"MSH", 4).filter(|_| is_own);
            at.map(|at| At { named, typed: false, ..at })
        };
        let equipment = || at(Place::Equipment, Naming::Obx, *b"OBX", 18);
        let system_id = || at(Place::SystemId, Naming::Obx, *b"OBX", 5).filter(|_| self.is_system_id);
        let filler = || {
            let is_assigner = self.value.component >= 3;
            let at = at(Place::Filler, Naming::Obr, *b"OBR", 3).filter(|_| is_assigner);
            at.map(|at| At { named: false, ..at })
        };
        let participation = || {
            let numbers = [20, 16, 10].into_iter();
            let phone = self.transaction == Some(Transaction::Pcd05);
            let numbers = numbers.filter(|n| *n != 10 || !phone);
            numbers.filter_map(|n| at(Place::Participation, Naming::Prt, *b"PRT", n)).next()
        };
        application()
            .or_else(equipment)
            .or_else(system_id)
            .or_else(participation)
            .or_else(filler)
            .or_else(facility)
    }

    fn read_at(&mut self, at: At, text: &PossibleText<'m>) {
        let At { place, location, named, typed } = at;
        let mut is_eui64 = false;
        for Seen { text: seen, encoded } in self.seen(text) {
            let identity = DeviceIdentity::new(&seen, "");
            let has_digits = seen.bytes().filter(u8::is_ascii_hexdigit).count() >= 16;
            if let Some(eui64 @ DeviceIdentity::Eui64(_)) = &identity
                && has_digits
                && !is_oid(&seen)
                && !(place == Place::Participation && is_udi(&seen))
            {
                is_eui64 = true;
                self.found(Claim { place, location, identity: eui64.clone(), written: None, encoded: None });
            }
            if let Some(identity) = identity.filter(|_| named) {
                let claim = Claim { encoded, ..Claim::new(place, location, identity, &seen) };
                self.exceeds_limit |= self.names.push(claim);
            }
        }
        if !is_eui64
            && may_be_eui64(text.bytes)
            && let Some(unknown) = DeviceIdentity::new(&String::from_utf8_lossy(text.bytes), "EUI-64")
        {
            self.found(Claim { place, location, identity: unknown, written: None, encoded: None });
        }
        if self.value.component > 1 {
            self.typed(at, typed, text);
        }
    }

    /// An identifier by the type that follows it.
    fn typed(&mut self, at: At, typed: bool, text: &PossibleText<'m>) {
        if text.bytes.len() > LONGEST_TYPE && !self.has_escape(text.bytes) {
            return;
        }
        let first = self.value.first;
        let first_has_escape = *self.value.first_has_escape.get_or_insert_with(|| has(self.escape, first));
        let has_escapes =
            self.has_escape(text.bytes) || self.has_escape(self.value.previous) || first_has_escape;
        // A value has many components: its first one is read once.
        let first = self.value.first_seen.take().unwrap_or_else(|| self.readings(text, self.value.first));
        for (n, how) in escape_readings(has_escapes).enumerate() {
            let first = first.get(n).or_else(|| first.first()).map_or("", String::as_str);
            self.typed_as(at, typed, text, first, how);
        }
        self.value.first_seen = Some(first);
    }

    /// A text for each way of reading escape sequences; one where it has none.
    fn readings(&self, text: &PossibleText<'m>, bytes: &[u8]) -> Vec<String> {
        let all = escape_readings(self.has_escape(bytes));
        all.map(|how| self.decoded(&text.read(bytes, how))).collect()
    }

    fn typed_as(&mut self, at: At, typed: bool, text: &PossibleText<'m>, first: &str, how: EscapeReading) {
        let At { place, location, .. } = at;
        let kind = self.decoded(&text.read(text.bytes, how));
        let kind = kind.trim();
        let (is_eui64, is_network) = (is_eui64_type(kind), is_network_type(kind));
        let is_iso = kind.eq_ignore_ascii_case("ISO") && place != Place::Participation;
        if !is_eui64 && !(typed && (is_network || is_iso)) {
            return;
        }
        let id = self.decoded(&text.read(self.value.previous, how));
        let is_short = first.len() <= LONGEST_IDENTIFIER && id.len() <= LONGEST_IDENTIFIER;
        let is_entity = !matches!(place, Place::SendingApplication | Place::Filler);
        // In an EI the identifier of the assigner is the third component, in an HD the second.
        let least = if place == Place::SendingApplication { 3 } else { 4 };
        let identity = if is_eui64 {
            DeviceIdentity::new(&id, kind).filter(DeviceIdentity::is_eui64)
        } else if self.value.component < least || !is_short {
            None
        } else {
            let assigner = DeviceIdentity::new(&id, kind);
            assigner.map(|assigner| match assigner {
                DeviceIdentity::Named { kind, id } if is_entity && !first.trim().is_empty() => {
                    DeviceIdentity::unit(first, &id, &kind)
                }
                assigner => assigner,
            })
        };
        let Some(identity) = identity else { return };
        let is_product = place == Place::SendingApplication && !identity.is_of_eui64_type();
        let claim = Claim::new(place, location, identity, &id);
        if is_product {
            self.exceeds_limit |= self.names.push(claim);
        } else {
            self.found(claim);
        }
    }

    /// What readers may see of a text: they drop characters without a glyph, bytes that their decoder does
    /// not know, alone or with the byte behind, escape sequences, and what follows an escape character.
    fn seen(&self, text: &PossibleText<'m>) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        let mut add =
            |text: String, encoded: Option<NameBytes>| match all.iter_mut().find(|seen| seen.text == text) {
                Some(known) => known.encoded = known.encoded.take().or(encoded),
                None => all.push(Seen { text, encoded }),
            };
        for how in escape_readings(self.has_escape(text.bytes)) {
            let bytes = text.read(text.bytes, how);
            let decoded = self.decoded(&bytes);
            add(before_escape(&decoded, self.escape).to_owned(), None);
            if bytes.is_ascii() {
                add(decoded, name_bytes(&bytes));
                continue;
            }
            add(without_foreign(&bytes, false), None);
            add(without_foreign(&bytes, true), None);
            add(decoded, name_bytes(&bytes));
        }
        all.retain(|seen| !seen.text.trim().is_empty());
        all
    }

    fn has_escape(&self, bytes: &[u8]) -> bool {
        has(self.escape, bytes)
    }

    fn decoded(&self, bytes: &[u8]) -> String {
        match visible(&self.characters.decode(bytes), self.escape) {
            Cow::Borrowed(seen) => seen.to_owned(),
            Cow::Owned(seen) => seen,
        }
    }

    fn found(&mut self, claim: Claim) {
        self.exceeds_limit |= self.found.push(claim);
    }
}

/// Whether the bytes have the escape character.
fn has(escape: Option<u8>, bytes: &[u8]) -> bool {
    count(bytes.len());
    escape.is_some_and(|escape| bytes.contains(&escape))
}

/// How escape sequences may be read; in one way where there are none.
fn escape_readings(has_escapes: bool) -> impl Iterator<Item = EscapeReading> {
    let others = EscapeReading::OTHERS.into_iter().filter(move |_| has_escapes);
    std::iter::once(EscapeReading::Decoded).chain(others)
}

/// The ASCII characters of a text that have a glyph, and blanks; with `pairs` without the byte behind a byte
/// that is no ASCII.
fn without_foreign(bytes: &[u8], pairs: bool) -> String {
    let mut seen = String::with_capacity(bytes.len());
    let mut is_behind = false;
    for &byte in bytes {
        let is_second = std::mem::replace(&mut is_behind, pairs && !byte.is_ascii());
        if !is_second && (byte.is_ascii_graphic() || byte == b' ') {
            seen.push(char::from(byte));
        }
    }
    seen
}

/// Whether some decoder may drop so much of a text that an EUI-64 is left.
fn may_be_eui64(bytes: &[u8]) -> bool {
    let digits = bytes.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    if bytes.is_ascii() || digits < 16 {
        return false;
    }
    let mut reach = 0_u8;
    bytes.iter().all(|byte| {
        let is_reached = reach > 0;
        reach = if byte.is_ascii() { reach.saturating_sub(1) } else { 3 };
        let is_part = byte.is_ascii_hexdigit() || matches!(*byte, b'-' | b':' | b'.' | b'x' | b'X');
        is_reached || is_part || !byte.is_ascii_graphic()
    })
}

/// The longest identifier of a unit or an assigner, as it is seen: bytes that readers drop do not count.
const LONGEST_IDENTIFIER: usize = 512;
/// The longest spelling of a type that is looked for, with bytes that readers drop.
const LONGEST_TYPE: usize = 32;
