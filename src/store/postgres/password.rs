//! The password of the platform's role. It can change while the platform serves: see
//! [`super::location::Location`].

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::filesystem::NotPrivate;
use crate::store::error::StoreError;

/// The password file, and its content when it could be read last. There is no `Debug`.
#[derive(Clone, Default)]
pub(super) struct Password {
    file: Option<PathBuf>,
    last_read: Option<String>,
}

impl Password {
    /// Reads the file, if there is one.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, StoreError> {
        let last_read = file.map(first_line).transpose()?;
        Ok(Self { file: file.map(Path::to_owned), last_read })
    }

    /// Reads the file again. If that is not possible now, the former content stays.
    pub(super) fn refresh(&mut self) {
        if let Ok(now) = Self::read(self.file.as_deref()) {
            *self = now;
        }
    }

    /// The password; none without a file.
    pub(super) fn secret(&self) -> Option<&str> {
        self.last_read.as_deref()
    }
}

/// Refuses a private key that other accounts can read or change; sqlx reads it without a look at that. A file
/// that is not there is sqlx's error.
pub(super) fn require_private(key: &Path) -> Result<(), StoreError> {
    match open_private(key) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(key, error)),
        _ => Ok(()),
    }
}

/// The first line of the password file.
fn first_line(file: &Path) -> Result<String, StoreError> {
    let mut text = String::new();
    let read = open_private(file).and_then(|mut opened| opened.read_to_string(&mut text));
    read.map_err(|error| unusable(file, error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Opens a file that no other account can read or change.
fn open_private(file: &Path) -> io::Result<fs::File> {
    let opened = fs::File::open(file)?;
    match NotPrivate::find(&opened.metadata()?) {
        None => Ok(opened),
        Some(problem) => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("the file {problem}"))),
    }
}

fn unusable(file: &Path, error: io::Error) -> StoreError {
    StoreError::Password { file: file.to_owned(), source: Arc::new(error) }
}
