//! The spellings of a UUID.

use super::percent::decodings;

/// The UUID that a text spells, as RFC 9562 section 4 writes it but in upper case: with or without hyphens,
/// in braces or parentheses, as a URN, perhaps percent-encoded, or as an OID (ITU-T X.667: `2.25.` and the
/// decimal number).
pub(super) fn uuid(text: &str) -> Option<String> {
    let decoded = decodings(text).last();
    let mut text = decoded.as_deref().unwrap_or(text).trim();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| without_prefix(text, prefix)) {
        text = rest.trim();
    }
    let text = text.trim_matches(|mark: char| matches!(mark, '{' | '}' | '(' | ')' | '"' | ' '));
    let number =
        text.strip_prefix("2.25.").map_or_else(|| hexadecimal(text), |number| number.parse().ok())?;
    let digits = format!("{number:032X}");
    let lengths = [0..8, 8..12, 12..16, 16..20, 20..32];
    let groups: Vec<&str> = lengths.into_iter().filter_map(|range| digits.get(range)).collect();
    Some(groups.join("-"))
}

/// Whether the type of an identifier (HL7 table 0301) is one under which a UUID may stand.
pub(super) fn is_uuid_type(kind: &str) -> bool {
    ["UUID", "GUID", "URN", "URI", "ISO", "OID"].contains(&kind)
}

fn hexadecimal(text: &str) -> Option<u128> {
    let (mut number, mut count) = (0_u128, 0_u32);
    for character in text.chars().filter(|character| !matches!(character, '-' | ' ' | ':' | '_')) {
        number = number << 4 | u128::from(character.to_digit(16)?);
        count += 1;
        if count > 32 {
            return None;
        }
    }
    (count == 32).then_some(number)
}

fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

const PREFIXES: [&str; 6] = ["urn:", "uuid:", "guid:", "oid:", "0x", "{"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_one_value_in_every_spelling() {
        for text in [
            "e86c094f-f751-4acf-92b2-38f11c1f6f57",
            "E86C094F-F751-4ACF-92B2-38F11C1F6F57",
            "e86c094ff7514acf92b238f11c1f6f57",
            " {e86c094f-f751-4acf-92b2-38f11c1f6f57} ",
            "urn:uuid:e86c094f-f751-4acf-92b2-38f11c1f6f57",
            "URN:UUID:{e86c094ff7514acf92b238f11c1f6f57}",
            "{urn:uuid:e86c094f-f751-4acf-92b2-38f11c1f6f57}",
            "0xe86c094ff7514acf92b238f11c1f6f57",
            "urn:uuid:%65%38%36c094f-f751-4acf-92b2-38f11c1f6f57",
            "urn%253Auuid%253ae86c094f-f751-4acf-92b2-38f11c1f6f5%2537",
            "e86c094f f7514acf 92b238f1 1c1f6f57",
            "2.25.308941851960074589090908363437226553175",
            "urn:oid:2.25.308941851960074589090908363437226553175",
        ] {
            assert_eq!(uuid(text).as_deref(), Some("E86C094F-F751-4ACF-92B2-38F11C1F6F57"), "{text}");
        }
        for text in
            ["", "{}", "00A037EB2175780F", "e86c094f-f751-4acf-92b2-38f11c1f6f5", "2.25.", "urn:uuid:"]
        {
            assert_eq!(uuid(text), None, "{text}");
        }
        assert_eq!(uuid("e86c094f-f751-4acf-92b2-38f11c1f6f57-Device"), None);
        assert_eq!(uuid("é86c094f-f751-4acf-92b2-38f11c1f6f57"), None);
    }
}
