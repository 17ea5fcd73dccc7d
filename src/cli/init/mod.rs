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
    let places = match &arguments.dir {
        Some(dir) => Places::in_folder(dir)?,
        None => Places::of_system()?,
    };
    let made = match arguments.pki {
        Source::Test => test_site::make(&places, &arguments, &clock).await,
        Source::Request => requested::make(&places, &arguments, &clock).await,
    };
    let made = made.and_then(|made| places.hand_over().map(|()| made));
    let incomplete = || format!("{} is incomplete: empty it, then try again", places.dir.display());
    output.print(&made.with_context(incomplete)?, Made::text)?;
    Ok(Exit::Done)
}
