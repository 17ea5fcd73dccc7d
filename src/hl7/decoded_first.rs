//! A message as readers see it that decode escape sequences before they look for delimiters.

use super::escape::{formatting, meaning};
use super::escape_reading::lenient;
use super::message::Message;
use super::separators::{CR, LF, Separators};
use crate::model::work::count;

impl Message<'_> {
    /// The message for readers that decode escape sequences before they look for delimiters, in each way in
    /// which they decode them; none where it has no such sequence. Sequences that stand for a separator of
    /// fields stay: a text with one would move the fields behind it.
    #[must_use]
    pub fn decoded_first(&self) -> Vec<Vec<u8>> {
        let separators = self.separators();
        let by_standard = |sequence: &[u8]| meaning(sequence, separators).or_else(|| formatting(sequence));
        let by_others =
            |sequence: &[u8]| Some(lenient(sequence, separators)).filter(|bytes| !bytes.is_empty());
        let standard = self.decoded(by_standard);
        let lenient = self.decoded(by_others).filter(|decoded| standard.as_ref() != Some(decoded));
        standard.into_iter().chain(lenient).collect()
    }

    /// A line feed that a sequence stands for breaks the line.
    fn decoded(&self, meaning: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
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
            let mut stands_for = meaning(sequence)?;
            stands_for.iter_mut().filter(|byte| **byte == LF).for_each(|byte| *byte = CR);
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
        let decoded = Message::parse(text).unwrap().decoded_first();
        assert_eq!(
            String::from_utf8(decoded[0].clone()).unwrap(),
            "MSH|^~\\&|X^Y|a\\F\\b|\\Zq\\&\rNTE|1\rOBX|2\rPRT|half \\S\r"
        );
        assert!(Message::parse(b"MSH|^~\\&|X\rNTE|1\r").unwrap().decoded_first().is_empty());
    }

    #[test]
    fn a_line_break_in_any_spelling_begins_a_segment() {
        for spelling in [
            r"\X0D\",
            r"\X0A\",
            r"\x0d\",
            r"\x0a\",
            r"\C0D\",
            r"\M0D\",
            r"\X0D 0A\",
            r"\X 0D\",
            r"\.br\",
            r"\.BR\",
        ] {
            let text = format!("MSH|^~\\&|X\rNTE|1||note{spelling}OBX|9\r");
            let decoded = Message::parse(text.as_bytes()).unwrap().decoded_first();
            let begins =
                |text: &Vec<u8>| Message::parse(text).unwrap().segments().any(|line| line.is(b"OBX"));
            assert!(decoded.iter().any(begins), "{spelling}");
        }
    }
}
