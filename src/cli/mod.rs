//! The command line: one module per subcommand.
//!
//! Results go to stdout through [`Output`], logs to stderr through `tracing`. Every command ends with an
//! [`Exit`].

mod admin_client;
mod arguments;
mod audit;
mod check;
mod check_devices;
mod check_finding;
mod check_people;
mod check_store;
mod client;
mod clock_doubt;
mod config;
mod config_file;
mod content;
mod context;
mod demo;
mod device;
mod doctor;
mod enrol;
mod environment;
mod exit;
mod export;
mod fhir;
#[cfg(test)]
mod fixtures;
mod help;
mod init;
mod input;
mod located;
mod manual;
mod message;
mod notification;
mod notify;
mod on_store;
mod operator;
mod order;
mod organisation;
mod output;
mod page;
mod pki;
mod progress;
mod reader;
mod remote;
mod renamed;
mod responder;
mod serve;
mod simulate;
mod status;
mod store;
mod subscription;
mod support_bundle;
mod text;
mod time;

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use crate::app::telemetry::panic_text;
use crate::http::CommandLine;
use crate::interface_a::PassedSockets;
use crate::model::Clock;
use arguments::{Arguments, Command};
use config_file::ConfigFile;
use exit::shown_failure;
pub use exit::{Exit, Failure, Outcome};
pub use output::Output;
use remote::Connection;

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
    // While there is one thread.
    let passed = match &arguments.command {
        Command::Serve(_) => PassedSockets::from_environment(),
        _ => PassedSockets::default(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return explain(&Failure::new(Exit::Unavailable, error)),
    };
    let output = Output::new(arguments.json).with_utc(arguments.utc);
    let outcome = runtime.block_on(async {
        if let Some(config) = arguments.command.remote_config()
            && let Some(exit) =
                remote::run(&arguments.connection, config, &words, arguments.command.written()).await?
        {
            return Ok(exit);
        }
        Box::pin(dispatch(arguments.command, &arguments.connection, output, passed)).await
    });
    // Blocking work of a part that has failed must not hold up the exit.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    match outcome {
        Ok(exit) => exit,
        // The reader of stdout closed the pipe, as `head` does.
        Err(failure) if is_closed_pipe(&failure) => Exit::Done,
        Err(failure) => explain(&failure),
    }
}

async fn dispatch(command: Command, at: &Connection, output: Output, passed: PassedSockets) -> Outcome {
    let wanted = at.wanted();
    let clock = Clock::system();
    let commands: Arc<dyn CommandLine> = Arc::new(remote::Commands);
    match command {
        Command::Demo(arguments) => Box::pin(demo::run(arguments, output, clock, commands)).await,
        Command::Completions(arguments) => manual::completions(&arguments, Arguments::command(), output),
        Command::Man(arguments) => manual::pages(&arguments, Arguments::command(), output),
        Command::Init(arguments) => Box::pin(init::run(arguments, output, clock)).await,
        Command::Serve(arguments) => Box::pin(serve::run(arguments, output, clock, commands, passed)).await,
        Command::Status(arguments) => status::run(arguments, wanted, output, &clock).await,
        Command::Page(arguments) => page::run(arguments, wanted, output).await,
        Command::Config { config, command } => self::config::run(&config, &command, output),
        Command::Check(config) => Box::pin(check::run(config, output, clock)).await,
        Command::Doctor(config) => Box::pin(doctor::run(config, wanted, output, clock)).await,
        Command::SupportBundle(of) => Box::pin(support_bundle::run(of, wanted, output, clock)).await,
        Command::Pki(command) => Box::pin(pki::run(command, output, &clock)).await,
        Command::Audit { config, command } => {
            let store = if command.accepts_end() {
                config.open_any_store(&clock).await?
            } else {
                config.open_store(&clock, output).await?
            };
            let section = config.load()?.audit;
            let verifier = || config.audit_signature_verifier();
            let signer = || config.audit_signer(&clock);
            let outcome = audit::run(command, &section, verifier, signer, &store, output).await;
            store.close().await;
            outcome
        }
        Command::Store { config, command } => store::run(config, command, output, &clock).await,
        Command::Device { ref config, .. }
        | Command::Message { ref config, .. }
        | Command::Organisation { ref config, .. }
        | Command::Reader { ref config, .. }
        | Command::Subscription { ref config, .. }
        | Command::Notification { ref config, .. }
        | Command::Enrol { ref config, .. }
        | Command::Fhir { ref config, .. }
        | Command::Order { ref config, .. } => {
            Box::pin(on_own_store(config.clone(), command, output, clock)).await
        }
        Command::Notify { config, command } => notify::run(&config, command, output, &clock).await,
        Command::Help(arguments) => help::run(arguments, Arguments::command(), output),
        Command::Client(command) => Box::pin(client::run(command, output, clock)).await,
        Command::Simulate(arguments) => Box::pin(simulate::run(arguments, at, output, clock)).await,
    }
}

/// Executes a command that needs nothing but the store, on one that it opens.
async fn on_own_store(config: ConfigFile, command: Command, output: Output, clock: Clock) -> Outcome {
    let store = config.open_store(&clock, output).await?;
    let outcome = match config.load() {
        Ok(config) => on_store::on_store(command, &config, &store, output).await,
        Err(failure) => Err(failure),
    };
    store.close().await;
    outcome
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
    let _ = std::io::stderr().write_all(shown_failure(failure).as_bytes());
    failure.exit
}

/// How long the exit waits for blocking work that no command waits for any more.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
