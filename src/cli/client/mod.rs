//! `client`: acts as a device towards a platform (Interface B).

mod send;

use super::{Outcome, Output};
use crate::model::Clock;

/// Subcommands of `client`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Connect as a device, send messages, and print each acknowledgement
    ///
    /// Exits with 0 when every message was accepted, 1 when one was rejected, and 69 when the platform cannot
    /// be reached.
    ///
    /// Example: pcd-platform client send --to localhost:2575 --chain pump.chain.pem --key pump.key
    /// --trust root.pem message.hl7
    Send(send::Arguments),
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, output: Output, clock: Clock) -> Outcome {
    match command {
        Command::Send(arguments) => send::run(arguments, output, clock).await,
    }
}
