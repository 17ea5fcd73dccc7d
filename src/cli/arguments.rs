//! The arguments of the command line.

use std::path::Path;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

use super::config_file::ConfigFile;
use super::exit::exit_codes;
use super::{
    audit, client, config, demo, device, enrol, fhir, help, init, manual, message, notification, notify,
    order, organisation, page, pki, reader, remote, serve, simulate, status, store, subscription,
    support_bundle,
};
use crate::model::Right;

/// The platform side of IHE PCD over mutual TLS.
#[derive(Debug, Parser)]
#[command(name = "pcd-platform", version = VERSION.as_str(), about, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_long_help = exit_codes())]
pub(super) struct Arguments {
    /// Print results as JSON, one object per line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Show times in UTC instead of the local zone; JSON always has UTC
    #[arg(long, global = true)]
    pub(super) utc: bool,
    #[command(flatten)]
    pub(super) connection: remote::Connection,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a demonstration in one folder: a PKI, a store, the platform and simulated devices
    Demo(demo::Arguments),
    /// Make a new site in one folder: configuration, certificates or requests, and a first device
    Init(init::Arguments),
    /// Run the platform
    Serve(serve::Arguments),
    /// Show what the running platform needs from a person, in a few lines
    ///
    /// Exits with 0 when nothing needs a person, 1 when something needs attention, 2 when something is
    /// urgent, and 69 when the platform does not answer.
    Status(status::Arguments),
    /// Print a link that opens the pages of the running platform in a browser of this machine
    ///
    /// The link counts once, within a minute, and only for a browser of the account that ran this command.
    Page(page::Arguments),
    /// Check everything that `serve` needs, without binding a port or changing anything
    Check(ConfigFile),
    /// Look from outside as well: responders, CRLs, disk, database, clock, ports, limits, the running
    /// platform
    ///
    /// Finds what `check` finds, asks every OCSP responder and CRL, connects to the ports, measures the disk
    /// and the database, and adds the findings of the running platform, each with what to do. It changes
    /// nothing but a file of 36 KiB beside the store, which it removes. Exits with 0 when all is well, 1 when
    /// something needs attention, and 2 when something is urgent.
    Doctor(ConfigFile),
    /// Write one file for the support: versions, configuration without secrets, findings, metrics, log
    ///
    /// It holds no content of messages, no names of patients, no keys and no passwords, and lists what it
    /// holds. Unpack it with tar and read it before you pass it on.
    SupportBundle(support_bundle::Arguments),
    /// The configuration: effective values, explanations, a schema
    Config {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: config::Command,
    },
    /// Certificates: a PKI for tests and closed sites, requests to another CA, the content of a file
    #[command(subcommand)]
    Pki(pki::Command),
    /// The directory of devices that may connect
    Device {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: device::Command,
    },
    /// Messages that the platform received from devices
    Message {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: message::Command,
    },
    /// What messages become in FHIR
    Fhir {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: fhir::Command,
    },
    /// Organisations whose hospital systems read
    Organisation {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: organisation::Command,
    },
    /// Clients of hospital systems, and what each may read
    Reader {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: reader::Command,
    },
    /// Subscriptions of partners: which events they are notified of
    Subscription {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: subscription::Command,
    },
    /// Notifications of partners: what waits, and what was given up
    Notification {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: notification::Command,
    },
    /// Certificates that partners and devices ask for
    Enrol {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: enrol::Command,
    },
    /// Orders: messages from the platform to a device
    Order {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: order::Command,
    },
    /// The audit trail
    Audit {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: audit::Command,
    },
    /// The store as a whole: migration, backup and integrity
    Store {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: store::Command,
    },
    /// Notifications: a test of the receivers, and what they did not take
    Notify {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: notify::Command,
    },
    /// Explain a code of a refusal, rejection, warning or finding; or a command
    Help(help::Arguments),
    /// Print what a shell needs to complete commands and options
    Completions(manual::Completions),
    /// Write the manual pages of all commands
    Man(manual::Pages),
    /// Act as a device towards a platform (Interface B)
    #[command(subcommand)]
    Client(client::Command),
    /// Act as many devices: load and faults for a platform under test
    ///
    /// The devices have certificates of the test PKI, send what real devices send, and take orders. Each
    /// value is marked TEST in OBX-8. A PKI that this program did not make is refused without --i-know. On
    /// the machine of the platform each device has an address of its own.
    ///
    /// Exits with 0 when every message was acknowledged and the platform did about each fault what it has to
    /// do, 1 when not, and 69 when no device could connect.
    ///
    /// Example: pcd-platform simulate --config site/platform.toml --enrol --devices 200 --for 5m
    Simulate(simulate::Arguments),
}

impl Command {
    /// The right that a person needs so that the running platform executes the command; `None` when it never
    /// does.
    pub(super) fn right(&self) -> Option<Right> {
        Some(match self {
            Self::Device { command, .. } if command.only_reads() => Right::See,
            Self::Device { .. } => Right::Operate,
            Self::Message { command, .. } => command.right()?,
            Self::Fhir { command, .. } => command.right(),
            Self::Organisation { command, .. } => command.right(),
            Self::Reader { command, .. } => command.right(),
            Self::Subscription { command, .. } => command.right(),
            Self::Notification { command, .. } => command.right(),
            Self::Enrol { command, .. } => command.right(),
            Self::Order { command, .. } => command.right()?,
            Self::Audit { command: audit::Command::List { .. }, .. } => Right::See,
            Self::Store { command: store::Command::Backup { .. }, .. } => Right::Administer,
            _ => return None,
        })
    }

    /// The file that it writes.
    pub(super) fn written(&self) -> Option<&Path> {
        match self {
            Self::Store { command: store::Command::Backup { file }, .. } => Some(file),
            _ => None,
        }
    }

    /// The configuration of the platform that executes the command, when one runs.
    pub(super) fn remote_config(&self) -> Option<&ConfigFile> {
        self.right()?;
        match self {
            Self::Device { config, .. }
            | Self::Message { config, .. }
            | Self::Fhir { config, .. }
            | Self::Organisation { config, .. }
            | Self::Reader { config, .. }
            | Self::Subscription { config, .. }
            | Self::Notification { config, .. }
            | Self::Enrol { config, .. }
            | Self::Order { config, .. }
            | Self::Audit { config, .. }
            | Self::Store { config, .. } => Some(config),
            _ => None,
        }
    }
}

/// The version, and the commit that a release is built from.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let version = env!("CARGO_PKG_VERSION");
    option_env!("PCD_COMMIT").map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
});
