//! Text output: what a terminal may show, and how values are aligned.

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

/// `1 row`, `2 rows`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// One aligned line for each name that has a value.
pub(super) fn paragraph(rows: &[(&str, String)]) -> String {
    let present = rows.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<_> = present.map(|(name, value)| format!("{name:<11}  {}", printable(value))).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "row")), ["0 rows", "1 row", "2 rows"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("ward 7 \u{1b}[2J\r\n\u{9b}é"), "ward 7 \\u{1b}[2J\\r\\n\\u{9b}é");
        assert_eq!(printable("CA\u{202e}moc\u{2028}"), "CA\\u{202e}moc\\u{2028}");
    }
}
