//! The measured value of a numeric alert, its limits, or the source of an alert without one.

use super::name::name;
use super::plain_number::{numbers, range, single};
use crate::hl7::Field;
use crate::pcd::nomenclature::{Coded, UnitAgreement, find_unit, unit_agreement};
use crate::pcd::{Alert, Facet, KnownPatient, Observation, Standing};

/// The measured value with its unit and limits, or the source of an alert without one. `is_named`: the event
/// has the name of either already.
pub(super) fn measured(alert: &Alert<'_>, is_named: bool, patient: &KnownPatient) -> Option<String> {
    let is_value = |measured: &Observation<'_>| alert.measured_term().is_none() || !is_attribute(measured);
    let stated = alert.facet(Facet::Measured);
    let Some(measured) = stated.observation().filter(is_value) else {
        return source(alert, is_named, patient);
    };
    let mut parts = Vec::new();
    if !is_named {
        let name = alert.measured_term().and_then(|term| name(term, "term", patient));
        parts.push(name.unwrap_or_else(|| "value".to_owned()));
    }
    let standing = Standing::of(&measured);
    match &standing {
        // The number says what the device saw; it is no valid value.
        Standing::Void(reason) if standing != Standing::INVALID || measured.value().is_empty() => {
            let is_unnamed = parts.first().is_some_and(|name| name == "value");
            parts.push(if is_unnamed { (*reason).to_owned() } else { format!("value {reason}") });
            if standing == Standing::WITHDRAWN {
                return Some(parts.join(" "));
            }
        }
        _ => {
            parts.push(value(&measured));
            parts.extend(standing.mark().map(|mark| format!("({mark})")));
            let others: Vec<_> = stated.observations().skip(1).take(MAX_OTHERS).collect();
            let others: Vec<_> = others.iter().map(value).collect();
            parts.extend((!others.is_empty()).then(|| format!("(also stated: {})", others.join(", "))));
        }
    }
    parts.extend(limits(measured.range()).map(|limits| format!("({limits})")));
    Some(parts.join(" "))
}

fn source(alert: &Alert<'_>, is_named: bool, patient: &KnownPatient) -> Option<String> {
    let source = alert.facet(Facet::Source).observation()?;
    let standing = Standing::of(&source);
    if standing.is_void() {
        return standing.mark().map(|reason| format!("source {reason}"));
    }
    let name = name(source.value(), "term", patient).filter(|_| !is_named)?;
    Some(match standing.mark() {
        Some(doubt) => format!("source {name} ({doubt})"),
        None => format!("source {name}"),
    })
}

/// Attributes, such as those of the patient, are no measured value.
fn is_attribute(observation: &Observation<'_>) -> bool {
    let [code, name] = [observation.code(), observation.name()].map(|part| part.trimmed());
    let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<u32>().ok());
    [&b"MDC_ATTR_"[..], b"MDCX_ATTR_"].iter().any(|prefix| name.starts_with(prefix))
        || code.is_some_and(|code| (1 << 16..2 << 16).contains(&code))
}

/// The value with its unit, or why there is none. A text could be anything, so it is not shown.
fn value(measured: &Observation<'_>) -> String {
    let value = measured.value();
    if value.is_empty() || value.trimmed() == b"\"\"" {
        return "value not stated".to_owned();
    }
    let Some(numbers) = numbers(measured) else { return "value not shown: no number".to_owned() };
    let units = measured.units();
    let known = [1, 4].into_iter().find_map(|first| {
        let coded = Coded::of(units, first);
        find_unit(coded).map(|unit| (coded, unit))
    });
    let number = numbers.join(" and ");
    match known {
        Some((coded, unit)) => {
            let is_unusual = unit_agreement(measured.term(), coded) == UnitAgreement::Disagrees;
            let space = if unit.plain().is_empty() { "" } else { " " };
            let mark = if is_unusual { " (unusual unit)" } else { "" };
            // Readers that take the alternate one have another value.
            let other = find_unit(Coded::of(units, 4)).filter(|other| other.plain() != unit.plain());
            let other = other.map(|other| format!(" (also the unit {})", other.shown())).unwrap_or_default();
            format!("{number}{space}{}{mark}{other}", unit.plain())
        }
        None if units.is_empty() => format!("{number} (no unit)"),
        None => format!("{number} in an unknown unit"),
    }
}

/// The limits; `None` when the message has none.
fn limits(field: Field<'_>) -> Option<String> {
    if field.is_empty() {
        return None;
    }
    let all: Option<Vec<_>> = field.repetitions().map(|limits| range(single(limits)?)).collect();
    Some(match all {
        Some(limits) => format!("limits {}", limits.join(" and ")),
        None => "limits not shown: no numbers".to_owned(),
    })
}

/// Further values that the sentence has.
const MAX_OTHERS: usize = 3;
