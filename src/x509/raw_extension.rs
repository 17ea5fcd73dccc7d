//! Unparsed extensions, for structures that [`super::der`] parses.

use super::der::{BOOLEAN, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};
use crate::model::work::count;

/// One extension (RFC 5280 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawExtension<'a> {
    /// The content of its OBJECT IDENTIFIER.
    pub oid: &'a [u8],
    /// Whether the extension is critical.
    pub critical: bool,
    /// The value in DER.
    pub value: &'a [u8],
}

impl<'a> RawExtension<'a> {
    /// Parses the elements of Extensions.
    ///
    /// # Errors
    /// When they are malformed, an extension occurs twice, or there are more than `MAX_EXTENSIONS`.
    pub fn read_all(mut reader: Reader<'a>) -> Result<Vec<Self>, Malformed> {
        let mut extensions: Vec<Self> = Vec::new();
        while !reader.is_empty() {
            let mut fields = reader.expect(SEQUENCE)?.reader();
            let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
            let critical = match fields.optional(BOOLEAN)? {
                Some(critical) => critical.boolean()?,
                None => false,
            };
            let value = fields.expect(OCTET_STRING)?.content;
            fields.finish()?;
            count(extensions.len());
            // The comparison with all earlier ones is quadratic in a number that the peer chooses.
            if extensions.len() == MAX_EXTENSIONS || extensions.iter().any(|other| other.oid == oid) {
                return Err(Malformed);
            }
            extensions.push(Self { oid, critical, value });
        }
        Ok(extensions)
    }
}

/// Extensions of one structure. RFC 5280 and RFC 6960 define fewer than ten for each.
const MAX_EXTENSIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::super::der::{element, sequence};
    use super::*;

    /// `count` extensions with distinct identifiers.
    fn extensions(count: u32) -> Vec<u8> {
        let one = |number: u32| {
            let oid = [&[0x2b][..], &number.to_be_bytes().map(|octet| octet & 0x7f)].concat();
            sequence(&[&element(OBJECT_IDENTIFIER, &oid), &element(OCTET_STRING, &[])])
        };
        (0..count).flat_map(one).collect()
    }

    #[test]
    fn the_number_of_extensions_is_bounded() {
        let limit = u32::try_from(MAX_EXTENSIONS).unwrap();
        let read = |count| RawExtension::read_all(Reader::new(&extensions(count))).map(|all| all.len());
        assert_eq!(read(limit), Ok(MAX_EXTENSIONS));
        assert_eq!(read(limit + 1), Err(Malformed));
    }

    #[test]
    fn a_duplicate_extension_is_refused() {
        assert_eq!(RawExtension::read_all(Reader::new(&extensions(1).repeat(2))), Err(Malformed));
    }
}
