//! Terms and units of ISO/IEEE 11073-10101 (MDC) and UCUM that devices send: plain names, plain units, and
//! which units a term is measured in.
//!
//! The tables are facts from the lists of NIST's IHE PCD validation tool
//! (usnistgov/hit-pcd-message-validation, January 2025, `mdccodes.csv` and `units.csv`; public domain): the
//! terms and units of vital signs, ventilators and infusion pumps, and those in NIST's examples and in the
//! printed examples of IHE. Short names and plain units are ours. Other terms and units stay as they came.

mod coded;
mod name;
mod table;

pub use coded::Coded;
pub use name::PlainName;
pub use table::{Term, Unit};

/// Whether a unit is one in which a term is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitAgreement {
    /// The table lists the unit, or one that means the same, for the term.
    Agrees,
    /// The table lists other units for the term.
    Disagrees,
    /// The term or the unit is not in the table, or the table lists no unit for the term.
    Unknown,
}

/// The term of OBX-3; `None` when the table does not have it, or when its number and its reference id do not
/// belong together.
#[must_use]
pub fn find_term(term: Coded<'_>) -> Option<&'static Term> {
    term.may_be_mdc().then(|| term.resolve(&table::TERMS)).flatten()
}

/// Whether a coded element has a number and the reference id of another term.
#[must_use]
pub fn contradicts_itself(term: Coded<'_>) -> bool {
    term.may_be_mdc() && term.contradiction(&table::TERMS)
}

/// Whether a unit has a number and a reference id that do not belong together.
#[must_use]
pub fn unit_contradicts_itself(unit: Coded<'_>) -> bool {
    unit.may_be_mdc() && unit.contradiction(&table::UNITS)
}

/// The unit of OBX-6, of MDC or of UCUM; `None` when the table does not have it.
#[must_use]
pub fn find_unit(unit: Coded<'_>) -> Option<&'static Unit> {
    let mdc = || unit.may_be_mdc().then(|| unit.resolve(&table::UNITS)).flatten();
    let ucum = || {
        let may_be_ucum = !unit.is_mdc() && unit.may_be_ucum();
        let [code, name] = [unit.code, unit.name].map(|text| table::UNITS.by_ucum(text));
        // The name is a text; where it is a unit as well, it is the same one.
        let is_one = code.zip(name).is_none_or(|(code, name)| code.plain() == name.plain());
        code.or(name).filter(|_| may_be_ucum && is_one)
    };
    mdc().or_else(ucum)
}

/// A name for people: short where one is clear (`HR`, `SpO2`), otherwise the reference id as words.
#[must_use]
pub fn plain_term(term: Coded<'_>) -> PlainName<'_> {
    if contradicts_itself(term) {
        return PlainName::AsCame(term.shown());
    }
    let found = find_term(term);
    match found.and_then(Term::short_name) {
        Some(short) => PlainName::Short(short),
        None if term.name.starts_with("MDC_") => PlainName::Words(term.name),
        None => match found {
            Some(found) if term.name.is_empty() => PlainName::Words(found.reference()),
            _ => PlainName::AsCame(term.shown()),
        },
    }
}

/// A unit for people: `/min`, `%`, `mmHg`, `mL/h`; empty for a number without unit; as it came when it is
/// unknown.
#[must_use]
pub fn plain_unit(unit: Coded<'_>) -> &str {
    let found: Option<&'static Unit> = find_unit(unit);
    match found {
        Some(known) => known.plain(),
        // Of a unit without a coding system the identifier is the code; the name is a text.
        None if unit.system.is_empty() && !unit.may_be_mdc() && !unit.code.is_empty() => unit.code,
        None => unit.shown(),
    }
}

/// Whether the table lists `unit` for `term`.
#[must_use]
pub fn unit_agreement(term: Coded<'_>, unit: Coded<'_>) -> UnitAgreement {
    let (Some(term), Some(unit)) = (find_term(term), find_unit(unit)) else { return UnitAgreement::Unknown };
    if term.lists(unit) {
        return UnitAgreement::Agrees;
    }
    let mut allowed = term.units().peekable();
    if allowed.peek().is_none() {
        return UnitAgreement::Unknown;
    }
    // Beats, pulses and breaths per minute are all "/min".
    if allowed.any(|allowed| allowed.plain() == unit.plain()) {
        UnitAgreement::Agrees
    } else {
        UnitAgreement::Disagrees
    }
}

#[cfg(test)]
mod tests;
