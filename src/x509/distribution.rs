//! CRL distribution points: the location of CRLs, and the certificates and reasons that they cover.

use super::comparable::prepared;
use super::der::{self, Element, Malformed, Reader, SEQUENCE, constructed, context};

/// One distribution point (RFC 5280 4.2.1.13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrlDistributionPoint {
    /// Its name, to be matched with issuing distribution points.
    pub name: Option<DistributionPointName>,
    /// The reasons that its CRL covers; `None` means all.
    pub reasons: Option<Reasons>,
    /// The names (DER) of indirect CRL issuers. Empty means the issuer of the certificate.
    pub issuers: Vec<Vec<u8>>,
}

/// DistributionPointName, RFC 5280 4.2.1.13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistributionPointName {
    /// fullName: each a GeneralName in DER.
    Full(Vec<Vec<u8>>),
    /// nameRelativeToCRLIssuer: the elements of a RelativeDistinguishedName in DER.
    Relative(Vec<u8>),
}

/// A set of revocation reasons, RFC 5280 4.2.1.13 ReasonFlags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reasons(u16);

impl CrlDistributionPoint {
    /// Parses the value of cRLDistributionPoints or freshestCRL.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn read_all(value: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut reader = Element::whole(value, SEQUENCE)?.reader();
        let mut points = Vec::new();
        while !reader.is_empty() {
            points.push(Self::read(reader.expect(SEQUENCE)?.reader())?);
        }
        Ok(points)
    }

    /// Its URLs: alternative locations of the same CRL.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.name.iter().flat_map(DistributionPointName::urls)
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let name =
            reader.optional(constructed(0))?.map(|name| DistributionPointName::read(&name)).transpose()?;
        let reasons = reader.optional(context(1))?.map(|reasons| Reasons::read(&reasons)).transpose()?;
        let issuers = match reader.optional(constructed(2))? {
            Some(names) => directory_names(names.reader())?,
            None => Vec::new(),
        };
        reader.finish()?;
        Ok(Self { name, reasons, issuers })
    }
}

impl DistributionPointName {
    /// Parses the \[0\] element that contains the CHOICE.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn read(element: &Element<'_>) -> Result<Self, Malformed> {
        let mut reader = element.reader();
        let choice = reader.element()?;
        reader.finish()?;
        match choice.tag {
            tag if tag == constructed(0) => {
                let mut names = choice.reader();
                let mut full = Vec::new();
                while !names.is_empty() {
                    full.push(names.element()?.raw.to_vec());
                }
                Ok(Self::Full(full))
            }
            tag if tag == constructed(1) => Ok(Self::Relative(choice.content.to_vec())),
            _ => Err(Malformed),
        }
    }

    /// Whether the two have a name in common (RFC 5280 6.3.3 b 2 i). Relative names extend `issuer`, a Name
    /// in DER.
    #[must_use]
    pub fn intersects(&self, other: &Self, issuer: &[u8]) -> bool {
        let (own, other) = (self.comparable(issuer), other.comparable(issuer));
        own.iter().any(|name| other.contains(name))
    }

    /// Whether `name`, a Name in DER, is among its names. Relative names extend `issuer`.
    #[must_use]
    pub fn contains(&self, name: &[u8], issuer: &[u8]) -> bool {
        self.comparable(issuer).contains(&comparable(&der::element(DIRECTORY_NAME, name)))
    }

    /// Its URLs.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let names: &[Vec<u8>] = match self {
            Self::Full(names) => names,
            Self::Relative(_) => &[],
        };
        names.iter().filter_map(|name| {
            let url = Element::whole(name, context(6)).ok()?;
            std::str::from_utf8(url.content).ok().filter(|url| url.is_ascii())
        })
    }

    /// The full names in the form that is compared.
    fn comparable(&self, issuer: &[u8]) -> Vec<Vec<u8>> {
        self.full(issuer).iter().map(|name| comparable(name)).collect()
    }

    fn full(&self, issuer: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Full(names) => names.clone(),
            // The full name is the issuer's name with the relative part appended.
            Self::Relative(part) => Element::whole(issuer, SEQUENCE)
                .map(|base| {
                    let name = der::sequence(&[base.content, &der::element(SET, part)]);
                    vec![der::element(DIRECTORY_NAME, &name)]
                })
                .unwrap_or_default(),
        }
    }
}

impl Reasons {
    /// Every reason.
    pub const ALL: Self = Self(0x01ff);
    /// No reason.
    pub const NONE: Self = Self(0);

    /// Parses an implicitly tagged ReasonFlags.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn read(element: &Element<'_>) -> Result<Self, Malformed> {
        let (unused, octets) = element.content.split_first().ok_or(Malformed)?;
        if *unused > 7 || octets.len() > 2 || (octets.is_empty() && *unused > 0) {
            return Err(Malformed);
        }
        let bit = |number: usize| {
            let octet = octets.get(number / 8).copied().unwrap_or(0);
            u16::from(octet & (0x80 >> (number % 8)) != 0) << number
        };
        // Bit 0 is "unused" and covers no reason.
        Ok(Self((0..9).map(bit).fold(0, |all, bit| all | bit) | 1))
    }

    /// The reasons in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The reasons in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has no reason.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 & !1 == 0
    }
}

/// A GeneralName in the form that is compared: RFC 5280 7.1 for a directoryName, and byte for byte for
/// others.
fn comparable(name: &[u8]) -> Vec<u8> {
    Element::whole(name, DIRECTORY_NAME)
        .map_or_else(|Malformed| name.to_vec(), |name| der::element(DIRECTORY_NAME, &prepared(name.content)))
}

/// The Names (DER) of the directoryName entries of GeneralNames.
///
/// # Errors
/// When one of them is malformed.
pub fn directory_names(mut names: Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut found = Vec::new();
    while !names.is_empty() {
        let name = names.element()?;
        if name.tag == DIRECTORY_NAME {
            found.push(Element::whole(name.content, SEQUENCE)?.raw.to_vec());
        }
    }
    Ok(found)
}

/// directoryName, \[4\] EXPLICIT Name.
const DIRECTORY_NAME: u8 = 0xa4;
const SET: u8 = 0x31;

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Vec<u8> {
        der::element(context(6), text.as_bytes())
    }

    #[test]
    fn reasons_behave_as_a_set() {
        let reasons = |content: &[u8]| Reasons::read(&Element { tag: context(1), content, raw: content });
        // keyCompromise is bit 1, aACompromise bit 8.
        let key = reasons(&[6, 0x40]).unwrap();
        let rest = reasons(&[7, 0x3f, 0x80]).unwrap();
        assert_ne!(key.union(Reasons::NONE), Reasons::ALL);
        assert_eq!(key.union(rest), Reasons::ALL);
        assert!(key.intersection(rest).is_empty() && !key.is_empty());
        assert!(reasons(&[]).is_err() && reasons(&[8, 0]).is_err() && reasons(&[0, 0, 0, 0]).is_err());
    }

    #[test]
    fn names_intersect_whether_full_or_relative() {
        let full = |names: &[Vec<u8>]| DistributionPointName::Full(names.to_vec());
        let (one, two) = (uri("http://a/1"), uri("http://a/2"));
        assert!(full(&[one.clone(), two.clone()]).intersects(&full(std::slice::from_ref(&two)), &[]));
        assert!(!full(&[one]).intersects(&full(&[two]), &[]));

        let attribute = der::sequence(&[&[6, 3, 0x55, 4, 3], &der::element(12, b"x")]);
        let issuer = der::sequence(&[]);
        let name = der::sequence(&[&der::element(SET, &attribute)]);
        let relative = DistributionPointName::Relative(attribute);
        assert!(relative.contains(&name, &issuer));
        assert!(relative.intersects(&full(&[der::element(DIRECTORY_NAME, &name)]), &issuer));
    }
}
