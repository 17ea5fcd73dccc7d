//! Progress lines of the demonstration.

use std::error::Error;
use std::io;

use crate::cli::Output;
use crate::interface_b::{Answer, ClientError};

/// Prints one line per event; prints nothing with `--json`, where stdout holds the summary only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress(Output);

impl Progress {
    pub(super) const fn new(output: Output) -> Self {
        Self(output)
    }

    pub(super) fn line(self, text: &str) -> io::Result<()> {
        if self.0.is_json() { Ok(()) } else { self.0.line(text) }
    }

    /// Prints the acknowledgements of a message about `equipment`; `title` names the sender, `what` the
    /// message.
    pub(super) fn acknowledged(
        self,
        title: &str,
        what: &str,
        equipment: &str,
        answers: &[Answer],
    ) -> io::Result<()> {
        let answers: Vec<_> = answers
            .iter()
            .map(|answer| match &answer.reason {
                Some(reason) => format!("{} ({reason})", answer.code.as_str()),
                None => answer.code.as_str().to_owned(),
            })
            .collect();
        self.line(&format!("{title:34} {what} about {equipment}: {}", answers.join(", ")))
    }

    /// Prints why a device could not connect or send: the first cause of `error`.
    pub(super) fn refused(self, title: &str, error: &ClientError) -> io::Result<()> {
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        self.line(&format!("{title:34} refused: {cause}"))
    }
}
