//! Logs on stderr.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// A directive of `log.level` that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("log.level cannot be used")]
pub struct LevelError(#[source] ParseError);

/// Sends logs to stderr in the configured form, panics included. A second call changes nothing.
///
/// # Errors
/// When the level is neither a level nor a list of directives.
pub fn start(log: &Log) -> Result<(), LevelError> {
    let filter = EnvFilter::builder().parse(&log.level).map_err(LevelError)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => logs.with_target(false).with_ansi(wants_colours()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    // Only tests start twice in one process.
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// Colours are for people: a terminal without NO_COLOR (<https://no-color.org>).
fn wants_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Logs where a panic happened. Its text only if it is part of the program: a composed text may quote a
/// message, as that of a slice error does.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(text withheld)");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(location, thread, text, %backtrace, "panic: a fault of the platform");
    } else {
        tracing::error!(location, thread, text, "panic: a fault of the platform");
    }
}
