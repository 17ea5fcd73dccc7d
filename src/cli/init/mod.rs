//! `init`: a whole site in one folder, of which `check` finds no fault.

mod arguments;
mod first_device;
mod made;
mod next_steps;
mod places;
mod requested;
mod test_site;

use anyhow::Context as _;

use super::{Exit, Outcome, Output};
use crate::model::Clock;
pub(super) use arguments::Arguments;
use arguments::Source;
use made::Made;
use places::Places;

pub(super) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    // What others may write, they may replace: the configuration, a root, a chain.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let strict = if arguments.system { OWNER_WRITES } else { umask | OWNER_WRITES };
    rustix::process::umask(strict);
    let places = match &arguments.dir {
        Some(dir) => Places::in_folder(dir)?,
        None => Places::of_system()?,
    };
    let made = match arguments.pki {
        Source::Test => test_site::make(&places, &arguments, &clock).await,
        Source::Request => requested::make(&places, &arguments, &clock).await,
    };
    let made = made.and_then(|made| places.hand_over().map(|()| made));
    if made.is_err() {
        places.give_back();
    }
    output.print(&made.with_context(|| places.incomplete())?, Made::text)?;
    Ok(Exit::Done)
}

/// The umask of `init --system`: the account of the service reads what the folder of the configuration lets
/// it enter, and keys have a mode of their own.
const OWNER_WRITES: rustix::fs::Mode = rustix::fs::Mode::WGRP.union(rustix::fs::Mode::WOTH);
