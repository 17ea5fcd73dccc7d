//! Serial numbers.

use std::fmt;

/// A certificate's serial number, as the content octets of its INTEGER in the shortest form. Certificates,
/// CRLs and OCSP responses compare it as an integer: a redundant leading octet makes no other number.
///
/// Displayed as lower-case hexadecimal without a leading sign octet. A negative number, which RFC 5280
/// forbids to issue and requires to accept, is displayed as a minus sign and its magnitude.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// A serial number from the content octets of its INTEGER, most significant first.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Self {
        Self(Self::shortest(octets).to_vec())
    }

    /// The content octets of an INTEGER without redundant leading octets (X.690 8.3.2). Some CAs write them.
    #[must_use]
    pub fn shortest(octets: &[u8]) -> &[u8] {
        let mut octets = octets;
        while let [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] = octets
            && let Some((_, rest)) = octets.split_first()
        {
            octets = rest;
        }
        octets
    }

    /// The content octets in their shortest form.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => hexadecimal(rest, f),
            [first, ..] if *first >= 0x80 => {
                f.write_str("-")?;
                hexadecimal(&negated(&self.0), f)
            }
            octets => hexadecimal(octets, f),
        }
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn hexadecimal(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

/// Two's complement: all bits inverted, plus one.
fn negated(octets: &[u8]) -> Vec<u8> {
    let mut magnitude: Vec<u8> = octets.iter().map(|octet| !octet).collect();
    for octet in magnitude.iter_mut().rev() {
        let (sum, carry) = octet.overflowing_add(1);
        *octet = sum;
        if !carry {
            break;
        }
    }
    magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_displayed_as_openssl_does() {
        let text = |octets: &[u8]| Serial::from_octets(octets).to_string();
        assert_eq!(text(&[0x00, 0xa3, 0x05]), "a305");
        assert_eq!(text(&[0x7f, 0x01]), "7f01");
        assert_eq!(text(&[0x00]), "00");
        assert_eq!(text(&[0xff, 0x7f]), "-0081");
        assert_eq!(text(&[0x80]), "-80");
        assert_ne!(Serial::from_octets(&[0x00, 0x80]), Serial::from_octets(&[0x80]));
    }

    #[test]
    fn serial_numbers_are_compared_as_integers() {
        let same = |one: &[u8], other: &[u8]| Serial::from_octets(one) == Serial::from_octets(other);
        assert!(same(&[0, 0x42, 0x17], &[0x42, 0x17]) && same(&[0, 0, 0, 0x80], &[0, 0x80]));
        assert!(same(&[0, 0], &[0]) && same(&[0xff, 0xff, 0x80], &[0x80]) && same(&[0xff, 0xff], &[0xff]));
        assert!(!same(&[0, 0xff], &[0xff]) && !same(&[0], &[]));
    }
}
