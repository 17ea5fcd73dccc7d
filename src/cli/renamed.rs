//! Hints for commands that were renamed.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The new name, if the user gave the old name of a command.
pub(super) fn hint(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let unknown = match error.kind() {
        ErrorKind::InvalidSubcommand => error.get(ContextKind::InvalidSubcommand)?,
        ErrorKind::UnknownArgument => error.get(ContextKind::InvalidArg)?,
        _ => return None,
    };
    let ContextValue::String(unknown) = unknown else { return None };
    let given = |word: &&str| arguments.iter().any(|argument| argument == *word);
    let (old, new) =
        RENAMED.iter().find(|(old, _)| old.last() == Some(&unknown.as_str()) && old.iter().all(given))?;
    Some(format!("`{}` is now `{new}`", old.join(" ")))
}

/// The words of the old command, the most specific first, and the new command.
const RENAMED: [(&[&str], &str); 5] = [
    (&["message", "send"], "order send"),
    (&["message", "outbox"], "order list"),
    (&["message", "withdraw"], "order withdraw"),
    (&["message", "export", "--outbox"], "order export"),
    (&["send"], "client send"),
];

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Arguments;

    #[test]
    fn the_old_name_of_a_command_is_answered_with_the_new_one() {
        for (line, expected) in [
            ("message send PUMP-1 order.hl7", Some("`message send` is now `order send`")),
            ("--json message outbox", Some("`message outbox` is now `order list`")),
            ("message withdraw 1", Some("`message withdraw` is now `order withdraw`")),
            ("message export --outbox", Some("`message export --outbox` is now `order export`")),
            ("send --to localhost", Some("`send` is now `client send`")),
            ("message levitate", None),
            ("message export --levitate", None),
        ] {
            let words: Vec<OsString> =
                format!("pcd-platform {line}").split(' ').map(OsString::from).collect();
            let error = Arguments::try_parse_from(&words).unwrap_err();
            assert_eq!(hint(&error, &words).as_deref(), expected, "{line}");
        }
    }
}
