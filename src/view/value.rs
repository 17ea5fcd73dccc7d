//! Fields of a message as text: decoded by the character set of the message, without escape sequences.

use crate::hl7::{CharacterSet, Component, Field, Repetition};
use crate::pcd::Observation;

/// A component of a code or an identifier: formatting stays, since none belongs there.
pub(super) fn identifier(component: Component<'_>, characters: CharacterSet) -> String {
    characters.decode(&component.text()).trim().to_owned()
}

/// The text of a component in a field that is shown with its separators: one that the text itself contains is
/// escaped, so that nothing reads like a component that is none.
fn separated(component: Component<'_>, characters: CharacterSet) -> String {
    let part = |part: Component<'_>| {
        let text = identifier(part, characters);
        if !text.contains(['|', '^', '~', '&']) {
            return text;
        }
        let mut shown = String::with_capacity(text.len() + 8);
        for character in text.chars() {
            match character {
                '|' => shown.push_str(r"\F\"),
                '^' => shown.push_str(r"\S\"),
                '~' => shown.push_str(r"\R\"),
                '&' => shown.push_str(r"\T\"),
                other => shown.push(other),
            }
        }
        shown
    };
    component.subcomponents().map(part).collect::<Vec<_>>().join("&")
}

/// The text of a component.
pub(super) fn component(component: Component<'_>, characters: CharacterSet) -> String {
    let text = characters.decode(&component.shown_text()).trim().to_owned();
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

/// A field with `^` between its components, `&` between its subcomponents and `~` between its repetitions,
/// whatever the separators of the message are.
pub(super) fn whole(field: Field<'_>, characters: CharacterSet) -> String {
    if field.is_empty() {
        return String::new();
    }
    let repetition = |one: Repetition<'_>| {
        one.components().map(|part| separated(part, characters)).collect::<Vec<_>>().join("^")
    };
    field.repetitions().map(repetition).collect::<Vec<_>>().join("~")
}

/// A coded element.
pub(super) fn term(field: Field<'_>, characters: CharacterSet) -> Term {
    let part = |n| identifier(field.component(n), characters);
    Term { code: part(1), name: part(2), system: part(3) }
}

/// A term of a coding system.
#[derive(serde::Serialize, Debug, Clone, Default, PartialEq, Eq)]
pub struct Term {
    /// The code, for example `150456`.
    pub code: String,
    /// The reference id, for example `MDC_PULS_OXIM_SAT_O2`.
    pub name: String,
    /// The coding system.
    pub system: String,
}

impl Term {
    /// Whether there is neither code nor name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_empty() && self.name.is_empty()
    }

    /// `MDC_PULS_OXIM_SAT_O2 (150456)`; with the coding system where it is another than MDC and UCUM:
    /// `monitoring of patient (182777000, SCT)`.
    #[must_use]
    pub fn text(&self) -> String {
        named(&self.code, &self.name, &self.system)
    }

    /// The reference id, or the code if there is none.
    #[must_use]
    pub fn short(&self) -> &str {
        if self.name.is_empty() { &self.code } else { &self.name }
    }
}

/// OBX-5 for people.
pub(super) struct Observed {
    pub(super) text: String,
    /// Whether the text is free text, a name or a document: no number, no time and no code.
    pub(super) is_free: bool,
}

/// OBX-5. A number is shown digit for digit as it was received: trailing zeros are precision.
pub(super) fn observed(observation: &Observation<'_>, characters: CharacterSet) -> Observed {
    let (kind, value) = (observation.value_type().trimmed(), observation.value());
    let is_coded = matches!(kind, b"CE" | b"CF" | b"CNE" | b"CWE");
    let one = |repetition: Repetition<'_>| {
        let parts: Vec<_> = repetition.components().map(|part| component(part, characters)).collect();
        match kind {
            _ if is_coded => coded(&parts),
            b"SN" if is_structured_number(&parts) => parts.concat(),
            // Names, addresses and telephone numbers are read as they are spoken.
            b"XPN" | b"PN" | b"XCN" | b"CN" | b"XAD" | b"AD" | b"XTN" | b"TN" => {
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
            }
            // Samples of a waveform: a missing one has its place. Components that are joined would be a value
            // that was not sent.
            b"NA" | b"MA" => parts.join("^"),
            _ => parts.join("^").trim_end_matches('^').to_owned(),
        }
    };
    let text = value.repetitions().map(one).collect::<Vec<_>>().join("; ");
    let is_free = !matches!(kind, b"NM" | b"SN" | b"NA" | b"MA" | b"DT" | b"TM" | b"DTM" | b"TS" | b"DR");
    Observed { text, is_free }
}

/// Whether these are the components of an SN: comparator, number, separator, number.
fn is_structured_number(parts: &[String]) -> bool {
    let part = |n: usize| parts.get(n).map_or("", String::as_str);
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let has_comparator = ["", "<", ">", "<=", ">=", "=", "<>"].contains(&part(0));
    let is_single = part(2).is_empty() && part(3).is_empty() || part(2) == "+" && part(3).is_empty();
    let is_pair = ["-", "+", "/", ".", ":"].contains(&part(2)) && is_number(part(3));
    has_comparator
        && is_number(part(1))
        && (is_single || is_pair)
        && parts.iter().skip(4).all(String::is_empty)
}

/// A coded element: its name and its code, the alternatives, and the original text (CWE.9) where it says
/// more.
pub(super) fn coded(parts: &[String]) -> String {
    let part = |n: usize| parts.get(n).map_or("", String::as_str);
    let mut terms = [0, 3, 9].map(|first| named(part(first), part(first + 1), part(first + 2))).to_vec();
    terms.retain(|term| !term.is_empty());
    terms.dedup();
    let shown = terms.join(", also ");
    let original = part(8);
    match original {
        "" => shown,
        _ if shown.is_empty() => original.to_owned(),
        _ if [part(0), part(1)].contains(&original) => shown,
        _ => format!("{shown}, \u{201C}{original}\u{201D}"),
    }
}

/// A term with its code and its coding system.
fn named(code: &str, name: &str, system: &str) -> String {
    let is_usual = ["", "MDC", "UCUM"].iter().any(|usual| usual.eq_ignore_ascii_case(system));
    match (name, code) {
        ("", "") => String::new(),
        (name, "") if is_usual => name.to_owned(),
        ("", code) if is_usual => code.to_owned(),
        (name, code) if is_usual && name == code => name.to_owned(),
        (name, code) if is_usual => format!("{name} ({code})"),
        (text, "") | ("", text) => format!("{text} ({system})"),
        (name, code) if name == code => format!("{name} ({system})"),
        (name, code) => format!("{name} ({code}, {system})"),
    }
}

/// Whether a type is a document, or a pointer to one (ED, RP).
pub(super) fn is_document(kind: &[u8]) -> bool {
    matches!(kind, b"ED" | b"RP")
}

/// The start of a long text, ending with `…`; `None` when the text is short.
pub(super) fn shortened(text: &str) -> Option<String> {
    let (end, _) = text.char_indices().nth(MAX_CHARACTERS)?;
    Some(format!("{}\u{2026}", text.get(..end).unwrap_or_default().trim_end()))
}

/// Characters of a value that are shown unless the caller asks for all of it.
const MAX_CHARACTERS: usize = 240;
