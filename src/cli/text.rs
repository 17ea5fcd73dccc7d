//! Text output: what a terminal may show, and how values are aligned.

pub(super) use crate::model::counted;
use crate::model::is_deceptive;

/// `text` with control characters escaped, and those that change how others are shown: a peer may have chosen
/// it, and a terminal would obey them.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_deceptive(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The same for a column: each blank is visible, so that a value cannot look like the columns behind it.
pub(super) fn column(text: &str) -> String {
    let shown = |character: char| match character.is_whitespace() || FILLERS.contains(&character) {
        true => BLANK,
        false => character,
    };
    printable(text).chars().map(shown).collect()
}

/// `text` as one word of a shell, quoted.
pub(super) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The same, without quotes where no shell needs them.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:,@%".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { shell_quoted(text) }
}

/// One aligned line for each name that has a value.
pub(super) fn paragraph(rows: &[(&str, String)]) -> String {
    let present = rows.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<_> = present.map(|(name, value)| format!("{name:<11}  {}", printable(value))).collect();
    lines.join("\n")
}

/// What a blank is shown as.
const BLANK: char = '\u{2423}';
/// Characters that are no white space and look like it.
const FILLERS: [char; 5] = ['\u{2800}', '\u{3164}', '\u{115F}', '\u{1160}', '\u{FFA0}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_has_to_be() {
        assert_eq!(shell_word("/srv/site-1/pki/a.pem"), "/srv/site-1/pki/a.pem");
        assert_eq!(shell_word("/srv/st. mary's"), r"'/srv/st. mary'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_column_has_no_blank_that_looks_like_its_end() {
        assert_eq!(column("1   376  accepted").matches(' ').count(), 0);
        assert_eq!(column("A-1"), "A-1");
        for blank in [' ', '\u{a0}', '\u{3000}', '\u{2800}', '\u{3164}'] {
            let shown = column(&format!("a{blank}b"));
            assert!(!shown.contains(blank) && shown.len() > 2, "{shown}");
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("ward 7 \u{1b}[2J\r\n\u{9b}é"), "ward 7 \\u{1b}[2J\\r\\n\\u{9b}é");
        assert_eq!(printable("CA\u{202e}moc\u{2028}"), "CA\\u{202e}moc\\u{2028}");
    }
}
