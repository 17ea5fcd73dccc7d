//! Text of a message as FHIR allows it.

use crate::hl7::{CharacterSet, Component, Field};

/// The text of a component for people; `None` when it is empty or the null value of HL7 (`""`).
pub(super) fn component(component: Component<'_>, characters: CharacterSet) -> Option<String> {
    if component.trimmed().is_empty() {
        return None;
    }
    string(&characters.decode(&component.shown_text()))
}

/// The text of the first component of a field.
pub(super) fn first(field: Field<'_>, characters: CharacterSet) -> Option<String> {
    component(field.component(1), characters)
}

/// The components of a field with blanks between them.
pub(super) fn joined(field: Field<'_>, characters: CharacterSet) -> Option<String> {
    let mut repetitions = field.repetitions();
    let parts = repetitions.next()?.components().flat_map(|part| part.subcomponents());
    let parts: Vec<_> = parts.filter_map(|part| component(part, characters)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// All repetitions of a field, as [`joined`] has each of them.
pub(super) fn all(field: Field<'_>, characters: CharacterSet) -> Option<String> {
    let repetitions = field.repetitions().filter_map(|one| {
        let parts = one.components().flat_map(|part| part.subcomponents());
        let parts: Vec<_> = parts.filter_map(|part| component(part, characters)).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    });
    let repetitions: Vec<_> = repetitions.collect();
    (!repetitions.is_empty()).then(|| repetitions.join("; "))
}

/// A field with the delimiters between its parts: `90-100~80-100`.
pub(super) fn as_sent(field: Field<'_>, characters: CharacterSet) -> Option<String> {
    if field.trimmed().is_empty() {
        return None;
    }
    let repetitions = field.repetitions().map(|one| {
        let parts = one.components().map(|part| component(part, characters).unwrap_or_default());
        parts.collect::<Vec<_>>().join("^")
    });
    string(&repetitions.collect::<Vec<_>>().join("~"))
}

/// A text as type `string` has it: no control characters, no blanks but space, tab and line break.
pub(super) fn string(text: &str) -> Option<String> {
    // Nearly all texts: nothing in them is changed.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let text = text.trim_matches(' ');
        return (!text.is_empty() && text != "\"\"").then(|| text.to_owned());
    }
    let text = text.replace("\r\n", "\n");
    let allowed = text.chars().filter_map(|letter| match letter {
        '\n' | '\t' | ' ' => Some(letter),
        '\r' => Some('\n'),
        _ if letter.is_control() || letter == '\u{FEFF}' => None,
        _ if letter.is_whitespace() => Some(' '),
        _ => Some(letter),
    });
    let text: String = allowed.collect();
    let text = text.trim();
    (!text.is_empty() && text != "\"\"").then(|| text.to_owned())
}

/// A text as type `code` has it: one blank between words.
pub(super) fn code(text: &str) -> Option<String> {
    let words: Vec<String> = string(text)?.split_whitespace().map(str::to_owned).collect();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_character_that_fhir_forbids() {
        assert_eq!(string("a\u{0}\u{1b}b\u{a0}c\r\nd\re\u{2028}f"), Some("ab c\nd\ne f".to_owned()));
        assert_eq!((string(" \t "), string("\"\""), string("\u{85}")), (None, None, None));
        assert_eq!(code(" MDC  EVT\tX "), Some("MDC EVT X".to_owned()));
    }
}
