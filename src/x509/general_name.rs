//! GeneralName (RFC 5280 4.2.1.6), in subjectAltName and in the subtrees of nameConstraints.

use super::comparable::prepared_name;
use super::der::{Element, Malformed, Reader, SEQUENCE, constructed, context};

/// A name of one of the forms that nameConstraints can limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneralName {
    /// rfc822Name: a mailbox; in a subtree also a host, or a domain with a leading dot.
    Email(String),
    /// dNSName.
    Dns(String),
    /// directoryName.
    Directory(SubtreeName),
    /// uniformResourceIdentifier; in a subtree a host, or a domain with a leading dot.
    Uri(String),
    /// iPAddress: 4 or 16 octets; in a subtree an address and a mask of the same length.
    Ip(Vec<u8>),
    /// A form whose constraints are not processed, by its number.
    Other(u8),
}

/// A distinguished name in the form of RFC 5280 section 7.1, for comparison with its subtrees. A name that
/// cannot be prepared is an error here: compared byte for byte, it would be outside of an excluded subtree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubtreeName(Vec<u8>);

impl SubtreeName {
    /// Parses a Name in DER.
    ///
    /// # Errors
    /// When the bytes are not a Name.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        // The content: the relative names one after another.
        Ok(Self(Element::whole(&prepared_name(der)?, SEQUENCE)?.content.to_vec()))
    }

    /// Whether this name is in the subtree below `base`, or is `base` (RFC 5280 4.2.1.10). A relative name is
    /// one element, so no prefix ends within one.
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }

    /// Whether it has no parts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl GeneralName {
    /// Parses GeneralNames.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn read_all(der: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut reader = Element::whole(der, SEQUENCE)?.reader();
        let mut names = Vec::new();
        while !reader.is_empty() {
            names.push(Self::take(&mut reader)?);
        }
        Ok(names)
    }

    /// Takes the next element.
    ///
    /// # Errors
    /// When it is not a GeneralName.
    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let Element { tag, content, .. } = reader.element()?;
        // An IA5String is ASCII. Other octets equal only themselves.
        let text = || content.iter().copied().map(char::from).collect();
        Ok(match tag {
            EMAIL => Self::Email(text()),
            DNS => Self::Dns(text()),
            DIRECTORY => Self::Directory(SubtreeName::read(content)?),
            URI => Self::Uri(text()),
            IP => Self::Ip(content.to_vec()),
            OTHER_NAME | X400 | EDI_PARTY | REGISTERED_ID => Self::Other(tag & 0x1f),
            _ => return Err(Malformed),
        })
    }
}

const OTHER_NAME: u8 = constructed(0);
const EMAIL: u8 = context(1);
const DNS: u8 = context(2);
const X400: u8 = constructed(3);
const DIRECTORY: u8 = constructed(4);
const EDI_PARTY: u8 = constructed(5);
const URI: u8 = context(6);
const IP: u8 = context(7);
const REGISTERED_ID: u8 = context(8);

#[cfg(test)]
mod tests {
    use super::super::der::{OBJECT_IDENTIFIER, element};
    use super::*;

    /// A name of one attribute per relative name: type as the last arc of 2.5.4, and a PrintableString.
    fn name(attributes: &[(u8, &str)]) -> SubtreeName {
        let relative = |(arc, text): &(u8, &str)| {
            let parts = [element(OBJECT_IDENTIFIER, &[0x55, 4, *arc]), element(0x13, text.as_bytes())];
            element(0x31, &element(SEQUENCE, &parts.concat()))
        };
        let relative: Vec<u8> = attributes.iter().flat_map(relative).collect();
        SubtreeName::read(&element(SEQUENCE, &relative)).unwrap()
    }

    // RFC 5280 4.2.1.10
    #[test]
    fn a_subtree_holds_the_names_that_begin_with_its_base() {
        let base = name(&[(6, "DE"), (10, "Ward 3")]);
        assert!(name(&[(6, "de"), (10, "WARD  3"), (3, "PUMP")]).is_within(&base) && base.is_within(&base));
        for other in [&[(6, "DE")][..], &[(6, "DE"), (10, "Ward 33")], &[(10, "Ward 3"), (6, "DE")]] {
            assert!(!name(other).is_within(&base), "{other:?}");
        }
        assert!(base.is_within(&SubtreeName::default()) && SubtreeName::default().is_empty());
        assert_eq!(SubtreeName::read(b"\x30\x02\x31\x05"), Err(Malformed));
    }
}
