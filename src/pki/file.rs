//! The files of the PKI: names, permissions, atomic replacement.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::PkiError;

/// The permissions of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Readable by all: certificates, CRLs.
    Public,
    /// Readable by the owner only, from the first byte on: keys (A11).
    Private,
}

/// The file name stem for the Common Names of a subject.
///
/// ASCII letters, digits, `-`, `_` and dots (except a leading one) stand for themselves; any other byte of
/// the UTF-8 is `%XX`. So no Common Name leaves the folder, hides, or collides with another. Two names are
/// joined by `+`; `+` alone means no name. Beyond 150 bytes the rest is `=` and the first 16 digits of the
/// SHA-256 of the whole, because file names end at 255 bytes.
#[must_use]
pub fn file_stem(common_names: &[impl AsRef<str>]) -> String {
    if common_names.is_empty() {
        return "+".to_owned();
    }
    let names: Vec<String> = common_names.iter().map(|name| encoded(name.as_ref())).collect();
    let stem = names.join("+");
    if stem.len() <= MAX_STEM_BYTES {
        return stem;
    }
    let digest = crate::model::Fingerprint::sha256(stem.as_bytes()).to_string();
    stem.chars()
        .take(MAX_STEM_BYTES - DIGEST_DIGITS - 1)
        .chain(['='])
        .chain(digest.chars().take(DIGEST_DIGITS))
        .collect()
}

fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (position, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            b'.' if position > 0 => out.push('.'),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Replaces a file atomically: readers see the old or the new content.
pub(super) fn replace(path: &Path, contents: &[u8], access: Access) -> Result<(), PkiError> {
    let temporary = write_temporary(path, contents, access)?;
    fs::rename(&temporary, path).map_err(|error| discard(&temporary, path, error))
}

/// Creates a file with its whole content, or fails if it exists.
pub(super) fn create(path: &Path, contents: &[u8], access: Access) -> Result<(), PkiError> {
    let temporary = write_temporary(path, contents, access)?;
    // Unlike a rename, a link never replaces a file.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(PkiError::Exists(path.to_owned())),
        linked => linked.map_err(PkiError::write(path)),
    }
}

/// Creates a folder and its parents.
pub(super) fn folder(path: &Path) -> Result<(), PkiError> {
    fs::create_dir_all(path).map_err(PkiError::write(path))
}

/// Reads a text file.
pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(PkiError::read(path))
}

fn write_temporary(path: &Path, contents: &[u8], access: Access) -> Result<PathBuf, PkiError> {
    let mut random = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| PkiError::Random)?;
    let temporary = path.with_extension(format!("{:016x}.tmp", u64::from_be_bytes(random)));
    let mode = match access {
        Access::Public => 0o644,
        Access::Private => 0o600,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => Err(discard(&temporary, path, error)),
    }
}

fn discard(temporary: &Path, path: &Path, source: io::Error) -> PkiError {
    // The first error is the one to report; a leftover temporary file is harmless.
    let _ = fs::remove_file(temporary);
    PkiError::Write { path: path.to_owned(), source }
}

const MAX_STEM_BYTES: usize = 150;
const DIGEST_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_is_a_safe_file_name() {
        assert_eq!(file_stem(&["00A037EB2175780F"]), "00A037EB2175780F");
        assert_eq!(file_stem(&["../../etc/passwd"]), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(file_stem(&["Pumpe 3 Süd"]), "Pumpe%203%20S%C3%BCd");
        assert_eq!(file_stem(&["a", "b"]), "a+b");
        assert_eq!(file_stem(&[""; 0]), "+");
    }

    #[test]
    fn the_longest_common_names_fit_and_stay_distinct() {
        let (one, two) = ("\u{1f3e5}".repeat(64), "\u{1f3e5}".repeat(63) + "x");
        assert_eq!(file_stem(&[&one]).len(), 150);
        assert_ne!(file_stem(&[one]), file_stem(&[two]));
    }
}
