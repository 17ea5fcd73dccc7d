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

/// What another process answered, for a terminal: lines, tabs and struck out text stay, and all other control
/// characters are escaped. The process may be in other hands.
pub(super) fn for_terminal(answer: &str) -> String {
    let mut shown = String::with_capacity(answer.len());
    let mut rest = answer;
    while let Some(character) = rest.chars().next() {
        let allowed = [STRIKE, NO_STRIKE, "\n", "\t"].into_iter().find(|allowed| rest.starts_with(allowed));
        let part = allowed.map_or(character.len_utf8(), str::len);
        let (part, behind) = rest.split_at(part);
        match allowed {
            Some(_) => shown.push_str(part),
            None => shown.push_str(&printable(part)),
        }
        rest = behind;
    }
    shown
}

/// Strikes text out on a terminal (ECMA-48, SGR 9), and ends that.
pub(super) const STRIKE: &str = "\x1b[9m";
pub(super) const NO_STRIKE: &str = "\x1b[29m";

/// The same for a column: each blank is visible, so that a value cannot look like the columns behind it.
pub(super) fn column(text: &str) -> String {
    let shown = |character: char| match character.is_whitespace() || FILLERS.contains(&character) {
        true => BLANK,
        false => character,
    };
    printable(text).chars().map(shown).collect()
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
        let answer = "A\tB\n\u{1b}[9mé\u{1b}[29m\u{1b}]0;title\u{7}\u{1b}[2J\r\u{202e}";
        let shown = "A\tB\n\u{1b}[9mé\u{1b}[29m\\u{1b}]0;title\\u{7}\\u{1b}[2J\\r\\u{202e}";
        assert_eq!(for_terminal(answer), shown);
        assert_eq!(printable("CA\u{202e}moc\u{2028}"), "CA\\u{202e}moc\\u{2028}");
    }
}
