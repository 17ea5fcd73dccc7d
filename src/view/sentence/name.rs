//! Names of terms that are no free text.

use crate::hl7::Field;
use crate::pcd::nomenclature::{Coded, contradicts_itself, find_term, plain_term};
use crate::view::known_patient::KnownPatient;

/// The plain name of a term; `None` for a text that is no term.
///
/// Only a term that the nomenclature has, with the number and the reference id that belong together, has a
/// plain name. Another reference id stays as it came, with its number; it may be any text, so the patient is
/// hidden in it.
pub(super) fn name(field: Field<'_>, known: &KnownPatient) -> Option<String> {
    [1, 4].into_iter().find_map(|first| {
        let term = Coded::of(field, first);
        let has_number = is_number(term.code.as_bytes());
        let number = Coded { name: "", system: "MDC", ..term };
        let belongs = !has_number || find_term(number).is_some();
        if belongs && find_term(term).is_some() && !contradicts_itself(term) {
            return Some(plain_term(term).to_string());
        }
        let reference = [term.name, term.code].into_iter().find(|text| is_reference(text))?;
        let shown = known.hide(reference.to_owned());
        Some(if has_number { format!("{shown} ({})", term.code) } else { shown })
    })
}

/// The plain name of a number of MDC.
pub(super) fn in_mdc(number: &str) -> Option<String> {
    let term = Coded { code: number, name: "", system: "MDC" };
    find_term(term).map(|_| plain_term(term).to_string())
}

/// Whether a text is a reference id of the nomenclature, or of a vendor's extension of it.
fn is_reference(text: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    ["MDC_", "MDCX_"].iter().any(|prefix| text.strip_prefix(prefix).is_some_and(letters)) && text.len() <= 64
}

/// The number of a term, where it has one.
pub(super) fn number(term: Option<Field<'_>>) -> Option<String> {
    let code = term?.component(1).trimmed();
    is_number(code).then(|| String::from_utf8_lossy(code).into_owned())
}

/// Zeros are no number: vendors write `0^MDCX_...` for what has none.
fn is_number(code: &[u8]) -> bool {
    let has_number = code.len() <= 10 && code.iter().any(|digit| *digit != b'0');
    has_number && code.iter().all(u8::is_ascii_digit)
}
