//! How a command ends.

/// The exit code of a command, after sysexits(3) where that has a word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It could not, or what it checked is not in order.
    Failed = 1,
    /// The command line itself is wrong.
    Usage = 64,
    /// Something that it needs is not there: a database, a port, a peer.
    Unavailable = 69,
    /// Our own fault.
    Fault = 70,
    /// The configuration is wrong.
    Config = 78,
}

/// A command that failed: what to tell the user, and how to exit.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong; its chain of causes is printed on one line.
    pub error: anyhow::Error,
}

/// What a command returns.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure that exits with `exit`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

/// An error of no particular kind is a plain failure.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, error)
    }
}
