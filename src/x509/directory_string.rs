//! The character strings of distinguished names, decoded.

use x509_parser::asn1_rs::Tag;

/// The text of a DirectoryString (RFC 5280 appendix A.1) or IA5String; `None` when the bytes do not decode,
/// or the type is another one.
///
/// A TeletexString is read as ISO 8859-1, which is what CAs write into it. What the real T.61 has in place of
/// ISO 8859-1's control characters does not decode. A BMPString has no surrogates.
pub(super) fn decode(tag: u32, content: &[u8]) -> Option<String> {
    let ascii = || std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).map(str::to_owned);
    match Tag(tag) {
        Tag::Utf8String => std::str::from_utf8(content).ok().map(str::to_owned),
        Tag::PrintableString | Tag::Ia5String => ascii(),
        Tag::T61String => {
            let text: String = content.iter().copied().map(char::from).collect();
            (!text.chars().any(char::is_control)).then_some(text)
        }
        Tag::BmpString => {
            let (units, []) = content.as_chunks::<2>() else { return None };
            units.iter().map(|unit| char::from_u32(u16::from_be_bytes(*unit).into())).collect()
        }
        Tag::UniversalString => {
            let (units, []) = content.as_chunks::<4>() else { return None };
            units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_directory_string_decodes_to_the_same_text() {
        let text = "Gerät 7";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        for (tag, content) in
            [(12, text.as_bytes()), (20, b"Ger\xe4t 7"), (30, utf16.as_slice()), (28, utf32.as_slice())]
        {
            assert_eq!(decode(tag, content).as_deref(), Some(text), "{tag}");
        }
        for tag in [19, 22] {
            assert_eq!(decode(tag, b"pump").as_deref(), Some("pump"), "{tag}");
        }
    }

    #[test]
    fn bytes_that_do_not_decode_are_no_text() {
        for (tag, content) in [
            (12, &b"p\xfcmp"[..]),
            (19, b"p\xfcmp"),
            (22, b"p\xfcmp"),
            // Lone octets, surrogates, and beyond Unicode.
            (30, b"\0p\0"),
            (30, b"\xd8\x3d\xdc\x89"),
            (28, b"\0\0\0"),
            (28, b"\0\x11\0\0"),
            // A control character of ISO 8859-1, which T.61 does not have either.
            (20, b"p\x8ap"),
            // OCTET STRING, VisibleString.
            (4, b"pump"),
            (26, b"pump"),
        ] {
            assert_eq!(decode(tag, content), None, "{tag} {content:x?}");
        }
    }
}
