//! Numbers of a message that stand in the sentence.
//!
//! What is not one plain number of its type never becomes one: components are never joined, and nothing
//! inside a number is skipped. A person would believe the number that results.

use crate::hl7::Repetition;
use crate::pcd::Observation;

/// The repetitions of a value as they came; `None` when one is no number of its type (OBX-2).
///
/// Several components of an array (NA, MA) and of a structured number (SN) keep their separators: `180^110`.
pub(super) fn numbers(measured: &Observation<'_>) -> Option<Vec<String>> {
    let kind = measured.value_type().trimmed();
    let one = |value: Repetition<'_>| match kind {
        b"NM" => single(value).filter(|text| is_bounded(text)).map(str::to_owned),
        b"SN" => structured(value),
        b"NA" | b"MA" => components(value, is_number),
        b"" | b"ST" | b"TX" | b"FT" => {
            single(value).filter(|text| is_bounded(text) || is_ratio(text)).map(str::to_owned)
        }
        _ => None,
    };
    measured.value().repetitions().map(one).collect()
}

/// The only component, without subcomponents.
pub(super) fn single(value: Repetition<'_>) -> Option<&str> {
    let only = value.component(1);
    let is_alone = value.components().skip(1).all(|part| part.is_empty()) && only.subcomponents().count() < 2;
    std::str::from_utf8(only.trimmed()).ok().filter(|text| is_alone && text.len() <= MAX_LENGTH)
}

/// Limits, `50-120` with a dash between its numbers, a bound such as `>140`, or one number. A dash before a
/// single number may be its sign or the missing lower limit, so it stays in quotes.
pub(super) fn range(limits: &str) -> Option<String> {
    if is_bounded(limits) {
        return Some(if limits.starts_with('-') {
            format!("as sent: \"{limits}\"")
        } else {
            limits.to_owned()
        });
    }
    let after_sign = limits.char_indices().skip(1).find(|(_, letter)| *letter == '-')?.0;
    let (low, high) = limits.split_at(after_sign);
    let [low, high] = [low, high.strip_prefix('-')?].map(str::trim);
    let [lower, upper] = [low, high].map(|text| text.parse::<f64>().ok().filter(|_| is_number(text)));
    // `50--120` may mean two things; between numbers in their order a sign is a sign.
    let is_plain = !high.starts_with(['-', '+']) || lower? <= upper?;
    (lower.is_some() && upper.is_some() && is_plain).then(|| format!("{low}–{high}"))
}

/// `>100`, `1:2`, or the components with their separators.
fn structured(value: Repetition<'_>) -> Option<String> {
    let parts: Option<Vec<&str>> = value
        .components()
        .map(|part| std::str::from_utf8(part.trimmed()).ok().filter(|_| part.subcomponents().count() < 2))
        .collect();
    let mut parts = parts?;
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    match *parts.as_slice() {
        [comparator, number] if is_comparator(comparator) && is_number(number) => {
            Some(format!("{comparator}{number}"))
        }
        ["", first, separator @ (":" | "/"), second] if [first, second].into_iter().all(is_unsigned) => {
            Some(format!("{first}{separator}{second}"))
        }
        _ => components(value, |part| is_number(part) || is_comparator(part) || SEPARATORS.contains(&part)),
    }
}

/// The components with `^` between them; `None` when one is none of those that are allowed, or there is no
/// number among them.
fn components(value: Repetition<'_>, is_allowed: impl Fn(&str) -> bool) -> Option<String> {
    let part = |part: crate::hl7::Component<'_>| {
        let text = std::str::from_utf8(part.trimmed()).ok()?;
        let is_one = part.subcomponents().count() < 2 && (text.is_empty() || is_allowed(text));
        is_one.then(|| text.to_owned())
    };
    let parts: Option<Vec<String>> = value.components().map(part).collect();
    let shown = parts?.join("^");
    (shown.len() <= MAX_LENGTH && shown.bytes().any(|byte| byte.is_ascii_digit())).then_some(shown)
}

/// A number, also as a bound.
fn is_bounded(text: &str) -> bool {
    let comparator = COMPARATORS.into_iter().find_map(|comparator| text.strip_prefix(comparator));
    is_number(comparator.unwrap_or(text))
}

fn is_ratio(text: &str) -> bool {
    text.split_once(':').is_some_and(|(first, second)| is_unsigned(first) && is_unsigned(second))
}

fn is_comparator(text: &str) -> bool {
    text.is_empty() || COMPARATORS.contains(&text)
}

/// A sign, digits, a point, digits (NM).
fn is_number(text: &str) -> bool {
    is_unsigned(text.strip_prefix(['-', '+']).unwrap_or(text))
}

fn is_unsigned(text: &str) -> bool {
    let points = text.bytes().filter(|byte| *byte == b'.').count();
    points <= 1
        && text.len() > points
        && text.len() <= MAX_LENGTH
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Of SN; the longer ones first.
const COMPARATORS: [&str; 5] = ["<=", ">=", "<", ">", "="];
const SEPARATORS: [&str; 5] = ["-", "+", "/", ".", ":"];
/// Bytes of one value.
const MAX_LENGTH: usize = 32;
