//! Command lines for the tests of subcommands.

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Line<C: Subcommand> {
    #[command(subcommand)]
    command: C,
}

/// What a line means: the name of the subcommand, and what follows it.
pub(super) fn parse_command<C: Subcommand>(name: &str, rest: &[&str]) -> Result<C, clap::Error> {
    Ok(Line::try_parse_from([&[name], rest].concat())?.command)
}
