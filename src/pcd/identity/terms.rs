//! Words by which a device is recognised.

use super::skeleton::look;
use crate::pcd::code::code_number;

/// Whether the type of an assigner is one of those that devices without an EUI-64 use (HL7 table 0301).
pub(super) fn is_network_type(kind: &str) -> bool {
    ["DNS", "GUID", "UUID", "URI", "URN"].iter().any(|known| known.eq_ignore_ascii_case(kind.trim()))
}

/// Whether a text is a UDI: of GS1 (its device identifier has 14 digits and is marked with 01), of HIBCC or
/// of ICCBBA. No EUI-64 of a device begins with 01: that is a group of them.
pub(super) fn is_udi(text: &str) -> bool {
    let text = text.trim();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.starts_with("(01)")
        || text.starts_with(['+', '=', '&'])
        || text.starts_with("01") && text.len() == 16 && is_number
}

/// Whether a text is an OID, which may have as many digits as an EUI-64.
pub(super) fn is_oid(text: &str) -> bool {
    let mut arcs = text.trim().split('.');
    let is_number = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    matches!(arcs.next(), Some("0" | "1" | "2")) && arcs.clone().count() >= 3 && arcs.all(is_number)
}

/// Whether a text of OBX-3 stands for MDC_ATTR_SYS_ID: by its number, by the letters and digits of its name
/// in any case, or by both together, with whatever marks around and between them.
pub(super) fn is_system_id(seen: &str) -> bool {
    let looks = look(seen);
    if code_number(&looks) == Some(SYSTEM_ID) {
        return true;
    }
    let part = |is_part: fn(&u8) -> bool| looks.bytes().filter(is_part).map(|byte| byte.to_ascii_uppercase());
    let (letters, digits) = (part(u8::is_ascii_alphabetic), part(u8::is_ascii_digit));
    let has_name = letters.clone().eq(SYSTEM_ID_LETTERS.bytes());
    let is_nameless = letters.clone().count() == 0 || letters.eq(*b"MDC");
    let number = digits.clone().skip_while(|digit| *digit == b'0');
    let has_number = number.eq(SYSTEM_ID_DIGITS.bytes()) && !is_decimal(&looks);
    has_name && (has_number || digits.count() == 0) || is_nameless && has_number
}

/// Whether a text has a full stop between digits: an OID, or another number.
fn is_decimal(text: &str) -> bool {
    text.as_bytes().windows(3).any(|part| matches!(part, [b'0'..=b'9', b'.', b'0'..=b'9']))
}

/// Bytes of the shortest text of OBX-3 that stands for it: its number.
pub(super) const SYSTEM_ID_BYTES: usize = 5;
/// MDC_ATTR_SYS_ID in OBX-3.
const SYSTEM_ID: u32 = 67972;
const SYSTEM_ID_DIGITS: &str = "67972";
const SYSTEM_ID_LETTERS: &str = "MDCATTRSYSID";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_term_of_a_system_id_is_found_in_every_spelling() {
        for text in [
            "67972",
            "-67972",
            "\u{2212}67972",
            "67972#",
            "067972.00",
            "67972-MDC_ATTR_SYS_ID",
            "MDC:67972",
            "MDC_ATTR_SYS_ID (67972)",
            "mdc attr sys id",
            "MDC_\u{410}TTR_SYS_ID",
            "\u{FF16}7972",
            "\u{666}\u{667}\u{669}\u{667}\u{662}",
            "\"67972\"",
        ] {
            assert!(is_system_id(text), "{text}");
        }
        for text in
            ["67973", "1.67972", "2.16.6.79.72", "67972 X", "MDC_ATTR_SYS_ID_2", "MDC_ATTR_SYS_TYPE", ""]
        {
            assert!(!is_system_id(text), "{text}");
        }
    }
}
