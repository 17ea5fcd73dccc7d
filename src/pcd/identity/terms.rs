//! Words by which a device is recognised.

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

/// Whether a text of OBX-3 stands for MDC_ATTR_SYS_ID: by its number, or by its letters and digits in any
/// case.
pub(super) fn is_system_id(seen: &str) -> bool {
    let letters = seen.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase());
    code_number(seen) == Some(SYSTEM_ID) || letters.eq(SYSTEM_ID_LETTERS.bytes())
}

/// MDC_ATTR_SYS_ID in OBX-3.
const SYSTEM_ID: u32 = 67972;
const SYSTEM_ID_LETTERS: &str = "MDCATTRSYSID";
