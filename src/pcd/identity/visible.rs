//! What of a text a reader sees.

use std::borrow::Cow;

/// The text without characters that have no glyph (controls, byte order marks, joiners, spaces of no width),
/// and without escape sequences (`\H\`, `\.br\`, local ones), which stand for no characters. Full-width
/// characters are those of ASCII. `escape` is the escape character of the message.
pub(super) fn visible(text: &str, escape: Option<u8>) -> Cow<'_, str> {
    let escape = escape.map(char::from).filter(|escape| text.contains(*escape));
    if escape.is_none() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
        if Some(next) == escape
            && let Some((_, behind)) = rest.split_once(next)
        {
            rest = behind;
        } else if !has_no_glyph(next) {
            seen.push(narrow(next));
        }
    }
    Cow::Owned(seen)
}

/// The text before the first escape character. Some readers drop what follows one that nothing ends.
pub(super) fn before_escape(text: &str, escape: Option<u8>) -> &str {
    escape.and_then(|escape| text.split_once(char::from(escape))).map_or(text, |(before, _)| before)
}

/// The ASCII character of a full-width one (Unicode, compatibility forms).
fn narrow(character: char) -> char {
    let code = u32::from(character);
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(code - 0xFEE0).unwrap_or(character),
        other => other,
    }
}

/// Controls, separators of lines, characters of the property Default_Ignorable_Code_Point (Unicode 16), and
/// the marks of annotations and objects.
pub(in crate::pcd) fn has_no_glyph(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFC}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_glyph_is_visible() {
        for (text, expected) in [
            ("PUMP-7", "PUMP-7"),
            ("PUMP 7", "PUMP 7"),
            ("PUMP-7\0", "PUMP-7"),
            (r"PUM\H\P-7\.br\", "PUMP-7"),
            ("\u{FEFF}00A0\u{200B}37", "00A037"),
            (r"C:\PUMP-7", r"C:\PUMP-7"),
            ("Müller", "Müller"),
            ("ＰＵＭＰ－７", "PUMP-7"),
            (r"PUM\Z a local sequence of any length\P-7", "PUMP-7"),
            ("PUMP\u{FE0F}-7\u{34F}\u{3164}\u{FFF9}\u{E0030}", "PUMP-7"),
            ("00A0\u{180E}37\u{17B5}\u{1D173}", "00A037"),
        ] {
            assert_eq!(visible(text, Some(b'\\')), expected, "{text:?}");
        }
        assert_eq!(visible(r"PUM\H\P-7", None), r"PUM\H\P-7");
        assert_eq!(before_escape(r"PUMP-7\rest", Some(b'\\')), "PUMP-7");
    }
}
