//! Which device equipment is (OBX-18, PRT-10), and the ids of resources.

use super::datatypes::{Identifier, Reference};
use super::text;
use crate::hl7::{CharacterSet, Field};
use crate::model::Fingerprint;
use crate::pcd::DeviceIdentity;

/// The identity of a device or of a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Equipment {
    /// Equal for two spellings of one identity, and for no two identities.
    pub(super) key: String,
    pub(super) identifier: Identifier,
}

impl Equipment {
    /// The equipment that a field names (EI: entity, namespace, universal id, its type); `None` without a
    /// name. A name without an assigner counts within its sender: two gateways may use it.
    pub(super) fn of(field: Field<'_>, sender: &str, characters: CharacterSet) -> Option<Self> {
        if field.trimmed().is_empty() {
            return None;
        }
        let part = |n| text::component(field.component(n), characters);
        let [own, namespace, assigner, kind] = [1, 2, 3, 4].map(part);
        let own_kind = kind.as_deref().or(namespace.as_deref()).unwrap_or_default();
        let own_kind = if assigner.is_some() { "" } else { own_kind };
        let Some(own) = own else {
            let assigner = assigner?;
            let identity = DeviceIdentity::new(&assigner, kind.as_deref().unwrap_or_default())?;
            return Some(Self { key: identity.to_string(), identifier: identifier(&identity, &assigner) });
        };
        let identity = DeviceIdentity::new(&own, own_kind)?;
        if identity.is_eui64() || identity.is_uuid() {
            return Some(Self { key: identity.to_string(), identifier: identifier(&identity, &own) });
        }
        let kind = kind.as_deref().unwrap_or_default();
        let assigned_by = assigner.as_deref().and_then(|assigner| DeviceIdentity::new(assigner, kind));
        let key = match &assigned_by {
            Some(assigner) => format!("{}^{assigner}", own.to_uppercase()),
            None => format!("{}^^{sender}", own.to_uppercase()),
        };
        let system = assigned_by.as_ref().and_then(|identity| namespace_uri(identity, kind));
        let named = if system.is_none() { namespace.or(assigner) } else { None };
        let assigner = named.map(Reference::named);
        Some(Self { key, identifier: Identifier { kind: None, system, value: own, assigner } })
    }

    /// The sender, where a message names no equipment.
    pub(super) fn of_sender(sender: &str) -> Self {
        let identity = DeviceIdentity::new(sender, "");
        let value = text::string(sender).unwrap_or_default();
        let identifier = identity.map_or_else(
            || Identifier { value: value.clone(), ..Identifier::default() },
            |identity| identifier(&identity, &value),
        );
        Self { key: format!("^^{sender}"), identifier }
    }
}

/// The logical id of a resource that is found by what it is: the first 128 bits of SHA-256.
pub(super) fn id_of(parts: &[&str]) -> String {
    // A separator that no text of a message has.
    let digest = Fingerprint::sha256(parts.join("\u{1f}").as_bytes()).to_string();
    digest.get(..ID_DIGITS).unwrap_or_default().to_owned()
}

/// An identifier that is valid everywhere: an EUI-64 with hyphens between octets, or a UUID.
fn identifier(identity: &DeviceIdentity, written: &str) -> Identifier {
    let (system, value) = match identity {
        DeviceIdentity::Eui64(number) => (Some(EUI64.to_owned()), octets(*number)),
        DeviceIdentity::Named { id, .. } if identity.is_uuid() => {
            (Some(URI.to_owned()), format!("urn:uuid:{}", id.to_lowercase()))
        }
        DeviceIdentity::Named { .. } => (None, written.to_owned()),
    };
    Identifier { kind: None, system, value, assigner: None }
}

/// A value of an identifier as resources have it, where it is a spelling of an EUI-64 or of a UUID.
pub(super) fn canonical_value(value: &str) -> Option<String> {
    let identity = DeviceIdentity::new(value, "")?;
    (identity.is_eui64() || identity.is_uuid()).then(|| identifier(&identity, value).value)
}

/// The URI of an assigner: of an OID, of a UUID, or of an EUI-64 (RFC 9039).
fn namespace_uri(identity: &DeviceIdentity, kind: &str) -> Option<String> {
    match identity {
        DeviceIdentity::Eui64(number) => Some(format!("urn:dev:mac:{number:016x}")),
        DeviceIdentity::Named { id, .. } if identity.is_uuid() => {
            Some(format!("urn:uuid:{}", id.to_lowercase()))
        }
        DeviceIdentity::Named { id, .. } => oid_uri(id, kind),
    }
}

/// The URI of an OID; `None` for what is none.
pub(super) fn oid_uri(id: &str, kind: &str) -> Option<String> {
    let mut arcs = id.trim().split('.');
    let is_number = |arc: &str| {
        let is_short = !arc.is_empty() && arc.len() <= MAX_ARC;
        is_short && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
    };
    let is_oid = matches!(arcs.next(), Some("0" | "1" | "2")) && id.contains('.') && arcs.all(is_number);
    (is_oid && ["ISO", "OID"].iter().any(|known| known.eq_ignore_ascii_case(kind.trim())))
        .then(|| format!("urn:oid:{}", id.trim()))
}

fn octets(number: u64) -> String {
    number.to_be_bytes().map(|octet| format!("{octet:02X}")).join("-")
}

/// The namespace of EUI-64 in the guide `hl7.fhir.uv.pocd`.
const EUI64: &str = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680";
const URI: &str = "urn:ietf:rfc:3986";
const ID_DIGITS: usize = 32;
/// Digits of one arc of an OID: a UUID (`2.25.`) has 39.
const MAX_ARC: usize = 39;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn equipment(written: &str) -> Equipment {
        let text = format!("MSH|^~\\&|\rPRT||||||||||{written}\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        let field = message.segments().nth(1).unwrap().field(10);
        Equipment::of(field, "GW-1", message.text_encoding()).unwrap()
    }

    #[test]
    fn equipment_has_its_identifier_and_one_key_for_each_spelling() {
        for (written, key, system, value) in [
            (
                "00A037FFFE000001^^00A037FFFE000001^EUI-64",
                "00A037FFFE000001",
                Some(EUI64),
                "00-A0-37-FF-FE-00-00-01",
            ),
            ("00-a0-37-ff-fe-00-00-01^EUI-64", "00A037FFFE000001", Some(EUI64), "00-A0-37-FF-FE-00-00-01"),
            ("F1519EFX^SHENZHEN_DEVICE^mindray.com^DNS", "F1519EFX^MINDRAY.COM^DNS", None, "F1519EFX"),
            (
                "E0002^^0012210000000000^EUI-64",
                "E0002^0012210000000000",
                Some("urn:dev:mac:0012210000000000"),
                "E0002",
            ),
            ("P1^^1.2.3^ISO", "P1^1.2.3^ISO", Some("urn:oid:1.2.3"), "P1"),
            ("bed-7", "BED-7^^GW-1", None, "bed-7"),
        ] {
            let found = equipment(written);
            assert_eq!((&*found.key, found.identifier.system.as_deref()), (key, system), "{written}");
            assert_eq!(found.identifier.value, value, "{written}");
        }
    }

    #[test]
    fn only_an_oid_has_the_uri_of_one() {
        assert_eq!(oid_uri("1.3.4.565", "ISO"), Some("urn:oid:1.3.4.565".to_owned()));
        for (id, kind) in
            [("1.3.4", "DNS"), ("1", "ISO"), ("3.1", "ISO"), ("1..2", "ISO"), ("1.02", "ISO"), ("a.b", "ISO")]
        {
            assert_eq!(oid_uri(id, kind), None, "{id}");
        }
    }
}
