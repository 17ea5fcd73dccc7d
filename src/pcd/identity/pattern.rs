//! Patterns of the identities that a certificate may speak for.

use std::fmt;
use std::str::FromStr;

use super::device_identity::DeviceIdentity;
use crate::model::work::count;

/// A pattern of identities in a directory entry.
///
/// The notation is an identifier (`00A037EB2175780F`), an identifier with its type (`mindray.com^DNS`), a
/// unit of an assigner (`F1519EFX^mindray.com^DNS`), all of its units (`*^mindray.com^DNS`), a prefix of an
/// EUI-64 of at least 24 bits, the manufacturer (`00A037*`), or every UUID within a vendor (`uuid:*^001221*`,
/// `uuid:*^mindray.com^DNS`): a unit of the vendor, or a UUID without an assigner in a message that names an
/// identity of the vendor too. An identifier without a type matches every type. A lone `*` matches
/// everything; it does not parse, see [`IdentityPattern::any`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityPattern {
    text: String,
    matches: Matches,
}

/// Identities of the vendor of a pattern that a message names: two different ones, if there are so many. More
/// are not needed to know whether there is one beside any other identity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vendors<'i>([Option<&'i DeviceIdentity>; 2]);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Matches {
    Identity(DeviceIdentity),
    /// The first `digits` hexadecimal digits of an EUI-64.
    Beginning {
        value: u64,
        digits: u32,
    },
    /// Every unit of this assigner.
    Units(DeviceIdentity),
    /// Every UUID within this vendor: an identity, or the beginning of an EUI-64.
    Uuids(Box<Matches>),
    Everything,
}

/// Why a text is not a pattern of device identities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityPatternError {
    /// The text is empty.
    #[error("an identity pattern has at least one character")]
    Empty,
    /// A lone `*`.
    #[error("`*` would let the certificate speak for every device; if that is meant, say --any")]
    Everything,
    /// A `*` that does not follow a prefix of an EUI-64.
    #[error(
        "`*` must follow 6 to 15 hexadecimal digits, the prefix of an EUI-64, as in `00A037*`, or stand for the units of an assigner, as in `*^mindray.com^DNS`, or for the UUIDs of a vendor, as in `uuid:*^001221*`"
    )]
    Wildcard,
    /// `uuid:*` without a vendor.
    #[error(
        "`uuid:*` must name the vendor of the UUIDs: an identity that its messages carry beside them, as in `uuid:*^0012210000000000` or `uuid:*^mindray.com^DNS`, or the prefix of its EUI-64, as in `uuid:*^001221*`"
    )]
    UuidVendor,
    /// The units of an EUI-64.
    #[error(
        "an EUI-64 that assigns is the identity itself, whatever unit it names: list it without `*^`, as in `0012210000000000`"
    )]
    UnitsOfEui64,
}

impl IdentityPattern {
    /// The pattern that matches every identity. Use it only where an operator asked for it explicitly.
    #[must_use]
    pub fn any() -> Self {
        Self { text: "*".to_owned(), matches: Matches::Everything }
    }

    /// Whether it matches every identity.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        matches!(self.matches, Matches::Everything)
    }

    /// Parses a stored pattern, including [`IdentityPattern::any`].
    ///
    /// # Errors
    /// When it is not a pattern.
    pub fn from_stored(text: &str) -> Result<Self, IdentityPatternError> {
        // An earlier version stored units of an EUI-64, which match nothing.
        if text == "*" { Ok(Self::any()) } else { Self::read(text) }
    }

    /// The identity, where the pattern is one.
    #[must_use]
    pub const fn identity(&self) -> Option<&DeviceIdentity> {
        match &self.matches {
            Matches::Identity(identity) => Some(identity),
            _ => None,
        }
    }

    /// Whether it matches more than the one identity that it spells, `*` aside. Such a pattern has no
    /// identity that is the Common Name of another entry: see [`rules`](crate::authz::rules).
    #[must_use]
    pub const fn is_wide(&self) -> bool {
        matches!(self.matches, Matches::Beginning { .. } | Matches::Units(_) | Matches::Uuids(_))
    }

    /// Whether the certificate may speak for `identity`, in a message that names the vendor where the pattern
    /// has one.
    #[must_use]
    pub fn allows(&self, identity: &DeviceIdentity) -> bool {
        match &self.matches {
            Matches::Uuids(vendor) if identity.is_uuid() => {
                identity.assigner().is_none_or(|assigner| vendor.has(&assigner))
            }
            matches => matches.has(identity),
        }
    }

    /// The identities of its vendor among all that a message names; none for a pattern without a vendor.
    pub fn vendors<'i>(&self, all: impl Iterator<Item = &'i DeviceIdentity>) -> Vendors<'i> {
        let Matches::Uuids(vendor) = &self.matches else { return Vendors::default() };
        let is_vendor = |other: &&DeviceIdentity| {
            count(1);
            vendor.has(other) || other.assigner().is_some_and(|assigner| vendor.has(&assigner))
        };
        let mut found = all.filter(is_vendor);
        let first = found.next();
        Vendors([first, found.find(|other| Some(*other) != first)])
    }

    /// Whether it allows `identity` in a message with these identities of its vendor.
    #[must_use]
    pub fn allows_beside(&self, identity: &DeviceIdentity, vendors: &Vendors<'_>) -> bool {
        self.allows(identity)
            && match &self.matches {
                Matches::Uuids(_) if identity.assigner().is_none() => {
                    vendors.0.iter().flatten().any(|other| *other != identity)
                }
                _ => true,
            }
    }

    /// Parses any notation that an earlier version accepted as well.
    fn read(text: &str) -> Result<Self, IdentityPatternError> {
        let text = text.trim();
        if text == "*" {
            return Err(IdentityPatternError::Everything);
        }
        let uuids = text.split_at_checked(UUIDS.len()).filter(|(start, _)| start.eq_ignore_ascii_case(UUIDS));
        let matches = match (uuids, text.split_once('*')) {
            (Some((_, vendor)), _) => Matches::Uuids(Box::new(vendor_of_uuids(vendor)?)),
            (None, Some((digits, ""))) => beginning(digits)?,
            (None, Some(("", units))) => {
                let assigner = units.strip_prefix('^').filter(|assigner| !assigner.contains('*'));
                let assigner = assigner.and_then(DeviceIdentity::parse);
                Matches::Units(assigner.ok_or(IdentityPatternError::Wildcard)?)
            }
            (None, Some(_)) => return Err(IdentityPatternError::Wildcard),
            (None, None) => {
                Matches::Identity(DeviceIdentity::parse(text).ok_or(IdentityPatternError::Empty)?)
            }
        };
        Ok(Self { text: text.to_owned(), matches })
    }
}

impl Matches {
    fn has(&self, identity: &DeviceIdentity) -> bool {
        match (self, identity) {
            (Self::Everything, _) => true,
            (Self::Units(assigner), unit) => {
                unit.assigner().is_some_and(|claimed| assigner.stands_for(&claimed))
            }
            (Self::Beginning { value, digits }, DeviceIdentity::Eui64(number)) => {
                number >> (64 - 4 * digits) == *value
            }
            (Self::Beginning { .. }, DeviceIdentity::Named { .. }) | (Self::Uuids(_), _) => false,
            (Self::Identity(allowed), _) => allowed.stands_for(identity),
        }
    }
}

impl FromStr for IdentityPattern {
    type Err = IdentityPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pattern = Self::read(text)?;
        match &pattern.matches {
            Matches::Units(assigner) if assigner.is_eui64() => Err(IdentityPatternError::UnitsOfEui64),
            Matches::Uuids(vendor) if is_prefix_without_star(vendor) => Err(IdentityPatternError::UuidVendor),
            _ => Ok(pattern),
        }
    }
}

/// Whether a vendor is only digits, which no EUI-64 equals: a prefix that lacks its `*`.
fn is_prefix_without_star(vendor: &Matches) -> bool {
    let Matches::Identity(DeviceIdentity::Named { kind, id }) = vendor else { return false };
    kind.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b':' | b'.'))
}

/// The vendor in `uuid:*^VENDOR`: what follows `uuid:*`.
fn vendor_of_uuids(text: &str) -> Result<Matches, IdentityPatternError> {
    let vendor = text.strip_prefix('^').map(str::trim).ok_or(IdentityPatternError::UuidVendor)?;
    match vendor.split_once('*') {
        Some((digits, "")) => beginning(digits),
        Some(_) => Err(IdentityPatternError::UuidVendor),
        None => DeviceIdentity::parse(vendor)
            .filter(|vendor| !vendor.is_uuid())
            .map(Matches::Identity)
            .ok_or(IdentityPatternError::UuidVendor),
    }
}

fn beginning(text: &str) -> Result<Matches, IdentityPatternError> {
    let (mut value, mut digits) = (0_u64, 0_u32);
    for character in text.chars().filter(|character| !matches!(character, '-' | ':' | '.' | ' ')) {
        let digit = character.to_digit(16).filter(|_| digits < 15).ok_or(IdentityPatternError::Wildcard)?;
        value = value << 4 | u64::from(digit);
        digits += 1;
    }
    if digits < 6 { Err(IdentityPatternError::Wildcard) } else { Ok(Matches::Beginning { value, digits }) }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// How a pattern for UUIDs begins.
const UUIDS: &str = "uuid:*";

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, id: &str, kind: &str) -> bool {
        let pattern: IdentityPattern = pattern.parse().unwrap();
        pattern.allows(&DeviceIdentity::new(id, kind).unwrap())
    }

    #[test]
    fn a_pattern_matches_its_identity() {
        assert!(allows("00-a0-37-eb-21-75-78-0f", "00A037EB2175780F", "EUI64"));
        assert!(!allows("00A037EB2175780F", "00A037EB2175780E", "EUI-64"));
        assert!(allows("mindray.com^DNS", "MINDRAY.com", "DNS"));
        assert!(!allows("mindray.com^DNS", "mindray.com", ""), "the claim says less than is allowed");
        let unit = |pattern: &str, kind: &str| {
            let pattern: IdentityPattern = pattern.parse().unwrap();
            pattern.allows(&DeviceIdentity::unit("F1519efx", "mindray.com", kind))
        };
        assert!(unit("F1519EFX^mindray.com^DNS", "DNS") && unit("*^mindray.com^DNS", "DNS"));
        assert!(unit("F1519EFX^mindray.com^", "") && unit("*^mindray.com", ""));
        for other in ["mindray.com^DNS", "F1519EFY^mindray.com^DNS", "*^philips.com^DNS", "F1519EFX"] {
            assert!(!unit(other, "DNS"), "{other}");
        }
        let unit = DeviceIdentity::unit("F1519efx", "mindray.com", "");
        assert_eq!(DeviceIdentity::parse(&unit.to_string()), Some(unit));
        assert!(allows("ward-7", "WARD-7", "L"), "no type stands for every type");
    }

    #[test]
    fn no_part_of_an_identifier_is_enough() {
        assert!(!allows("ward", "ward-7", "") && !allows("ward-7", "ward", ""));
        assert!(!allows("00A037EB2175780F", "00A037EB2175780F00", "EUI-64"));
    }

    #[test]
    fn the_beginning_of_an_eui_64_allows_a_manufacturer() {
        assert!(allows("00A037*", "00A037EB2175780F", "EUI-64"));
        assert!(allows("00:a0:37*", "00a037123456", ""));
        assert!(!allows("00A037*", "00A038EB2175780F", "EUI-64"));
        assert!(!allows("00A037*", "00A037EB2175780F", "ISO"));
        assert!(allows("00A037EB2175780*", "00A037EB2175780F", ""));
    }

    #[test]
    fn no_text_parses_as_the_any_pattern() {
        assert_eq!("*".parse::<IdentityPattern>(), Err(IdentityPatternError::Everything));
        assert_eq!(" * ".parse::<IdentityPattern>(), Err(IdentityPatternError::Everything));
        for text in ["0*", "00A03*", "ward*", "*00A037", "00A037*0", "00A037**", "00A037EB2175780F*"] {
            assert_eq!(text.parse::<IdentityPattern>(), Err(IdentityPatternError::Wildcard), "{text}");
        }
        assert_eq!(" ".parse::<IdentityPattern>(), Err(IdentityPatternError::Empty));
        assert_eq!("^DNS".parse::<IdentityPattern>(), Err(IdentityPatternError::Empty));
        assert!(IdentityPattern::any().allows(&DeviceIdentity::Eui64(7)));
    }

    const UUID: &str = "3107c7c4-59d7-54b7-b500-8d716e5ca2cb";

    #[test]
    fn uuids_are_allowed_within_their_vendor_only() {
        let vendor = |id: &str, kind: &str| DeviceIdentity::new(id, kind).unwrap();
        let beside = |pattern: &str, uuid: &DeviceIdentity, other: &DeviceIdentity| {
            let pattern: IdentityPattern = pattern.parse().unwrap();
            pattern.allows_beside(uuid, &pattern.vendors([uuid, other].into_iter()))
        };
        let pumps = vendor("0012210000000000", "EUI-64");
        for uuid in [vendor(UUID, ""), vendor(UUID, "UUID"), vendor(&format!("urn:uuid:{UUID}"), "URN")] {
            for pattern in
                ["uuid:*^001221*", "UUID:*^0012210000000000^EUI-64", "uuid:*^00-12-21-00-00-00-00-00"]
            {
                assert!(beside(pattern, &uuid, &pumps), "{pattern} {uuid}");
                assert!(!beside(pattern, &uuid, &vendor("00A037EB2175780F", "")), "{pattern} {uuid}");
            }
            let unit = DeviceIdentity::unit("F1519", "mindray.com", "DNS");
            assert!(beside("uuid:*^mindray.com^DNS", &uuid, &unit), "{uuid}");
            assert!(!beside("uuid:*^philips.com^DNS", &uuid, &unit), "{uuid}");
        }
        let own = DeviceIdentity::unit(UUID, "mindray.com", "DNS");
        assert!(beside("uuid:*^mindray.com^DNS", &own, &pumps), "the assigner is the vendor");
        assert!(!beside("uuid:*^001221*", &own, &pumps), "a UUID of another vendor beside one of this");
        assert!(beside("uuid:*^001221*", &vendor("3107c7c459d754b7b5008d716e5ca2cb", ""), &pumps));
        for other in ["ward-7", "3107c7c4-59d7-54b7-b500-8d716e5ca2cb-Device"] {
            assert!(!beside("uuid:*^001221*", &vendor(other, ""), &pumps), "{other}");
        }
        assert!(!beside("uuid:*^001221*", &pumps, &pumps), "the vendor itself is no UUID");
    }

    #[test]
    fn a_wrong_pattern_is_refused_with_what_would_be_right() {
        for text in [
            "uuid:*^00A0",
            "uuid:*^00-a0-37",
            "uuid:*",
            "uuid:*^",
            "uuid:*^ ",
            "uuid:*mindray.com",
            "uuid:*^*",
            "uuid:*^00A0*37",
        ] {
            let error = text.parse::<IdentityPattern>().unwrap_err();
            assert!(error.to_string().contains("uuid:*^001221*"), "{text}: {error}");
        }
        let own = format!("uuid:*^{UUID}");
        assert_eq!(own.parse::<IdentityPattern>(), Err(IdentityPatternError::UuidVendor));
        assert_eq!("*^*".parse::<IdentityPattern>(), Err(IdentityPatternError::Wildcard));
        let units = "*^0012210000000000^EUI-64";
        assert_eq!(units.parse::<IdentityPattern>(), Err(IdentityPatternError::UnitsOfEui64));
        assert!(IdentityPattern::from_stored(units).is_ok(), "a directory of an earlier version can be read");
    }

    #[test]
    fn a_pattern_displays_its_notation() {
        for text in ["00A037*", "00-a0-37-eb-21-75-78-0f", "mindray.com^DNS", "ward 7", "uuid:*^001221*"] {
            let pattern: IdentityPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
            assert_eq!(IdentityPattern::from_stored(text), Ok(pattern));
        }
        assert_eq!(
            IdentityPattern::from_stored(&IdentityPattern::any().to_string()),
            Ok(IdentityPattern::any())
        );
    }
}
