//! Parses command lines for the tests of subcommands.

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Line<C: Subcommand> {
    #[command(subcommand)]
    command: C,
}

/// Parses `rest` as the arguments of the subcommand `name`.
pub(super) fn parse_command<C: Subcommand>(name: &str, rest: &[&str]) -> Result<C, clap::Error> {
    Ok(Line::try_parse_from([&[name], rest].concat())?.command)
}
