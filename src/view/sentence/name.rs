//! Names of terms that are no free text.

use crate::hl7::Field;
use crate::pcd::nomenclature::{Coded, contradicts_itself, find_term, plain_term};

/// The plain name of a term; `None` for a text that is no term. A number and a reference id that do not
/// belong together are shown both, as they came.
pub(super) fn name(field: Field<'_>) -> Option<String> {
    [1, 4].into_iter().find_map(|first| {
        let term = Coded::of(field, first);
        if contradicts_itself(term) {
            return Some(format!("{} ({})", term.name, term.code));
        }
        let is_known = find_term(term).is_some() || is_reference(term.name) || is_reference(term.code);
        is_known.then(|| plain_term(term).to_string())
    })
}

/// Whether a text is a reference id of the nomenclature, or of a vendor's extension of it.
fn is_reference(text: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    ["MDC_", "MDCX_"].iter().any(|prefix| text.strip_prefix(prefix).is_some_and(letters)) && text.len() <= 64
}

/// The number of a term, where it has one.
pub(super) fn number(term: Option<Field<'_>>) -> Option<String> {
    let code = term?.component(1).trimmed();
    let has_number = code.len() <= 10 && code.iter().any(|digit| *digit != b'0');
    let is_number = has_number && code.iter().all(u8::is_ascii_digit);
    is_number.then(|| String::from_utf8_lossy(code).into_owned())
}
