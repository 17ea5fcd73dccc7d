//! `serve`: the platform.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::clock_doubt;
use super::config_file::ConfigFile;
use super::{Exit, Failure, Outcome, Output, context};
use crate::app::{Platform, PlatformError, Signals, telemetry};
use crate::http::CommandLine;
use crate::interface_a::PassedSockets;
use crate::model::Clock;
use crate::store::{MigrationLimits, MigrationPolicy};

/// How the platform starts.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Migrate the store first, however large it is; see `store migrate --dry-run`
    #[arg(long)]
    migrate: bool,
}

/// The line on stdout once devices can connect.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listening {
    interface_a: Vec<SocketAddr>,
    admin: SocketAddr,
    /// Whether the admin listener speaks TLS.
    #[serde(skip)]
    has_tls: bool,
    /// The socket for people and commands.
    socket: Option<PathBuf>,
    /// The listener for probes of other machines.
    health: Option<SocketAddr>,
    /// The listener for hospital systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    api: Vec<SocketAddr>,
}

pub(super) async fn run(
    arguments: Arguments,
    output: Output,
    clock: Clock,
    commands: Arc<dyn CommandLine>,
    passed: PassedSockets,
) -> Outcome {
    let config = arguments.config.read_to_serve().map_err(|error| Failure::new(Exit::Config, error))?;
    telemetry::start(&config.log).map_err(|error| Failure::new(Exit::Config, error))?;
    let limits =
        MigrationLimits { rows: config.store.max_migration_rows, time: config.store.max_migration_time };
    let policy = if arguments.migrate { MigrationPolicy::Always } else { MigrationPolicy::Within(limits) };
    let store = config.store.clone();
    let mut signals = Signals::listen().map_err(failure)?;
    let platform = tokio::select! {
        built = Platform::build(config, policy, clock.clone()) => match built {
            Ok(platform) => platform,
            Err(error) => {
                if let PlatformError::Tls(_) | PlatformError::Revocation(_) | PlatformError::Repository(_) = error
                    && let Some(doubt) = clock_doubt::of_configuration(&store, &clock).await
                {
                    output.warn(&format!("what follows may be due to the clock of this machine: {doubt}"))?;
                }
                return Err(failure(error));
            }
        },
        // The start may wait for the store's server, or migrate. It can be interrupted at any point.
        () = signals.stop_requested() => return Ok(Exit::Done),
    };
    // SQLite opens what it may only read: a platform that can keep nothing does not begin.
    platform.store().check().await.map_err(context::failed)?;
    let bound = platform.bind(passed).map_err(failure)?.with_commands(commands);
    bound.fetch_staples().await;
    let listening = Listening {
        interface_a: bound.addresses(),
        admin: bound.admin_address(),
        has_tls: bound.has_admin_tls(),
        socket: bound.admin_socket().map(Path::to_owned),
        health: bound.health_address(),
        api: bound.api_addresses(),
    };
    output.print(&listening, |listening| {
        let addresses: Vec<_> = listening.interface_a.iter().map(ToString::to_string).collect();
        let readers: Vec<_> = listening
            .api
            .iter()
            .map(|address| format!(", for hospital systems on https://{address}"))
            .collect();
        format!(
            "listening for devices on {}, for operators on {}://{}{}",
            addresses.join(", "),
            if listening.has_tls { "https" } else { "http" },
            listening.admin,
            readers.concat()
        )
    })?;
    bound.run(signals).await.map_err(failure)?;
    Ok(Exit::Done)
}

pub(super) fn failure(error: PlatformError) -> Failure {
    let exit = match error {
        PlatformError::Store(error) => return context::failed(error),
        PlatformError::Tls(_)
        | PlatformError::People(_)
        | PlatformError::Api(_)
        | PlatformError::Revocation(_)
        | PlatformError::Repository(_)
        | PlatformError::Gateway(_)
        | PlatformError::Notify(_)
        | PlatformError::Passed(_) => Exit::Config,
        PlatformError::Bind(_) | PlatformError::Socket(_) | PlatformError::Threads(_) => Exit::Unavailable,
        PlatformError::Metrics(_) | PlatformError::Task(_) | PlatformError::Signals(_) => Exit::Fault,
    };
    Failure::new(exit, error)
}
