//! Results on stdout: text, or one JSON object per line.

use std::io::{self, IsTerminal as _, Write as _};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::remote::Call;
use super::text::printable;
use super::time::{ShownZone, shown_moment, shown_sentence, shown_time};
use crate::model::json_without_deception;

/// The form of a command's results.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    zone: ShownZone,
}

impl Output {
    /// JSON lines if `json`, otherwise text with times in the local zone.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json, zone: ShownZone::Local }
    }

    /// With times in UTC if `utc`.
    #[must_use]
    pub const fn with_utc(self, utc: bool) -> Self {
        Self { zone: if utc { ShownZone::Utc } else { ShownZone::Local }, ..self }
    }

    /// The zone in which text shows times.
    #[must_use]
    pub fn zone(self) -> TimeZone {
        match (self.zone, Call::current()) {
            (ShownZone::Local, Some(call)) => call.zone(),
            _ => self.zone.time_zone(),
        }
    }

    /// Whether the output goes to a terminal.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        Call::current().map_or_else(|| io::stdout().is_terminal(), |call| call.is_terminal())
    }

    /// A time of JSON as text shows it, with its offset from UTC; another text as it is.
    #[must_use]
    pub fn time(self, time: &str) -> String {
        shown_time(time, self.zone())
    }

    /// The same without fractions of a second.
    #[must_use]
    pub fn moment(self, time: &str) -> String {
        shown_moment(time, self.zone())
    }

    /// A sentence in which times are as JSON has them: text shows them as all others.
    #[must_use]
    pub fn sentence(self, sentence: &str) -> String {
        shown_sentence(sentence, &self.zone())
    }

    /// Whether the user asked for JSON.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints one result: `object` as one line of JSON, or as the text that `text` returns.
    ///
    /// # Errors
    /// When stdout cannot be written, for example because a pager closed it.
    pub fn print<T: Serialize>(self, object: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        if self.json {
            return self.json_line(object);
        }
        let text = text(object);
        let lines: Vec<_> = text.split('\n').map(printable).collect();
        self.line(&lines.join("\n"))
    }

    /// Prints `object` as one line of JSON, whatever the user asked for. A terminal shows it as it is.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn json_line<T: Serialize>(self, object: &T) -> io::Result<()> {
        self.line(&json_without_deception(&serde_json::to_string(object)?))
    }

    /// Prints the names of the columns above a list of so many rows; JSON and an empty list have none.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn header(self, names: &str, rows: usize) -> io::Result<()> {
        if self.json || rows == 0 { Ok(()) } else { self.line(names) }
    }

    /// Prints a warning to stderr.
    ///
    /// # Errors
    /// When stderr cannot be written.
    pub fn warn(self, line: &str) -> io::Result<()> {
        let line = format!("warning: {}\n", printable(line));
        match Call::current() {
            Some(call) => {
                call.write_stderr(line.as_bytes());
                Ok(())
            }
            None => io::stderr().lock().write_all(line.as_bytes()),
        }
    }

    /// Prints `line` unchanged, in either form.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(self, line: &str) -> io::Result<()> {
        if let Some(call) = Call::current() {
            return call.write_stdout(format!("{line}\n").as_bytes());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    /// Writes `bytes` as they are.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        if let Some(call) = Call::current() {
            return call.write_stdout(bytes);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }
}
