//! Unparsed extensions, for structures that [`super::der`] parses.

use super::der::{BOOLEAN, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};

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
    /// When they are malformed, or an extension occurs twice.
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
            if extensions.iter().any(|other| other.oid == oid) {
                return Err(Malformed);
            }
            extensions.push(Self { oid, critical, value });
        }
        Ok(extensions)
    }
}
