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

/// Whether a unit has a code and a name that do not belong together: the number and the reference id of MDC,
/// the code of UCUM and its text, or a number that the table does not have beside a reference id that it has
/// with another one.
#[must_use]
pub fn unit_contradicts_itself(unit: Coded<'_>) -> bool {
    if unit.may_be_mdc() && unit.contradiction(&table::UNITS) {
        return true;
    }
    let [code, name] = [unit.code, unit.name].map(|text| meaning_of(text, unit));
    match (code, name) {
        (Some(code), Some(name)) => code.plain() != name.plain(),
        (None, Some(_)) => {
            let is_number = unit.code.bytes().all(|byte| byte.is_ascii_digit());
            unit.may_be_mdc() && is_number && unit.code.bytes().any(|byte| byte != b'0')
        }
        _ => false,
    }
}

/// The unit that a code or a name means by itself: by its number, its reference id, in UCUM, or as people
/// write it.
fn meaning_of(text: &str, unit: Coded<'_>) -> Option<&'static Unit> {
    let mdc = || table::UNITS.by_number(text).or_else(|| table::UNITS.by_reference(text));
    let written = || table::UNITS.by_ucum(text).or_else(|| table::UNITS.by_plain(text));
    let known = unit.may_be_mdc().then(mdc).flatten();
    known.or_else(|| (unit.may_be_mdc() || unit.may_be_ucum()).then(written).flatten())
}

/// What MDC calls the number of a term whose name is another text: `SpO2` for `150456^Heart rate^MDC`. `None`
/// where the name is a reference id, or means the same.
#[must_use]
pub fn named_otherwise(term: Coded<'_>) -> Option<PlainName<'static>> {
    let number = Coded { name: "", ..term };
    let found = find_term(number).filter(|_| term.is_mdc() && !term.name.is_empty())?;
    let is_reference = ["MDC_", "MDCX_"].iter().any(|prefix| term.name.starts_with(prefix));
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let own = letters(term.name);
    // A reference id in other letters is one too.
    let own = own.strip_prefix("mdc").unwrap_or(&own);
    let is_alike = |known: &str| letters(known) == own;
    let is_same = is_alike(found.reference())
        || found.short_name().is_some_and(is_alike)
        || is_alike(&plain_term(Coded { code: term.code, name: "", system: "MDC" }).to_string());
    (!is_reference && !is_same)
        .then(|| found.short_name().map_or(PlainName::Words(found.reference()), PlainName::Short))
}

/// The unit of OBX-6, of MDC or of UCUM; `None` when the table does not have it.
#[must_use]
pub fn find_unit(unit: Coded<'_>) -> Option<&'static Unit> {
    if unit_contradicts_itself(unit) {
        return None;
    }
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
