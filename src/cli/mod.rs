//! The command line: one module per subcommand.
//!
//! Results go to stdout through [`Output`], logs to stderr through `tracing`. Every command ends with an
//! [`Exit`].

mod admin_client;
mod audit;
mod check;
mod check_devices;
mod client;
mod clock_doubt;
mod config_file;
mod content;
mod context;
mod demo;
mod device;
mod environment;
mod exit;
mod export;
#[cfg(test)]
mod fixtures;
mod help;
mod message;
mod operator;
mod order;
mod output;
mod pki;
mod renamed;
mod serve;
mod status;
mod store;
mod text;
mod time;

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::app::telemetry::panic_text;
use crate::model::Clock;
use config_file::ConfigFile;
pub use exit::{Exit, Failure, Outcome};
pub use output::Output;

/// The platform side of IHE PCD over mutual TLS.
#[derive(Debug, Parser)]
#[command(name = "pcd-platform", version, about, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    /// Print results as JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    /// Show times in UTC instead of the local zone; JSON always has UTC
    #[arg(long, global = true)]
    utc: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a demonstration in one folder: a PKI, a store, the platform and simulated devices
    Demo(demo::Arguments),
    /// Run the platform
    Serve(serve::Arguments),
    /// Show what the running platform needs from a person, in a few lines
    ///
    /// Exits with 0 when nothing needs a person, 1 when something needs attention, 2 when something is
    /// urgent, and 69 when the platform does not answer.
    Status(status::Arguments),
    /// Check everything that `serve` needs, without binding a port or changing anything
    Check(ConfigFile),
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
    /// Explain a code of a refusal, rejection, warning or finding; or a command
    Help(help::Arguments),
    /// Act as a device towards a platform (Interface B)
    #[command(subcommand)]
    Client(client::Command),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    environment::drop_postgres_variables();
    // A11: a crash must not write private keys into a core file. Where the operating system does not support
    // the call, there is nothing else to do.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // `serve` replaces it by one that logs.
    std::panic::set_hook(Box::new(report_panic));
    let exit = run(std::env::args_os());
    ExitCode::from(exit as u8)
}

fn run(arguments: impl Iterator<Item = OsString>) -> Exit {
    let words: Vec<_> = arguments.collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(usage) => {
            let _ = usage.print();
            if let Some(hint) = renamed::hint(&usage, &words) {
                let _ = writeln!(std::io::stderr(), "hint: {hint}");
            }
            return if usage.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return explain(&Failure::new(Exit::Unavailable, error)),
    };
    let output = Output::new(arguments.json).with_utc(arguments.utc);
    let outcome = runtime.block_on(dispatch(arguments.command, output));
    // Blocking work of a part that has failed must not hold up the exit.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    match outcome {
        Ok(exit) => exit,
        // The reader of stdout closed the pipe, as `head` does.
        Err(failure) if is_closed_pipe(&failure) => Exit::Done,
        Err(failure) => explain(&failure),
    }
}

async fn dispatch(command: Command, output: Output) -> Outcome {
    let clock = Clock::system();
    match command {
        Command::Demo(arguments) => Box::pin(demo::run(arguments, output, clock)).await,
        Command::Serve(arguments) => Box::pin(serve::run(arguments, output, clock)).await,
        Command::Status(arguments) => status::run(arguments, output).await,
        Command::Check(config) => Box::pin(check::run(config, output, clock)).await,
        Command::Pki(command) => Box::pin(pki::run(command, output, &clock)).await,
        Command::Device { config, command } => {
            let store = config.open_store(&clock, output).await?;
            let outcome = device::run(command, || config.load(), &store, output).await;
            store.close().await;
            outcome
        }
        Command::Message { config, command } => {
            let store = config.open_store(&clock, output).await?;
            let outcome = message::run(command, || config.load(), &store, output).await;
            store.close().await;
            outcome
        }
        Command::Order { config, command } => {
            let store = config.open_store(&clock, output).await?;
            let messages = config.load()?.messages;
            let outcome = order::run(command, &messages, &store, output).await;
            store.close().await;
            outcome
        }
        Command::Audit { config, command } => {
            let store = if command.accepts_end() {
                config.open_any_store(&clock).await?
            } else {
                config.open_store(&clock, output).await?
            };
            let section = config.load()?.audit;
            let verifier = || config.audit_signature_verifier();
            let outcome = audit::run(command, &section, verifier, &store, output).await;
            store.close().await;
            outcome
        }
        Command::Store { config, command } => store::run(config, command, output, &clock).await,
        Command::Help(arguments) => help::run(arguments, Arguments::command(), output),
        Command::Client(command) => Box::pin(client::run(command, output, clock)).await,
    }
}

/// Reports a fault of a command on stderr, without what it may quote of a message.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "error: a fault of the program at {location}: {}", panic_text(panic));
}

fn is_closed_pipe(failure: &Failure) -> bool {
    let io = failure.error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes one line to stderr: the error and the chain of its causes.
fn explain(failure: &Failure) -> Exit {
    let mut line = String::from("error");
    for cause in failure.error.chain() {
        let text = cause.to_string();
        // A transparent error has the text of its cause.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    // The errors of a configuration have several lines.
    for line in line.split('\n') {
        let _ = writeln!(std::io::stderr(), "{}", text::printable(line));
    }
    failure.exit
}

/// How long the exit waits for blocking work that no command waits for any more.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn wrong_usage_exits_with_64_and_help_with_0() {
        let run = |words: &[&str]| run(words.iter().map(OsString::from));
        assert_eq!(run(&["pcd-platform", "levitate"]), Exit::Usage);
        assert_eq!(run(&["pcd-platform"]), Exit::Usage);
        assert_eq!(run(&["pcd-platform", "--version"]), Exit::Done);
    }
}
