//! `completions` and `man`: what packages and shells take from the definition of the command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;

use super::{Exit, Outcome, Output};

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub(super) struct Pages {
    /// Folder for the pages; created if it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Prints the completions of a shell for `command`, the whole command line.
pub(super) fn completions(arguments: &Completions, mut command: clap::Command, output: Output) -> Outcome {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    output.line(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}

/// Writes a manual page for each command of `command`, the whole command line.
pub(super) fn pages(arguments: &Pages, command: clap::Command, output: Output) -> Outcome {
    let dir = &arguments.dir;
    let context = || format!("cannot write manual pages to {}", dir.display());
    std::fs::create_dir_all(dir).with_context(context)?;
    clap_mangen::generate_to(command, dir).with_context(context)?;
    output.line(&format!("manual pages are in {}", dir.display()))?;
    Ok(Exit::Done)
}
