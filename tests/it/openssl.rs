//! OpenSSL's command line, as a second opinion.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What one `openssl` command printed.
pub(crate) struct Finished {
    /// Whether it exited with 0.
    pub(crate) ok: bool,
    /// Its stdout, then its stderr.
    pub(crate) text: String,
}

/// Runs `openssl` with the words of `line`, in which each `{}` is the next one of `paths`.
pub(crate) fn openssl(line: &str, paths: &[&Path]) -> Finished {
    let mut paths = paths.iter();
    let word = |word: &str| match word {
        "{}" => paths.next().expect("a path for each {}").into(),
        word => OsString::from(word),
    };
    let output = Command::new("openssl").args(line.split_whitespace().map(word)).output();
    let output = output.unwrap_or_else(|error| {
        panic!("these tests need the openssl command (Debian: apt-get install openssl): {error}")
    });
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Finished { ok: output.status.success(), text: text.concat() }
}
