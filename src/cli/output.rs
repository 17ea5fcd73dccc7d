//! Results on stdout: text for people, or one JSON object per line for programs.

use std::io::{self, Write as _};

use serde::Serialize;

/// Where a command's results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Text, or JSON lines with `--json`.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the user asked for JSON.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints one result: `object` as one line of JSON, or what `text` makes of it.
    ///
    /// # Errors
    /// When stdout cannot be written, for example because a pager has closed it.
    pub fn print<T: Serialize>(self, object: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        let line = if self.json { serde_json::to_string(object)? } else { text(object) };
        self.line(&line)
    }

    /// Says something beside the results, on stderr.
    ///
    /// # Errors
    /// When stderr cannot be written.
    pub fn warn(self, line: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "warning: {line}")
    }

    /// Prints one line as it is, in either form.
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
