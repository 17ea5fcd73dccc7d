//! A file that is no configuration, in words that repeat no value: any line may hold a password, also one
//! with a mistake in it.

use std::fmt;

/// What the parser says, with line, column and the key; values are hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError(String);

impl SyntaxError {
    /// The parser's `error` about `text`.
    pub(super) fn new(mut error: toml::de::Error, text: &str) -> Self {
        let message = error.message().to_owned();
        // The parser shows the line of the mistake.
        error.set_input(Some(&without_values(text)));
        Self(error.to_string().replace(&message, &without_quoted_secrets(&message)))
    }

    /// The place and the mistake, without the picture of the line between them.
    pub(super) fn in_one_line(&self) -> String {
        let is_picture = |line: &&str| {
            let line = line.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
            line.is_empty() || line.starts_with('|')
        };
        self.0.lines().filter(|line| !is_picture(line)).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for SyntaxError {}

/// The text with asterisks in place of everything but keys and headers, byte for byte as long as before.
fn without_values(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    // Inside of a text of several lines, no line has a key.
    let mut open = None;
    for line in text.split_inclusive('\n') {
        let shown = if open.is_some() { 0 } else { key_length(line) };
        let (key, value) = line.split_at_checked(shown).unwrap_or(("", line));
        hidden.push_str(key);
        hidden.extend(value.chars().flat_map(|character| {
            let mask = if character.is_whitespace() { None } else { Some("*".repeat(character.len_utf8())) };
            mask.unwrap_or_else(|| character.to_string()).chars().collect::<Vec<_>>()
        }));
        for quotes in ["\"\"\"", "'''"] {
            if line.matches(quotes).count() % 2 == 1 && open.is_none_or(|open| open == quotes) {
                open = if open.is_some() { None } else { Some(quotes) };
            }
        }
    }
    hidden
}

/// The length of the key and its equals sign, or of a header.
fn key_length(line: &str) -> usize {
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_. \t".contains(&byte));
    let header = line.trim().trim_start_matches('[').trim_end_matches(']');
    match line.split_once('=') {
        Some((key, _)) if is_plain(key) => key.len() + 1,
        None if line.trim_start().starts_with('[') && is_plain(header) => line.len(),
        _ => 0,
    }
}

/// The message without quoted texts that look like a URL, or are long.
fn without_quoted_secrets(message: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(message.len()), message);
    while let Some((before, quote, quoted, behind)) = next_quoted(rest) {
        shown.push_str(before);
        if is_suspicious(quoted) {
            shown.push_str("(withheld)");
        } else {
            shown.push(quote);
            shown.push_str(quoted);
            shown.push(quote);
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// What stands before the first quoted text, its quote, the text, and what follows.
fn next_quoted(text: &str) -> Option<(&str, char, &str, &str)> {
    let begin = text.find(['"', '`'])?;
    let (before, quoted) = text.split_at_checked(begin)?;
    let quote = quoted.chars().next()?;
    let quoted = quoted.get(1..)?;
    let mut escaped = false;
    let end = quoted.find(|character| {
        let ends = character == quote && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    // A quote that does not end: everything behind it is hidden.
    let end = end.unwrap_or(quoted.len());
    Some((before, quote, quoted.get(..end)?, quoted.get(end + 1..).unwrap_or_default()))
}

fn is_suspicious(quoted: &str) -> bool {
    let marks = ["://", "@", "?", "&", "password", "pin-"];
    quoted.len() > MAX_QUOTED
        || (quoted.len() > 2 && marks.iter().any(|mark| quoted.contains(mark))) && quoted != "password-file"
}

/// Longer texts are no word of a configuration.
const MAX_QUOTED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_headers_are_shown_and_values_are_not() {
        for (line, shown) in [
            ("url = \"postgres://u:pw@h\"", "url = *******************"),
            ("[store]", "[store]"),
            ("[[devices.allow]]", "[[devices.allow]]"),
            ("postgres://u:pw@h", "*****************"),
            ("# password: x", "* ********* *"),
            ("\"key\" = 1", "***** * *"),
            ("é = 1", "** * *"),
        ] {
            assert_eq!(without_values(line), shown);
            assert_eq!(without_values(line).len(), line.len());
        }
        let several = "url = \"\"\"\npassword=x\n\"\"\"\nnode = \"n\"\n";
        assert_eq!(without_values(several), "url = ***\n**********\n***\nnode = ***\n");
    }

    #[test]
    fn messages_repeat_no_url() {
        for (message, shown) in [
            ("unknown field `ulr`, expected `=` or `url`", "unknown field `ulr`, expected `=` or `url`"),
            (
                "unknown field `x`, expected one of `url`, `password-file`",
                "unknown field `x`, expected one of `url`, `password-file`",
            ),
            (
                r#"invalid type: string "postgres://u:\"pw@h", expected u64"#,
                "invalid type: string (withheld), expected u64",
            ),
            (r#""h?password=x" is not HOST:PORT"#, "(withheld) is not HOST:PORT"),
            (r#"string "a@b"#, "string (withheld)"),
            (r#""10.0.0.1/8" is no network"#, r#""10.0.0.1/8" is no network"#),
        ] {
            assert_eq!(without_quoted_secrets(message), shown);
        }
    }
}
