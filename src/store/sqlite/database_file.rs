//! Whether the files of the database are still those that were opened.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::location::Location;
use crate::store::error::StoreError;

/// The files of the database of this process: the database file, its write-ahead log and the log's index.
///
/// A file that is moved away or replaced under a running platform stays writable through the open connection,
/// and every commit succeeds in a file that no later process reads. Commits are in the log alone until a
/// checkpoint, so that this is true of the log as well, and of a log that was emptied.
#[derive(Debug, Clone)]
pub(in crate::store) struct DatabaseFile {
    file: OpenedFile,
    log: Companion,
    index: Companion,
}

/// The log, or its index. SQLite makes it when a connection reads, and keeps it while one is open.
#[derive(Debug, Clone)]
struct Companion {
    path: PathBuf,
    /// As it was found first.
    opened: OnceLock<OpenedFile>,
    /// Kept open: at the limit of descriptors it could not be opened. SQLite locks the index, not the log, so
    /// that closing it releases no lock.
    contents: OnceLock<Arc<File>>,
}

/// A path, and the device and inode that were there when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OpenedFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    /// The file that is at `location` now.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] when there is none.
    pub(in crate::store) fn open(location: &Location) -> Result<Self, StoreError> {
        let beside = |suffix: &str| {
            let mut path = location.path().as_os_str().to_owned();
            path.push(suffix);
            Companion { path: path.into(), opened: OnceLock::new(), contents: OnceLock::new() }
        };
        let file = OpenedFile::find(location.path().to_owned())?;
        Ok(Self { file, log: beside("-wal"), index: beside("-shm") })
    }

    /// Checks that the paths still lead to these files, and that the log has not been emptied. The log and
    /// its index are those of the first call of [`DatabaseFile::check_committed`].
    ///
    /// # Errors
    /// [`StoreError::Replaced`] when it is not so.
    pub(in crate::store) fn check(&self) -> Result<(), StoreError> {
        self.file.check()?;
        self.index.check()?;
        // After a checkpoint it may be empty.
        match self.log.check()? {
            Some(found) if found.len() > 0 && self.log.is_emptied() => {
                Err(StoreError::Replaced(self.log.path.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The same after a commit of a connection that is still open, so that the log and its index stay.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] when it is not so.
    pub(in crate::store) fn check_committed(&self) -> Result<(), StoreError> {
        self.log.find();
        self.index.find();
        self.check()
    }
}

impl Companion {
    fn find(&self) {
        if self.opened.get().is_none()
            && let Ok(found) = OpenedFile::find(self.path.clone())
        {
            let _ = self.opened.set(found);
        }
    }

    /// `None` as long as it has not been found.
    fn check(&self) -> Result<Option<Metadata>, StoreError> {
        self.opened.get().map(OpenedFile::check).transpose()
    }

    /// Whether a log with contents does not begin as a write-ahead log does ("The SQLite Database File
    /// Format", 4.1). One that was emptied and is written further has a hole there.
    fn is_emptied(&self) -> bool {
        if self.contents.get().is_none()
            && let Ok(file) = File::open(&self.path)
        {
            let _ = self.contents.set(Arc::new(file));
        }
        let mut magic = [0; 4];
        let read = self.contents.get().map(|file| file.read_exact_at(&mut magic, 0));
        matches!(read, Some(Ok(()))) && u32::from_be_bytes(magic) & !1 != LOG_MAGIC
    }
}

impl OpenedFile {
    fn find(path: PathBuf) -> Result<Self, StoreError> {
        match fs::metadata(&path) {
            Ok(found) => Ok(Self { path, device: found.dev(), inode: found.ino() }),
            Err(_) => Err(StoreError::Replaced(path)),
        }
    }

    fn check(&self) -> Result<Metadata, StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(found),
            _ => Err(StoreError::Replaced(self.path.clone())),
        }
    }
}

/// Without the bit that says in which order the checksums read their words.
const LOG_MAGIC: u32 = 0x377F_0682;
