//! Names of terms that are no free text.

use crate::hl7::Field;
use crate::pcd::KnownPatient;
use crate::pcd::nomenclature::{Coded, contradicts_itself, find_term, plain_term};

/// The name of a term in words of the tables; `None` for what the tables do not have. `what` it is stands
/// before a number: `event`.
///
/// Only a number and a reference id that belong together have a plain name. No text of the sender is in it: a
/// reference id that the tables do not have may say anything, also the name of the patient.
/// Nor is a number that the tables do not have, and that is one of the patient.
pub(super) fn name(field: Field<'_>, what: &str, patient: &KnownPatient) -> Option<String> {
    [1, 4].into_iter().find_map(|first| {
        let term = Coded::of(field, first);
        let has_number = is_number(term.code.as_bytes());
        let has_known_number = has_number && in_mdc(term.code).is_some();
        let reference = [term.name, term.code].into_iter().find(|text| is_known_reference(text));
        if contradicts_itself(term) {
            let reference = reference.map(|reference| format!(" {reference}")).unwrap_or_default();
            return Some(format!("{what} {} (contradicts its reference id{reference})", term.code));
        }
        if (has_known_number || !has_number) && find_term(term).is_some() {
            return Some(plain_term(term).to_string());
        }
        let reference = reference?;
        let number = || patient.hide(term.code.to_owned());
        Some(if has_number { format!("{reference} ({})", number()) } else { reference.to_owned() })
    })
}

/// The plain name of a number of MDC.
pub(super) fn in_mdc(number: &str) -> Option<String> {
    let term = Coded { code: number, name: "", system: "MDC" };
    find_term(term).map(|_| plain_term(term).to_string())
}

/// Whether a text is a reference id of the tables.
fn is_known_reference(text: &str) -> bool {
    text.starts_with("MDC_") && find_term(Coded { code: "", name: text, system: "MDC" }).is_some()
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
