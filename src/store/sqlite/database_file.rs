//! Whether the database file is still the one that was opened.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::location::Location;
use crate::store::error::StoreError;

/// The database file of this process: its path, device and inode.
///
/// A file that is moved away or replaced under a running platform stays writable through the open connection,
/// and every commit succeeds in a file that no later process reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct DatabaseFile {
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
        let path = location.path().to_owned();
        match fs::metadata(&path) {
            Ok(found) => Ok(Self { path, device: found.dev(), inode: found.ino() }),
            Err(_) => Err(StoreError::Replaced(path)),
        }
    }

    /// Checks that the path still leads to this file.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] when it does not.
    pub(in crate::store) fn check(&self) -> Result<(), StoreError> {
        let is_same = |found: &fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        match fs::metadata(&self.path) {
            Ok(found) if is_same(&found) => Ok(()),
            _ => Err(StoreError::Replaced(self.path.clone())),
        }
    }
}
