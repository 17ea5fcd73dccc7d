//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

use super::syntax_error::SyntaxError;
use crate::finding::SetupCode;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}; {}", file.display(), unreadable(source))]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No TOML, a key that does not exist, or a value of another type; the cause has line and column.
    #[error("the configuration {} cannot be understood", file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// What the parser says, with line and column.
        source: SyntaxError,
    },
    /// Values that cannot work.
    #[error("the configuration {} has {}:{}", file.display(), number(problems), Listed(problems))]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// Each of them.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// The code of its help page.
    #[must_use]
    pub const fn code(&self) -> SetupCode {
        match self {
            Self::Read { .. } => SetupCode::ConfigUnreadable,
            Self::Syntax { .. } => SetupCode::ConfigSyntax,
            Self::Invalid { .. } => SetupCode::ConfigValue,
        }
    }
}

impl ConfigError {
    /// The file, the place in it and what is wrong there, in one line.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let file = match self {
            Self::Read { file, .. } | Self::Syntax { file, .. } | Self::Invalid { file, .. } => {
                file.display()
            }
        };
        match self {
            Self::Read { source, .. } => format!("{file} cannot be read: {source}; {}", unreadable(source)),
            Self::Syntax { source, .. } => format!("{file}: {}", source.in_one_line()),
            Self::Invalid { problems, .. } => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                format!("{file}: {}", problems.join("; "))
            }
        }
    }
}

/// One value that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, as written: `interface-a.max-frame`.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// What to do about a file that cannot be read.
fn unreadable(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "run the command as the account of the service (of a package: `sudo -u pcd-platform pcd-platform …`)"
        }
        _ => "give its path with --config or PCD_CONFIG",
    }
}

fn number(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem".to_owned(),
        number => format!("{number} problems"),
    }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
