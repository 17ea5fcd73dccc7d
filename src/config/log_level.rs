//! The syntax of `log.level`: a level, or a list of directives of `tracing_subscriber::EnvFilter`.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The filter of a `log.level`: the only parser of it, so that what `check` accepts is what `serve` uses.
///
/// Blanks around a directive do not count.
///
/// # Errors
/// When the level is neither a level nor a list of directives.
pub fn log_filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(directives(level).join(","))
}

/// What is wrong with a `log.level`, if anything.
///
/// The subscriber reads a bare word that is no level as the name of a module and then logs nothing of any
/// other: a typing error would switch the log off.
pub(super) fn problem(level: &str) -> Option<String> {
    let is_bare = |word: &str| !word.contains(['=', '[', '{']);
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_wrong = |word: &str| (is_bare(word) && !is_level(word)) || log_filter(word).is_err();
    let (wrong, what) = match directives(level).into_iter().find(|word| is_wrong(word)) {
        Some(word) if is_bare(word) => (word, "level"),
        Some(word) => (word, "directive"),
        None if log_filter(level).is_err() => (level, "list of directives"),
        None => return None,
    };
    Some(format!(
        "\"{wrong}\" is not a {what}; use error, warn, info, debug, trace or off, or a list of directives such as \
         \"info,pcd_platform::tls=debug\""
    ))
}

/// The directives of a list. Commas within brackets and braces belong to a directive.
fn directives(list: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let separates = |letter: char| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    };
    list.split(separates).map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_accepted() {
        for level in [
            "info",
            "WARN",
            "off",
            "info,pcd_platform::tls=debug",
            " warn , pcd_platform=trace",
            "pcd_platform=debug",
            "info,[session{device}]=trace",
            "[task{task=\"directory\"}]=debug",
        ] {
            assert_eq!(problem(level), None, "{level}");
        }
    }

    #[test]
    fn what_the_subscriber_cannot_parse_is_refused() {
        for level in ["=debug", "info,foo=loud", "info,[session=trace", "pcd_platform=", "info,=", "a=b=c"] {
            let found = problem(level);
            assert_eq!(found.is_some(), log_filter(level).is_err(), "{level}: {found:?}");
        }
        for (level, wrong) in [("=debug", "=debug"), ("info,foo=loud", "foo=loud")] {
            let found = problem(level).unwrap();
            assert!(found.starts_with(&format!("\"{wrong}\" is not a directive; use error")), "{found}");
        }
    }

    #[test]
    fn a_bare_word_that_is_no_level_is_refused() {
        for (level, wrong) in [
            ("loud", "loud"),
            ("info,loud", "loud"),
            ("pcd_platform::tls", "pcd_platform::tls"),
            ("", ""),
            ("info,", ""),
        ] {
            let found = problem(level).unwrap();
            assert!(found.starts_with(&format!("\"{wrong}\" is not a level; use error")), "{found}");
        }
    }
}
