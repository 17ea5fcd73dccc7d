//! Everything that was fetched, on disk, so that a restart during an outage still knows what it knew.
//!
//! `ocsp/NAME.der` and `crl/NAME.crl`; names are digests, and contents are verified again when they are used, so that
//! the folder need not be trusted. `crl-numbers.json` holds the highest CRL number seen of each issuer and scope.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files of one kind that are kept; the oldest beyond that are deleted at the next start.
const MOST_FILES: usize = 100_000;

/// The folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    next: AtomicU64,
}

/// A kind of file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Ocsp,
    Crl,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Ocsp => "ocsp",
            Self::Crl => "crl",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Ocsp => "der",
            Self::Crl => "crl",
        }
    }
}

impl Disk {
    /// Takes the folder over: what was begun and not finished is deleted, and the oldest of too many.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        for kind in [Kind::Ocsp, Kind::Crl] {
            let folder = folder.join(kind.folder());
            fs::create_dir_all(&folder)?;
            tidy(&folder)?;
        }
        Ok(Self { folder: folder.to_owned(), next: AtomicU64::new(0) })
    }

    pub(super) fn read(&self, kind: Kind, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(kind, name)).ok()
    }

    /// Writes a file whole, in place of the one that may be there. What cannot be kept is said, and known until the
    /// process ends.
    pub(super) fn write(&self, kind: Kind, name: &str, contents: &[u8]) {
        self.replace(&self.path(kind, name), contents);
    }

    pub(super) fn crls(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = fs::read_dir(self.folder.join(Kind::Crl.folder())) else { return Vec::new() };
        let named = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            Some((name, fs::read(&path).ok()?))
        });
        named.collect()
    }

    pub(super) fn numbers(&self) -> BTreeMap<String, String> {
        let text = fs::read(self.folder.join(NUMBERS)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn write_numbers(&self, numbers: &BTreeMap<String, String>) {
        // A map of text to text is always JSON.
        let text = serde_json::to_vec_pretty(numbers).unwrap_or_default();
        self.replace(&self.folder.join(NUMBERS), &text);
    }

    fn path(&self, kind: Kind, name: &str) -> PathBuf {
        self.folder.join(kind.folder()).join(format!("{name}.{}", kind.extension()))
    }

    fn replace(&self, path: &Path, contents: &[u8]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.{TEMPORARY}", std::process::id()));
        if let Err(error) = write_whole(&temporary, path, contents) {
            let _ = fs::remove_file(&temporary);
            tracing::error!(file = %path.display(), %error, "what was fetched cannot be kept for a restart");
        }
    }
}

fn write_whole(temporary: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn tidy(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == TEMPORARY) {
            fs::remove_file(&path)?;
        } else {
            files.push((entry.metadata()?.modified()?, path));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(MOST_FILES);
    files.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// Lower-case hexadecimal.
pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

const NUMBERS: &str = "crl-numbers.json";
const TEMPORARY: &str = "tmp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there_after_a_restart_and_what_was_begun_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        disk.write(Kind::Ocsp, "a", b"one");
        disk.write(Kind::Ocsp, "a", b"two");
        disk.write(Kind::Crl, "b", b"list");
        disk.write_numbers(&BTreeMap::from([("k".to_owned(), "05".to_owned())]));
        fs::write(folder.path().join("ocsp").join("c.1-1.tmp"), b"half").unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.read(Kind::Ocsp, "a").unwrap(), b"two");
        assert_eq!(disk.crls(), [("b".to_owned(), b"list".to_vec())]);
        assert_eq!(disk.numbers()["k"], "05");
        assert_eq!(fs::read_dir(folder.path().join("ocsp")).unwrap().count(), 1);
    }
}
