//! Results on stdout: text, or one JSON object per line.

use std::io::{self, Write as _};

use serde::Serialize;

/// The form of a command's results.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON lines if `json`, otherwise text.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
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
        let line = if self.json { serde_json::to_string(object)? } else { text(object) };
        self.line(&line)
    }

    /// Prints a warning to stderr.
    ///
    /// # Errors
    /// When stderr cannot be written.
    pub fn warn(self, line: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "warning: {line}")
    }

    /// Prints `line` unchanged, in either form.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(self, line: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }
}
