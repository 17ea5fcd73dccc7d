//! Tokens: `code`, `system|code`, `|code`, `system|` (FHIR R4 3.1.1.4.10).

use super::refused::Refused;
use crate::fhir::identity::canonical_value;
use crate::fhir::{CodeableConcept, Coding, Identifier};

/// A value of a token parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `None`: any system. Empty: none.
    pub system: Option<String>,
    /// Empty: any code of the system.
    pub code: String,
}

impl Token {
    pub(super) fn parse(name: &str, written: &str) -> Result<Self, Refused> {
        let parts = split(written, '|');
        let token = match parts.as_slice() {
            [code] => Self { system: None, code: code.clone() },
            [system, code] => Self { system: Some(system.clone()), code: code.clone() },
            _ => return Err(Refused::invalid(format!("{name} is CODE or SYSTEM|CODE"))),
        };
        let is_empty = token.code.is_empty() && token.system.as_deref().unwrap_or_default().is_empty();
        let is_long =
            token.code.len() > MAX_TOKEN || token.system.as_ref().is_some_and(|it| it.len() > MAX_TOKEN);
        if is_empty || is_long || written.chars().any(char::is_control) {
            return Err(Refused::invalid(format!("{name} has a value that is no CODE and no SYSTEM|CODE")));
        }
        Ok(token)
    }

    /// The identifier of a device: each spelling of an EUI-64 or a UUID names it.
    pub(super) fn parse_identifier(name: &str, written: &str) -> Result<Self, Refused> {
        let token = Self::parse(name, written)?;
        let code = canonical_value(&token.code).unwrap_or(token.code);
        Ok(Self { code, ..token })
    }

    fn fits(&self, system: Option<&str>, code: &str) -> bool {
        let has_system = match self.system.as_deref() {
            None => true,
            Some("") => system.is_none(),
            Some(wanted) => system == Some(wanted),
        };
        has_system && (self.code.is_empty() || self.code == code)
    }

    pub(in crate::fhir) fn fits_coding(&self, coding: &Coding) -> bool {
        self.fits(coding.system, coding.code.as_deref().unwrap_or_default())
    }

    pub(in crate::fhir) fn fits_concept(&self, concept: &CodeableConcept) -> bool {
        concept.coding.iter().any(|coding| self.fits_coding(coding))
    }

    pub(super) fn fits_identifier(&self, identifier: &Identifier) -> bool {
        self.fits(identifier.system.as_deref(), &identifier.value)
    }

    /// A code of a fixed system.
    pub(super) fn fits_code(&self, system: &str, code: &str) -> bool {
        self.fits(Some(system), code)
    }
}

/// The parts of a value between separators that no backslash precedes (FHIR R4 3.1.1.4.7).
pub(super) fn split(written: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        let Some(part) = parts.last_mut() else { break };
        match character {
            '\\' => match characters.next() {
                // The inner separators are split later.
                Some(escaped) if escaped == separator || (separator == '|' && ESCAPED.contains(&escaped)) => {
                    part.push(escaped);
                }
                Some(other) => part.extend(['\\', other]),
                None => part.push('\\'),
            },
            _ if character == separator => parts.push(String::new()),
            _ => part.push(character),
        }
    }
    parts
}

/// What a backslash may precede, besides the separator itself.
const ESCAPED: [char; 3] = [',', '$', '\\'];
/// Bytes of a system or a code.
const MAX_TOKEN: usize = 512;
