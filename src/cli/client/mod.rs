//! `client`: acts as a device towards a platform (Interface B).

mod platform;
mod send;
mod tunnel;

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
    /// Carry plain MLLP of local processes to a platform by TLS, with a device's certificate
    ///
    /// For a process that translates another protocol and speaks no TLS. Each of its connections becomes a
    /// connection of Interface B, in both directions. It listens on loopback only: a process
    /// that reaches it speaks with this certificate.
    ///
    /// Example: pcd-platform client tunnel --listen 127.0.0.1:2600 --to localhost:2575 --chain hub.chain.pem
    /// --key hub.key --trust root.pem
    Tunnel(tunnel::Arguments),
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, output: Output, clock: Clock) -> Outcome {
    match command {
        Command::Send(arguments) => send::run(arguments, output, clock).await,
        Command::Tunnel(arguments) => tunnel::run(arguments, output, clock).await,
    }
}
