//! An identifier of a device as a value that can be compared.

use std::fmt;

use super::percent::decodings;
use super::uuid::{is_uuid_type, uuid};

/// An identifier of a device or an application, as a value: two spellings of one identifier are equal, and no
/// identifier is equal to a part of another.
///
/// A unit of an assigner is the unit's identifier, `^`, and that of the assigner: `F1519EFX^MINDRAY.COM^DNS`.
///
/// An EUI-64 is a number. Its notation may have either case, `-`, `:`, `.` or blanks between digits, a prefix
/// `0x` or `urn:eui64:`, or be the MAC-48 that it derives from (IEEE: FF FE in the middle). A UUID is one
/// value too, also as a unit or an assigner: with or without hyphens, in braces, as a URN or an OID. Both may
/// be percent-encoded as a URN. Every other identifier is its type and its text, trimmed and in upper case;
/// separators are significant there (`1.2.34` is not `1.23.4`), but for a dot behind a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceIdentity {
    /// An EUI-64.
    Eui64(u64),
    /// Anything else.
    Named {
        /// The type (`ISO`, `DNS`, ...); empty when there is none.
        kind: Box<str>,
        /// The identifier.
        id: Box<str>,
    },
}

impl DeviceIdentity {
    /// The identity with this identifier and this type (HL7 table 0301). The type may be empty.
    ///
    /// `None` when the identifier is empty.
    #[must_use]
    pub fn new(id: &str, kind: &str) -> Option<Self> {
        let (id, kind) = (id.trim(), kind.trim());
        if id.is_empty() {
            return None;
        }
        let urn = without_urn(id);
        if (kind.is_empty() || is_eui64_type(kind) || urn.is_some())
            && let Some(number) = eui64(urn.unwrap_or(id))
        {
            return Some(Self::Eui64(number));
        }
        if let Some(number) = decodings(id).find_map(|id| eui64(without_urn(id.trim())?)) {
            return Some(Self::Eui64(number));
        }
        Some(Self::named(id, kind))
    }

    /// An identifier that is no EUI-64, perhaps a unit and its assigner.
    fn named(id: &str, kind: &str) -> Self {
        let kind = if is_eui64_type(kind) { "EUI-64".to_owned() } else { kind.trim().to_uppercase() };
        let (mut text, mut ends_with_uuid) = (String::with_capacity(id.len()), false);
        for (place, part) in id.split('^').enumerate() {
            if place > 0 {
                text.push('^');
            }
            let uuid = uuid(part);
            ends_with_uuid = uuid.is_some();
            match uuid {
                Some(uuid) => text.push_str(&uuid),
                None => text.extend(part.trim().chars().flat_map(char::to_uppercase)),
            }
        }
        let kind = if is_uuid_type(&kind) && ends_with_uuid { "UUID".to_owned() } else { kind };
        if kind == "DNS" {
            text.truncate(without_root(&text).len());
        }
        Self::Named { kind: kind.into(), id: text.into() }
    }

    /// A unit of an assigner, most often a serial number of a manufacturer: `unit` and `id` of the type
    /// `kind`.
    #[must_use]
    pub(super) fn unit(unit: &str, id: &str, kind: &str) -> Self {
        Self::named(&format!("{}^{}", unit.trim(), id.trim()), kind)
    }

    /// The identity without its type, if it has one.
    #[must_use]
    pub fn without_type(&self) -> Option<Self> {
        let Self::Named { kind, id } = self else { return None };
        (!kind.is_empty()).then(|| Self::Named { kind: "".into(), id: id.clone() })
    }

    /// The assigner, if this is a unit of one.
    #[must_use]
    pub fn assigner(&self) -> Option<Self> {
        let Self::Named { kind, id } = self else { return None };
        let (_, assigner) = id.rsplit_once('^')?;
        Some(Self::Named { kind: kind.clone(), id: assigner.into() })
    }

    /// The names under which the directory would have the device, besides the identity itself: without its
    /// type, the EUI-64 in it, the unit and the assigner of a unit, and what a reader that takes other
    /// separators for those of the message would find in it.
    pub fn names(&self) -> impl Iterator<Item = Self> + '_ {
        let text = match self {
            Self::Eui64(_) => "",
            Self::Named { id, .. } => id,
        };
        let units = text.rsplit_once('^').into_iter().flat_map(|(unit, assigner)| [unit, assigner]);
        let parts = units.chain(text.split(SEPARATORS)).filter_map(|part| Self::new(part, ""));
        self.without_type().into_iter().chain(parts).chain(self.eui64_parts())
    }

    /// Whether it is a UUID (RFC 9562 section 4, in any spelling), or a unit that is one.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        let Self::Named { id, .. } = self else { return false };
        let unit = id.rsplit_once('^').map_or(&**id, |(unit, _)| unit);
        uuid(unit).is_some()
    }

    /// Whether every reader sees the same in its text: ASCII letters, digits, blanks and `.-_:/()+@`, and at
    /// most one unit. No subcomponent, no separator of a message with others than the usual ones, and no
    /// letter of another script that looks like one of ASCII.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let Self::Named { kind, id } = self else { return true };
        let (unit, assigner) = id.rsplit_once('^').unwrap_or(("", id));
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || " .-_:/()+@".contains(character);
        [unit, assigner, kind].iter().all(|part| part.chars().all(is_plain))
    }

    /// The EUI-64 in it, whatever its type, also as a unit or an assigner.
    pub(super) fn eui64_parts(&self) -> impl Iterator<Item = Self> + '_ {
        let (whole, text) = match self {
            Self::Eui64(number) => (Some(Self::Eui64(*number)), ""),
            Self::Named { id, .. } => (None, &**id),
        };
        let parts =
            text.split(SEPARATORS).filter(|part| part.bytes().filter(u8::is_ascii_hexdigit).count() >= 16);
        let eui64 = parts.filter_map(eui64).map(Self::Eui64);
        whole.into_iter().chain(eui64)
    }

    /// Whether it is an EUI-64.
    #[must_use]
    pub const fn is_eui64(&self) -> bool {
        matches!(self, Self::Eui64(_))
    }

    /// Whether it is an EUI-64, or a text of that type.
    pub(super) fn is_of_eui64_type(&self) -> bool {
        matches!(self, Self::Eui64(_)) || matches!(self, Self::Named { kind, .. } if is_eui64_type(kind))
    }

    /// Parses the notation of [`Display`](fmt::Display): the identifier, and `^` with its type if it has one.
    ///
    /// `None` when the identifier is empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, kind) = text.rsplit_once('^').unwrap_or((text, ""));
        Self::new(id, kind)
    }

    /// Whether a certificate with this identity may speak for `claimed`: the values are equal, or the texts
    /// are and this identity has no type.
    #[must_use]
    pub fn stands_for(&self, claimed: &Self) -> bool {
        match (self, claimed) {
            (Self::Named { kind, id }, Self::Named { id: claimed, .. }) if kind.is_empty() => id == claimed,
            _ => self == claimed,
        }
    }
}

/// Whether a type (HL7 table 0301) names an EUI-64 or a MAC-48, in any spelling seen in the field.
pub(super) fn is_eui64_type(kind: &str) -> bool {
    ["EUI-64", "EUI64", "EUI_64", "EUI 64", "EUI-48", "MAC"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(kind))
}

/// A DNS name with or without the dot of the root (RFC 1034 section 3.1).
fn without_root(id: &str) -> &str {
    let name = id.trim_end_matches('.');
    if name.is_empty() || name.ends_with('^') { id } else { name }
}

/// What follows the name of an EUI-64 or a MAC as a URN.
fn without_urn(id: &str) -> Option<&str> {
    ["urn:eui64:", "urn:eui-64:", "urn:dev:mac:"].iter().find_map(|urn| {
        let (start, rest) = id.split_at_checked(urn.len())?;
        start.eq_ignore_ascii_case(urn).then_some(rest)
    })
}

/// The number, if these are 16 hexadecimal digits, or the 12 of a MAC-48.
fn eui64(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let (mut number, mut count) = (0_u64, 0_u32);
    for byte in digits.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'F' => byte - b'A' + 10,
            b'a'..=b'f' => byte - b'a' + 10,
            b'-' | b':' | b'.' | b' ' => continue,
            _ => return None,
        };
        number = number << 4 | u64::from(digit);
        count += 1;
        if count > 16 {
            return None;
        }
    }
    match count {
        16 => Some(number),
        12 => Some((number >> 24) << 40 | 0xFF_FE00_0000 | number & 0xFF_FFFF),
        _ => None,
    }
}

impl fmt::Display for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eui64(number) => write!(f, "{number:016X}"),
            // The last `^` precedes the type.
            Self::Named { kind, id } if kind.is_empty() && !id.contains('^') => f.write_str(id),
            Self::Named { kind, id } => write!(f, "{id}^{kind}"),
        }
    }
}

/// The usual separators within a field (HL7 v2 section 2.5.4), and that of fields. They come into a text by
/// escape sequences, and with separators other than the usual ones.
const SEPARATORS: [char; 5] = ['^', '&', '~', '\\', '|'];

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: &str, kind: &str) -> DeviceIdentity {
        DeviceIdentity::new(id, kind).unwrap()
    }

    #[test]
    fn the_spellings_of_an_eui_64_are_one_value() {
        let number = DeviceIdentity::Eui64(0x00A0_37EB_2175_780F);
        for id in [
            "00A037EB2175780F",
            " 00a037eb2175780f ",
            "00-A0-37-EB-21-75-78-0F",
            "00:a0:37:eb:21:75:78:0f",
            "00A0.37EB.2175.780F",
            "00 A0 37 EB 21 75 78 0F",
            "0x00A037EB2175780F",
            "urn:eui64:00-A0-37-EB-21-75-78-0F",
            "urn:eui64:%30%30A037EB2175780F",
            "urn:eui64%3A00%2dA0%2d37-EB-21-75-78-0F",
            "%75RN:%65ui64:00A037EB2175780%46",
            "urn:dev:mac:%2530%2530a037eb2175780f",
        ] {
            for kind in ["EUI-64", "EUI64", "EUI_64", "eui-64", " EUI64 ", ""] {
                assert_eq!(identity(id, kind), number, "{id} {kind}");
            }
        }
        assert_eq!(number.to_string(), "00A037EB2175780F");
    }

    #[test]
    fn a_mac_48_is_the_eui_64_made_of_it() {
        assert_eq!(identity("0600dc750001", ""), DeviceIdentity::Eui64(0x0600_DCFF_FE75_0001));
        assert_eq!(identity("06-00-DC-75-00-01", "MAC"), identity("0600DCFFFE750001", "EUI-64"));
    }

    #[test]
    fn other_identifiers_are_type_and_text() {
        assert_eq!(identity("mindray.com", "DNS"), identity(" MINDRAY.COM ", "dns"));
        assert_ne!(identity("mindray.com", "DNS"), identity("mindray.com", ""));
        assert_ne!(identity("1.2.34", "ISO"), identity("1.23.4", "ISO"));
        assert_ne!(identity("10.1.11.2", ""), identity("10.11.1.2", ""));
        assert_ne!(identity("00A037EB2175780F", "ISO"), identity("00A037EB2175780F", "EUI-64"));
        assert_eq!(identity("not hexadecimal", "EUI64").to_string(), "NOT HEXADECIMAL^EUI-64");
        assert_eq!(DeviceIdentity::new(" ", "EUI-64"), None);
    }

    #[test]
    fn the_spellings_of_a_uuid_are_one_value_alone_as_a_unit_and_as_an_assigner() {
        const UUID: &str = "e86c094f-f751-4acf-92b2-38f11c1f6f57";
        let plain = UUID.replace('-', "");
        for spelling in [
            &plain,
            &format!("{{{UUID}}}"),
            &format!("urn:uuid:{UUID}"),
            &format!("urn%3Auuid:%2565{}", &UUID[1..]),
            &UUID.to_uppercase(),
        ] {
            assert_eq!(identity(spelling, ""), identity(UUID, ""), "{spelling}");
            for kind in ["UUID", "guid", "URN"] {
                assert_eq!(identity(spelling, kind), identity(UUID, "UUID"), "{spelling} {kind}");
                let unit = |id: &str, kind: &str| DeviceIdentity::unit("F1", id, kind);
                assert_eq!(unit(spelling, kind), unit(UUID, "UUID"), "{spelling} {kind}");
            }
            let unit = |unit: &str| DeviceIdentity::unit(unit, "mindray.com", "DNS");
            assert_eq!(unit(spelling), unit(UUID), "{spelling}");
            assert!(
                unit(spelling).is_uuid() && unit(spelling).names().any(|name| name == identity(UUID, ""))
            );
            assert_eq!(DeviceIdentity::parse(&unit(spelling).to_string()), Some(unit(UUID)));
        }
        assert_eq!(
            DeviceIdentity::unit("F1", "mindray.com.", "DNS"),
            DeviceIdentity::unit("F1", "mindray.com", "DNS")
        );
        assert_eq!(identity(".", "DNS").to_string(), ".^DNS");
    }

    #[test]
    fn almost_an_eui_64_is_none() {
        for id in ["00A037EB2175780", "00A037EB2175780F0", "00A037EB2175780G", "FFFFFFFFFFFFFFFFF", "0x", "-"]
        {
            assert!(matches!(identity(id, "EUI-64"), DeviceIdentity::Named { .. }), "{id}");
        }
    }
}
