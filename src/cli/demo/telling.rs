//! What the demonstration prints while it happens.

use std::io;

use super::actor::Actor;
use crate::cli::Output;
use crate::interface_b::{Answer, ClientError};

/// Prints one line for each thing that happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling(Output);

impl Telling {
    pub(super) const fn new(output: Output) -> Self {
        Self(output)
    }

    pub(super) fn line(self, text: &str) -> io::Result<()> {
        // With --json, stdout belongs to the summary.
        if self.0.is_json() { Ok(()) } else { self.0.line(text) }
    }

    pub(super) fn answered(self, actor: &Actor, equipment: &str, answers: &[Answer]) -> io::Result<()> {
        let answers: Vec<_> = answers
            .iter()
            .map(|answer| match &answer.reason {
                Some(reason) => format!("{} ({reason})", answer.code.as_str()),
                None => answer.code.as_str().to_owned(),
            })
            .collect();
        self.line(&format!("{:34} PCD-01 about {equipment}: {}", actor.title, answers.join(", ")))
    }

    pub(super) fn turned_away(self, actor: &Actor, error: &ClientError) -> io::Result<()> {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        self.line(&format!("{:34} turned away: {cause}", actor.title))
    }
}
