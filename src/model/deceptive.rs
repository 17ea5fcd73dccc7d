//! Characters that make a text look like another one: they change its direction, break its line, or have no
//! glyph. A peer may choose them, and terminals, editors and browsers obey them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether the character changes how the text around it is shown: direction (UAX #9), line and paragraph
/// separators, characters without a glyph, tags. Control characters are not among them.
#[must_use]
pub(crate) const fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// A text for people: deceptive characters as `\u{202e}`.
#[must_use]
pub(crate) fn without_deception(text: &str) -> Cow<'_, str> {
    replaced(text, is_deceptive, |shown, character| shown.extend(character.escape_unicode()))
}

/// A text in JSON for people: deceptive characters as `\u202e`, and the control characters that JSON allows
/// as they are (U+007F to U+009F), which a terminal may obey. They can stand in strings only, so the value is
/// the same.
#[must_use]
pub(crate) fn json_without_deception(json: &str) -> Cow<'_, str> {
    let is_escaped = |character| is_deceptive(character) || matches!(character, '\u{7f}'..='\u{9f}');
    replaced(json, is_escaped, |shown, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn replaced(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_escaped(character) {
            escape(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_escaped_and_others_are_not() {
        let text = "CA\u{202e}moc.live\u{2028}\u{e0041}é日本";
        assert_eq!(without_deception(text), "CA\\u{202e}moc.live\\u{2028}\\u{e0041}é日本");
        let json = serde_json::to_string(text).unwrap();
        let escaped = json_without_deception(&json);
        assert_eq!(escaped, r#""CA\u202emoc.live\u2028\udb40\udc41é日本""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        assert!(matches!(without_deception("ward é"), Cow::Borrowed(_)));
        assert!(matches!(json_without_deception("\"ward é\""), Cow::Borrowed(_)));
    }

    #[test]
    fn json_for_a_terminal_has_no_control_characters() {
        for character in (0..0xa0).filter_map(char::from_u32) {
            let text = format!("a{character}b");
            let json = serde_json::to_string(&text).unwrap();
            let escaped = json_without_deception(&json);
            assert!(!escaped.contains(char::is_control), "{escaped:?}");
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        }
    }
}
