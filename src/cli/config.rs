//! `config`: which values count and where they come from, what a key is, and a schema for editors.

use anyhow::anyhow;
use serde::Serialize;
use serde_json::Value;

use super::config_file::ConfigFile;
use super::{Exit, Failure, Outcome, Output};
use crate::config::{Effective, Origin, Overrides, Reference, json_schema, references};

/// Subcommands of `config`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the value of each key, and whether it is of the file, of the environment or the default
    ///
    /// Secrets are masked: passwords and queries of URLs, and the addresses of webhooks.
    Show {
        /// Only keys whose values are not the defaults
        #[arg(long)]
        changed: bool,
    },
    /// Explain a key: what it is, its default and its values, when a change takes effect, and what it is now
    ///
    /// Example: pcd-platform config explain interface-a.max-frame
    Explain {
        /// A key, such as interface-a.max-frame or max-frame; or a section
        key: String,
    },
    /// Print a JSON Schema of the file, for editors
    Schema,
}

/// A key as JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    key: &'static str,
    value: &'a Value,
    /// `file`, `environment` or `default`.
    from: &'static str,
    /// The variable of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<&'static str>,
    default: &'a Value,
}

/// An explanation as JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Explained<'a> {
    key: &'static str,
    what: &'a str,
    default: &'a str,
    values: &'a str,
    reload: &'static str,
    /// The value now; absent where the configuration cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'static str>,
}

pub(super) fn run(file: &ConfigFile, command: &Command, output: Output) -> Outcome {
    match command {
        Command::Show { changed } => {
            for of in effective(file)?.iter().filter(|of| !changed || of.value != of.default) {
                output.print(&shown(of), |_| line(of))?;
            }
        }
        Command::Explain { key } => explain(key, effective(file).ok().as_deref(), output)?,
        Command::Schema => {
            let schema = json_schema();
            output.print(&schema, |schema| serde_json::to_string_pretty(schema).unwrap_or_default())?;
        }
    }
    Ok(Exit::Done)
}

/// The value of each key as `config show --json` has it, one object per line.
///
/// # Errors
/// When the configuration cannot be used.
pub(super) fn effective_lines(file: &ConfigFile) -> Result<String, Failure> {
    let lines =
        effective(file)?.iter().filter_map(|of| serde_json::to_string(&shown(of)).ok()).collect::<Vec<_>>();
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

fn effective(file: &ConfigFile) -> Result<Vec<Effective>, Failure> {
    let config = file.load()?;
    // It was read a moment ago: what cannot be read again is shown as if all were defaults of the file.
    let text = std::fs::read_to_string(&config.file).unwrap_or_default();
    Ok(config.effective(&text, &Overrides::from_environment()))
}

fn shown(of: &Effective) -> Shown<'_> {
    let (from, variable) = match of.origin {
        Origin::File => ("file", None),
        Origin::Environment(variable) => ("environment", Some(variable)),
        Origin::Default => ("default", None),
    };
    Shown { key: of.key, value: &of.value, from, variable, default: &of.default }
}

fn line(of: &Effective) -> String {
    let from = match of.origin {
        Origin::File => "file",
        Origin::Environment(variable) => variable,
        Origin::Default => "default",
    };
    format!("{:40} {:13} {}", of.key, from, in_words(&of.value))
}

/// A value as the file would have it; none where there is none.
fn in_words(value: &Value) -> String {
    if value.is_null() { "none".to_owned() } else { value.to_string() }
}

fn explain(asked: &str, effective: Option<&[Effective]>, output: Output) -> Result<(), Failure> {
    let all = references();
    let found = find(&all, asked);
    if found.is_empty() {
        return Err(Failure::new(Exit::Usage, unknown(&all, asked)));
    }
    for (at, of) in found.into_iter().enumerate() {
        let now = effective.and_then(|all| all.iter().find(|known| known.key == of.key));
        let view = Explained {
            key: of.key,
            what: &of.what,
            default: &of.default,
            values: &of.values,
            reload: of.reload,
            value: now.map(|now| &now.value),
            from: now.map(|now| shown(now).from),
        };
        output.print(&view, |_| format!("{}{}", if at > 0 { "\n" } else { "" }, explanation(of, now)))?;
    }
    Ok(())
}

fn explanation(of: &Reference, now: Option<&Effective>) -> String {
    let effect = match of.reload {
        "applied" => "a reload applies a change",
        "new-sessions" => "a reload applies a change to sessions that begin from then on",
        _ => "a change takes effect at the next start",
    };
    let now = now.map(|now| format!("\n  now      {} ({})", in_words(&now.value), shown(now).from));
    format!(
        "{}\n  {}\n  default  {}\n  values   {}\n  reload   {effect}{}",
        of.key,
        of.what,
        of.default,
        of.values,
        now.unwrap_or_default()
    )
}

/// The key with this name; those of a section; or those whose last word it is.
fn find<'a>(all: &'a [Reference], asked: &str) -> Vec<&'a Reference> {
    let asked = asked.trim_matches(['[', ']']);
    if let Some(exact) = all.iter().find(|of| of.key == asked) {
        return vec![exact];
    }
    let section = format!("{asked}.");
    let of_section: Vec<_> = all.iter().filter(|of| of.key.starts_with(&section)).collect();
    if !of_section.is_empty() {
        return of_section;
    }
    all.iter().filter(|of| of.key.rsplit('.').next() == Some(asked)).collect()
}

fn unknown(all: &[Reference], asked: &str) -> anyhow::Error {
    let name = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let nearest = all.iter().map(|of| (distance(of.key, asked).min(distance(name(of.key), asked)), of.key));
    match nearest.min().filter(|(distance, _)| *distance <= MAX_TYPOS) {
        Some((_, key)) => anyhow!("there is no key {asked:?}; did you mean {key}?"),
        None => anyhow!("there is no key {asked:?}; `config show` lists all of them"),
    }
}

/// How many letters have to be changed, added or removed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut left = at + 1;
        let mut next = vec![left];
        for ((above, diagonal), known) in row.iter().skip(1).zip(&row).zip(&other) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(letter != *known));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Beyond so many the other word was meant.
const MAX_TYPOS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_name_its_last_word_and_its_section() {
        let all = references();
        let keys = |asked: &str| find(&all, asked).into_iter().map(|of| of.key).collect::<Vec<_>>();
        assert_eq!(keys("interface-a.max-frame"), ["interface-a.max-frame"]);
        assert_eq!(keys("max-frame"), ["interface-a.max-frame"]);
        assert_eq!(keys("[stapling]"), ["stapling.wait", "stapling.must-staple"]);
        assert_eq!(keys("max-connections").len(), 3, "of devices, of operators and of hospital systems");
        assert!(keys("levitation").is_empty());
        assert!(unknown(&all, "max-conections").to_string().contains("did you mean"));
        assert!(unknown(&all, "interface-a.max-fram").to_string().contains("interface-a.max-frame?"));
        assert!(!unknown(&all, "levitation").to_string().contains("did you mean"));
    }

    #[test]
    fn a_distance_counts_letters() {
        for (one, other, expected) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
