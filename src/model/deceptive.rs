//! Characters that make a text look like another one: they change its direction, break its line, or have no
//! glyph. A peer may choose them, and terminals, editors and browsers obey them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether the character changes how the text around it is shown, or is not shown at all: direction (UAX #9),
/// line and paragraph separators, every character of the property Default_Ignorable_Code_Point (Unicode 16:
/// joiners, fillers, variation selectors, tags), the marks of annotations. Control characters are not among
/// them.
#[must_use]
pub(crate) const fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// A text for people: deceptive characters as `\u{202e}`.
#[must_use]
pub(crate) fn without_deception(text: &str) -> Cow<'_, str> {
    replaced(text, is_deceptive, |shown, character| shown.extend(character.escape_unicode()))
}

/// A page for people: with every character visible that would change how others are shown. A peer may have
/// chosen it.
#[must_use]
pub(crate) fn page_without_deception(html: &str) -> Cow<'_, str> {
    let hides = |character: char| is_deceptive(character) || character.is_control() && character != '\n';
    replaced(html, hides, |shown, character| shown.extend(character.escape_unicode()))
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

    // The ranges of DerivedCoreProperties.txt, and those of other characters that obey the same rule.
    #[test]
    fn every_character_that_vanishes_when_printed_is_deceptive() {
        let ignorable = [
            (0xAD, 0xAD),
            (0x34F, 0x34F),
            (0x61C, 0x61C),
            (0x115F, 0x1160),
            (0x17B4, 0x17B5),
            (0x180B, 0x180F),
            (0x200B, 0x200F),
            (0x202A, 0x202E),
            (0x2060, 0x206F),
            (0x3164, 0x3164),
            (0xFE00, 0xFE0F),
            (0xFEFF, 0xFEFF),
            (0xFFA0, 0xFFA0),
            (0xFFF0, 0xFFF8),
            (0x1BCA0, 0x1BCA3),
            (0x1D173, 0x1D17A),
            (0xE0000, 0xE0FFF),
        ];
        let others = [(0x2028, 0x2029), (0xFFF9, 0xFFFB)];
        let is_listed =
            |code| ignorable.iter().chain(&others).any(|(first, last)| (*first..=*last).contains(&code));
        for character in '\0'..=char::MAX {
            assert_eq!(
                is_deceptive(character),
                is_listed(u32::from(character)),
                "{}",
                character.escape_unicode()
            );
        }
        assert_eq!(without_deception("PUMP\u{34f}\u{fe0f}\u{e0100}"), "PUMP\\u{34f}\\u{fe0f}\\u{e0100}");
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

    #[test]
    fn characters_that_deceive_are_shown_on_pages_by_their_numbers() {
        assert_eq!(
            page_without_deception("<b>CA\u{202e}moc\u{1b}[2J\u{2028}</b>\n"),
            "<b>CA\\u{202e}moc\\u{1b}[2J\\u{2028}</b>\n"
        );
    }
}
