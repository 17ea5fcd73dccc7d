//! Exit codes and failures of commands.

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
    /// EX_CONFIG: the configuration is wrong.
    Config = 78,
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
