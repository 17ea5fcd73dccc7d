//! `order`: messages from the platform to a device.

mod entry;
mod export;
mod list;
mod send;
mod show;
mod text;
mod withdraw;

use super::content::Content;
use super::{Exit, Outcome, Output};
use crate::config::Config;
use crate::model::{DeviceId, MessageId, Right};
use crate::store::Store;

/// Subcommands of `order`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Queue an HL7 message for a device and wait for the device's acknowledgement
    ///
    /// Exits with 0 when the device acknowledged the order, 1 when the device refused it, and 69 when the
    /// order expired, was withdrawn, or was accepted by a device that did not report its result in time. Also
    /// exits with 1, and queues nothing, when the file cannot be read or holds no HL7 message that can be
    /// sent, the device is not in the directory, is suspended or receives no orders, or the order names
    /// another device (OBX-18, or an EUI-64 in MSH-5). Ctrl-C withdraws the order.
    ///
    /// Prints on stderr what an infusion order (PCD-03) lacks by its profile; with `[messages] conformance =
    /// "strict"` such an order is not queued.
    ///
    /// Example: pcd-platform order send 00A037EB2175780F order.hl7 --within 5m
    Send(send::Arguments),
    /// List orders, newest first
    List(list::Arguments),
    /// Show one order and its outcome; its content only with --raw or --tree
    Show {
        /// The id that `order send` and `order list` show
        id: MessageId,
        #[command(flatten)]
        content: Content,
    },
    /// Withdraw an order: it is not sent again; the output says whether the device may have it
    Withdraw {
        /// The id that `order send` and `order list` show
        id: MessageId,
    },
    /// Export orders with their bytes (base64), one JSON object per line, newest first
    Export {
        /// Only orders for the device whose certificate has this Common Name
        #[arg(long, value_name = "CN")]
        device: Option<DeviceId>,
        /// At most N orders; all of them if absent
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
}

impl Command {
    /// The right that a person needs so that the running platform executes it; `None` when it never does.
    pub(super) fn right(&self) -> Option<Right> {
        match self {
            Self::Send(_) | Self::Withdraw { .. } => Some(Right::Operate),
            Self::List(_) => Some(Right::See),
            Self::Show { content, .. } => Some(content.right()),
            Self::Export { .. } => None,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, config: &Config, store: &Store, output: Output) -> Outcome {
    match command {
        Command::Send(arguments) => return send::run(arguments, config, store, output).await,
        Command::List(arguments) => list::run(arguments, store, output).await?,
        Command::Show { id, content } => {
            show::run(id, content, config.messages.zone.time_zone(), store, output).await?
        }
        Command::Withdraw { id } => withdraw::run(id, store, output).await?,
        Command::Export { device, limit } => export::run(device, limit, store, output).await?,
    }
    Ok(Exit::Done)
}
