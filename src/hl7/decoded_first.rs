//! A message as readers see it that decode escape sequences before they look for delimiters.

use super::escape::{formatting, meaning};
use super::message::Message;
use super::separators::{CR, LF, Separators};
use crate::model::work::count;

impl Message<'_> {
    /// The message for readers that decode escape sequences before they look for delimiters; `None` where it
    /// has no such sequence. Sequences that stand for a separator of fields stay: a text with one would move
    /// the fields behind it.
    #[must_use]
    pub fn decoded_first(&self) -> Option<Vec<u8>> {
        let separators = self.separators();
        let escape = separators.escape?;
        let text = self.as_bytes().get(self.ranges().next()?.start..)?;
        // MSH-2 is the first thing behind MSH-1.
        let names = text.get(4..)?;
        let (head, rest) = text.split_at(4 + names.iter().position(|byte| *byte == separators.field)?);
        if !rest.contains(&escape) {
            return None;
        }
        let decoded = pairs_or_kept(rest, escape, separators, |sequence| {
            let lines = |mut bytes: Vec<u8>| {
                bytes.iter_mut().filter(|byte| **byte == LF).for_each(|byte| *byte = CR);
                bytes
            };
            let stands_for = meaning(sequence, separators).or_else(|| formatting(sequence).map(lines))?;
            (!stands_for.contains(&separators.field)).then_some(stands_for)
        });
        (decoded != rest).then(|| [head, &decoded].concat())
    }
}

/// The text with each sequence replaced that has a meaning.
fn pairs_or_kept(
    raw: &[u8],
    escape: u8,
    separators: Separators,
    meaning: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Vec<u8> {
    count(raw.len());
    let mut value = Vec::with_capacity(raw.len());
    let mut parts = separators.split(Some(escape), raw);
    value.extend_from_slice(parts.next().unwrap_or_default());
    let mut is_open = true;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let stands_for = if is_open && parts.peek().is_some() { meaning(part) } else { None };
        is_open = stands_for.is_none();
        match stands_for {
            Some(bytes) => {
                value.extend(bytes);
                value.extend_from_slice(parts.next().unwrap_or_default());
                is_open = true;
            }
            None => {
                value.push(escape);
                value.extend_from_slice(part);
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_before_delimiters_make_components_and_lines_but_no_fields() {
        let text = b"MSH|^~\\&|X\\S\\Y|a\\F\\b|\\Zq\\\\T\\\rNTE|1\\X0D\\OBX|2\\.br\\PRT|half \\S\r";
        let decoded = Message::parse(text).unwrap().decoded_first().unwrap();
        assert_eq!(
            String::from_utf8(decoded).unwrap(),
            "MSH|^~\\&|X^Y|a\\F\\b|\\Zq\\&\rNTE|1\rOBX|2\rPRT|half \\S\r"
        );
        assert_eq!(Message::parse(b"MSH|^~\\&|X\rNTE|1\r").unwrap().decoded_first(), None);
    }
}
