//! Exit codes and failures of commands.

use super::text::printable;
use crate::app::PlatformError;
use crate::config::ConfigError;
use crate::store::StoreError;
use crate::view::help_of;

/// The exit code of a command; codes from 64 are those of sysexits(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command succeeded.
    Done = 0,
    /// The command failed, or what it checked has a fault.
    Failed = 1,
    /// Something is urgent.
    Urgent = 2,
    /// A plugin of a monitoring system could not find out.
    Unknown = 3,
    /// EX_USAGE: the command line is wrong.
    Usage = 64,
    /// EX_UNAVAILABLE: a database, port or peer is not available.
    Unavailable = 69,
    /// EX_SOFTWARE: a fault of this program.
    Fault = 70,
    /// EX_NOPERM: the platform does not let this person do it.
    Refused = 77,
    /// EX_CONFIG: the configuration is wrong.
    Config = 78,
}

impl Exit {
    /// The exit code with this number; of an unknown one, a fault.
    pub(super) fn from_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Self::Fault)
    }

    pub(super) const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Urgent,
        Self::Unknown,
        Self::Usage,
        Self::Unavailable,
        Self::Fault,
        Self::Refused,
        Self::Config,
    ];

    /// What it means, for the help and the reference.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "the command did what was asked",
            Self::Failed => {
                "it could not: a check found a fault, a peer rejected, an entry exists already or is missing; of \
                 `status`: something needs attention"
            }
            Self::Urgent => "of `status` and `doctor`: something is urgent",
            Self::Unknown => "of `status --format nagios`: the platform did not answer",
            Self::Usage => "the command line is wrong",
            Self::Unavailable => {
                "something is unavailable: a store, a port, a peer, a node that another process serves; the same \
                 command may succeed later"
            }
            Self::Fault => "a fault of the platform; `serve` also when a running part has ended",
            Self::Refused => {
                "the running platform does not let this person do it: no role, or one that does not allow it"
            }
            Self::Config => "the configuration, or the schema of the store, has to be changed first",
        }
    }
}

/// The codes with their meanings, for the end of `--help` and of the manual page.
pub(super) fn exit_codes() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:2}  {}", exit as u8, exit.meaning()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// The error of a command, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The error; its chain of causes is printed on one line.
    pub error: anyhow::Error,
}

/// The result of a command.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure that exits with `exit`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

/// Errors without an exit code of their own exit with 1.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, error)
    }
}

/// The code of what stands in the way of a start.
fn code_of(failure: &Failure) -> Option<&'static str> {
    let config = failure.error.downcast_ref::<ConfigError>().map(|error| error.code().code());
    let missing = || match failure.error.downcast_ref::<StoreError>() {
        Some(error @ (StoreError::Missing(_) | StoreError::Gone { .. })) => Some(help_of(error)),
        _ => None,
    };
    config.or_else(|| failure.error.downcast_ref::<PlatformError>().map(PlatformError::code)).or_else(missing)
}

/// The error and the chain of its causes, and the help page where there is one, as stderr shows them.
pub(super) fn shown_failure(failure: &Failure) -> String {
    let mut line = String::from("error");
    for cause in failure.error.chain() {
        let text = cause.to_string();
        // A transparent error has the text of its cause.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    // The errors of a configuration have several lines.
    let mut shown: String = line.split('\n').map(|line| format!("{}\n", printable(line))).collect();
    if let Some(code) = code_of(failure) {
        shown.push_str(&format!("help: pcd-platform help {code}\n"));
    }
    shown
}
