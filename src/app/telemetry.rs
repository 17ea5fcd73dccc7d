//! Logs on stderr.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{self, Log, LogFormat};
use crate::model::{json_without_deception, without_deception};

/// A directive of `log.level` that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("log.level cannot be used")]
pub struct LevelError(#[source] ParseError);

/// Sends logs to stderr in the configured form, panics included. A second call changes nothing.
///
/// # Errors
/// When the level is neither a level nor a list of directives.
pub fn start(log: &Log) -> Result<(), LevelError> {
    let is_json = matches!(log.format, LogFormat::Json);
    let filter = config::log_filter(&log.level).map_err(LevelError)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(Stderr { is_json, is_journal: is_journal() });
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

/// What the lines are written to.
struct Stderr {
    is_json: bool,
    /// systemd's journal reads them, and takes the priority of a line from its beginning (sd-daemon(3)).
    is_journal: bool,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = LossyStderr;

    fn make_writer(&'a self) -> LossyStderr {
        LossyStderr { is_json: self.is_json, priority: "" }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> LossyStderr {
        let priority = if self.is_journal { priority(*about.level()) } else { "" };
        LossyStderr { is_json: self.is_json, priority }
    }
}

/// So that `journalctl --priority err` finds the errors.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// Whether stderr is a stream of the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

/// Writes to stderr and never fails. A log on a full disk, or in a pipe whose reader has ended, must not stop
/// the platform: tracing reports a failed write on stderr, where the same failure is a panic. Lost lines are
/// counted and reported when a line can be written again. Characters that change how others are shown are
/// escaped in every line: peers choose some of its fields.
struct LossyStderr {
    is_json: bool,
    /// What each line begins with.
    priority: &'static str,
}

impl Write for LossyStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        let shown = self.shown(line);
        let lost = LOST_LINES.swap(0, Ordering::Relaxed);
        let report =
            if lost > 0 { writeln!(stderr, "{lost} log lines could not be written") } else { Ok(()) };
        if report.is_err() {
            LOST_LINES.fetch_add(lost, Ordering::Relaxed);
        }
        let written = report.and_then(|()| stderr.write_all(self.priority.as_bytes()));
        if written.and_then(|()| stderr.write_all(&shown)).is_err() {
            LOST_LINES.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LossyStderr {
    fn shown<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let Ok(text) = std::str::from_utf8(line) else { return Cow::Borrowed(line) };
        let shown = if self.is_json { json_without_deception(text) } else { without_deception(text) };
        match shown {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}

/// Colours are for people: a terminal without NO_COLOR (<https://no-color.org>).
fn wants_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The text of a panic if it is part of the program: a composed text may quote a message, as that of a slice
/// error does.
pub fn panic_text(panic: &PanicHookInfo<'_>) -> &'static str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(text withheld)")
}

/// Logs where a panic happened.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic_text(panic);
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

/// Log lines that were lost since the last one that was written.
static LOST_LINES: AtomicU64 = AtomicU64::new(0);
