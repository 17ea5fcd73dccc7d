//! A copy that is not whole yet, in a folder of its own beside the name that it gets.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use super::place::folder_of;

/// A copy that is not whole yet.
pub(super) struct Partial {
    folder: PathBuf,
    pub(super) file: PathBuf,
    /// Whether the caller has stopped waiting: SQLite copies on a thread of its own.
    pub(super) is_over: Arc<AtomicBool>,
    /// Held as long as the process lives.
    _lock: File,
}

impl Partial {
    /// A folder for the copy `to`. Those that processes have left which were killed are removed: they hold
    /// messages, and take the space of the next copy.
    pub(super) fn create(to: &Path) -> io::Result<Self> {
        remove_abandoned(folder_of(to));
        let name = to.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
        let folder = folder_of(to).join(format!(".{name}.{}{END}", Uuid::now_v7()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let mut options = File::options();
        let lock = options.write(true).create_new(true).mode(0o600).open(folder.join(LOCK));
        let locked = lock.and_then(|lock| {
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok(lock)
        });
        match locked {
            Ok(lock) => {
                let file = folder.join("copy");
                Ok(Self { folder, file, is_over: Arc::default(), _lock: lock })
            }
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what copies have left in the folder whose process has ended.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_partial(path)) {
        // A link is not followed, and a folder of another account cannot be removed.
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let lock = File::open(path.join(LOCK));
        let is_abandoned =
            lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok());
        if is_folder && is_abandoned && fs::remove_dir_all(&path).is_ok() {
            tracing::warn!(folder = %path.display(), "removed a copy of the store that was not finished");
        }
    }
}

/// Whether the name is one that [`Partial::create`] makes.
fn is_partial(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let of_copy = name.strip_prefix('.').and_then(|name| name.strip_suffix(END));
    of_copy.and_then(|name| name.rsplit_once('.')).is_some_and(|(_, id)| Uuid::try_parse(id).is_ok())
}

/// How the name of the folder ends.
const END: &str = ".partial";
/// The file in it that its process has locked. Not the copy itself: where the folder is one of another
/// machine, this lock would be one of SQLite's.
const LOCK: &str = "lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_another_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copy.db");
        let running = Partial::create(&to).unwrap();
        let left = folder.path().join(format!(".copy.db.{}.partial", Uuid::now_v7()));
        let others =
            [".notes.partial", "kept.partial", ".copy.db.partial"].map(|name| folder.path().join(name));
        for path in others.iter().chain([&left]) {
            fs::create_dir(path).unwrap();
            fs::write(path.join(LOCK), "").unwrap();
            fs::write(path.join("copy"), "messages").unwrap();
        }
        let next = Partial::create(&to).unwrap();
        assert!(!left.exists());
        assert!(others.iter().chain([&running.folder, &next.folder]).all(|path| path.exists()));
    }
}
