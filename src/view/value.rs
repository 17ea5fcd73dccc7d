//! Fields of a message as text: decoded by the character set of the message, without escape sequences.

use crate::hl7::{CharacterSet, Component, Field};
use crate::pcd::Observation;

/// The text of a component.
pub(super) fn component(component: Component<'_>, characters: CharacterSet) -> String {
    characters.decode(&component.text()).trim().to_owned()
}

/// A coded element.
pub(super) fn term(field: Field<'_>, characters: CharacterSet) -> Term {
    let part = |n| component(field.component(n), characters);
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

    /// `MDC_PULS_OXIM_SAT_O2 (150456)`.
    #[must_use]
    pub fn text(&self) -> String {
        match (self.name.as_str(), self.code.as_str()) {
            (name, "") => name.to_owned(),
            ("", code) => code.to_owned(),
            (name, code) => format!("{name} ({code})"),
        }
    }

    /// The reference id, or the code if there is none.
    #[must_use]
    pub fn short(&self) -> &str {
        if self.name.is_empty() { &self.code } else { &self.name }
    }
}

/// OBX-5. A number is shown digit for digit as it was received: trailing zeros are precision.
pub(super) fn observed(observation: &Observation<'_>, characters: CharacterSet) -> String {
    let (kind, value) = (observation.value_type().trimmed(), observation.value());
    // ED and RP: encapsulated data, and a pointer to it.
    if value.raw().len() > MAX_VALUE_BYTES || matches!(kind, b"ED" | b"RP") {
        let kind = if kind.is_empty() { "value".into() } else { characters.decode(kind) };
        return format!("({kind} of {} bytes)", value.raw().len());
    }
    let coded = matches!(kind, b"CE" | b"CF" | b"CNE" | b"CWE");
    let one = |repetition: crate::hl7::Repetition<'_>| {
        let parts: Vec<_> = repetition.components().map(|part| component(part, characters)).collect();
        match parts.as_slice() {
            [code, name, ..] if coded && !name.is_empty() => {
                if code.is_empty() {
                    name.clone()
                } else {
                    format!("{name} ({code})")
                }
            }
            // SN: comparator, number, separator, number.
            parts if kind == b"SN" => parts.concat(),
            parts => parts.join(" ").trim().to_owned(),
        }
    };
    value.repetitions().map(one).collect::<Vec<_>>().join("; ")
}

/// Longer values (documents, images, waveforms) are shown by their size only.
const MAX_VALUE_BYTES: usize = 240;
