//! Words of a shell, for the commands that an operator is advised to run. Names come from certificates and
//! messages: what a shell would interpret is quoted.

/// `text` as one word of a shell, quoted.
pub(crate) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The same, without quotes where no shell needs them.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:,@%".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { shell_quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_interpret_is_quoted() {
        assert_eq!(shell_word("/srv/site-1/pki/a.pem"), "/srv/site-1/pki/a.pem");
        assert_eq!(shell_word("GW ICU"), "'GW ICU'");
        assert_eq!(shell_word("$(reboot)"), "'$(reboot)'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
