//! `client`: acts as a device towards a platform (Interface B).

mod platform;
mod send;

pub(super) use platform::destination;

use super::{Outcome, Output};
use crate::model::Clock;

/// Subcommands of `client`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Connect as a device, send messages, and print each acknowledgement
    ///
    /// The platform has to staple the OCSP status of each of its certificates (B18); --staples accept lets
    /// one without a status through. An acknowledgement counts if its MSA-2 is the MSH-10 of the message.
    ///
    /// Exits with 0 when every message was accepted, 1 when one was rejected or the platform was refused, and
    /// 69 when the platform cannot be reached.
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
