//! The lock on a SQLite store: flock(2) on a file beside the database, held as long as the process lives.
//!
//! The kernel releases it with the process, however that ends, so a restart never waits. The file says who
//! holds the lock, and stays when the process ends: it is the lock on it that counts.
//!
//! The folder may belong to another user than this process, root for example. That user must not make this
//! process overwrite a file of its choice: the lock file is never a link, and is written once it is locked.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::process::Holder;
use crate::filesystem::open_or_create;
use crate::model::NodeName;
use crate::store::error::StoreError;

/// The lock, as long as this value lives.
#[derive(Debug)]
pub(in crate::store) struct FileLock {
    path: PathBuf,
    node: NodeName,
    purpose: Purpose,
    /// The file that is locked.
    held: Mutex<File>,
}

/// What a process does with the store that it has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Purpose {
    /// It serves the node.
    Serve,
    /// It migrates the store, and ends.
    Migrate,
}

impl FileLock {
    /// Locks the store in the file `database`, which need not exist, for a process that serves `node`, or
    /// migrates the store.
    ///
    /// # Errors
    /// [`StoreError::AlreadyServed`] or [`StoreError::Migrating`] when another process holds the lock;
    /// [`StoreError::Lock`] when the lock file cannot be written.
    pub(in crate::store) fn acquire(
        database: &Path,
        node: &NodeName,
        purpose: Purpose,
    ) -> Result<Self, StoreError> {
        let path = lock_path(database);
        let held = Mutex::new(lock(&path, node, purpose)?);
        Ok(Self { path, node: node.clone(), purpose, held })
    }

    /// Locks a new file where the former one was removed or replaced, so that no second process serves the
    /// store; where that is not possible, the next call tries again.
    ///
    /// # Errors
    /// [`StoreError::InstanceLost`] when another process has locked the file in its place.
    pub(in crate::store) fn renew(&self) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if is_at(&held, &self.path) {
            return Ok(());
        }
        match lock(&self.path, &self.node, self.purpose) {
            Ok(file) => {
                tracing::warn!(file = %self.path.display(), "the lock file of the store was removed; it is made again");
                *held = file;
                Ok(())
            }
            Err(StoreError::AlreadyServed(holder) | StoreError::Migrating(holder)) => {
                Err(StoreError::InstanceLost(Some(holder)))
            }
            Err(error) => {
                tracing::debug!(%error, "the lock file of the store cannot be made again");
                Ok(())
            }
        }
    }
}

/// Makes and locks the file at `path`.
fn lock(path: &Path, node: &NodeName, purpose: Purpose) -> Result<File, StoreError> {
    let failed = |source: io::Error| StoreError::Lock { path: path.to_owned(), source: Arc::new(source) };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = open_no_link(path, &mut options, open_or_create).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(match read_holder(&mut file) {
                Some((Purpose::Serve, holder)) => StoreError::AlreadyServed(holder),
                Some((Purpose::Migrate, holder)) => StoreError::Migrating(holder),
                None => failed(io::Error::new(io::ErrorKind::WouldBlock, "another process holds it")),
            });
        }
        Err(error) => return Err(failed(error.into())),
    }
    // A lock on a file that was removed meanwhile keeps no other process out.
    require_own_file(&file).map_err(failed)?;
    write_holder(&mut file, &Holder::this_process(node.clone()), purpose).map_err(failed)?;
    Ok(file)
}

/// Whether the open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().map(identity).ok() == std::fs::symlink_metadata(path).map(identity).ok()
}

/// The file of the lock on the store in the file `database`. Two paths of one file have one lock.
pub(in crate::store) fn lock_path(database: &Path) -> PathBuf {
    let resolved = database.canonicalize().or_else(|_| {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
        database.file_name().map(|name| folder.join(name)).ok_or(io::ErrorKind::InvalidInput.into())
    });
    let mut path = resolved.unwrap_or_else(|_: io::Error| database.to_owned()).into_os_string();
    path.push(".lock");
    path.into()
}

/// The process that serves the store in the file `database`; none when no process does.
pub(in crate::store) fn current_holder(database: &Path) -> Option<Holder> {
    let mut file =
        open_no_link(&lock_path(database), File::options().read(true), |path, options| options.open(path))
            .ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            read_holder(&mut file).filter(|(purpose, _)| *purpose == Purpose::Serve).map(|(_, holder)| holder)
        }
        _ => None,
    }
}

/// Opens a regular file that has no other name. Never waits, as the opening of a FIFO would.
fn open_no_link(
    path: &Path,
    options: &mut OpenOptions,
    open: impl FnOnce(&Path, &OpenOptions) -> io::Result<File>,
) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let options = options.custom_flags(flags.bits().cast_signed());
    let file = open(path, options).map_err(|error| {
        let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if is_link { io::Error::new(error.kind(), "it is a symbolic link; remove it") } else { error }
    })?;
    require_own_file(&file)?;
    Ok(file)
}

fn require_own_file(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let problem = match metadata.nlink() {
        _ if !metadata.is_file() => "it is not a regular file; remove it",
        0 => "another process has removed it; try again",
        1 => return Ok(()),
        _ => "it is a hard link to another file; remove it",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

fn write_holder(file: &mut File, holder: &Holder, purpose: Purpose) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    let mark = if purpose == Purpose::Migrate { MIGRATES } else { "" };
    writeln!(file, "{} {} {}{mark}", holder.node, holder.pid, holder.host)
}

/// Who holds the lock. None in the moment between the lock and the first line of the file.
fn read_holder(file: &mut File) -> Option<(Purpose, Holder)> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    let mut words = text.strip_suffix('\n')?.splitn(3, ' ');
    let (node, pid, host) = (words.next()?, words.next()?, words.next()?);
    let (purpose, host) = match host.strip_suffix(MIGRATES) {
        Some(host) => (Purpose::Migrate, host),
        None => (Purpose::Serve, host),
    };
    Some((purpose, Holder { node: node.parse().ok()?, host: host.to_owned(), pid: pid.parse().ok()? }))
}

/// At the end of the line of a process that migrates. A host name has no blanks.
const MIGRATES: &str = " migrates";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_name_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("platform.db");
        let node: NodeName = "ward-7".parse().unwrap();
        let lock = FileLock::acquire(&database, &node, Purpose::Serve).unwrap();
        let refused = FileLock::acquire(&database, &"ward-8".parse().unwrap(), Purpose::Serve);
        let holder = Holder::this_process(node.clone());
        assert!(matches!(refused, Err(StoreError::AlreadyServed(other)) if other == holder));
        assert_eq!(current_holder(&database), Some(holder));
        drop(lock);
        assert_eq!(current_holder(&database), None);
        FileLock::acquire(&database, &node, Purpose::Serve).unwrap();
    }

    #[test]
    fn a_lock_file_that_was_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("platform.db");
        let [node, other]: [NodeName; 2] = ["ward-7", "ward-8"].map(|name| name.parse().unwrap());
        let first = FileLock::acquire(&database, &node, Purpose::Serve).unwrap();
        std::fs::remove_file(lock_path(&database)).unwrap();
        first.renew().unwrap();
        let refused = FileLock::acquire(&database, &other, Purpose::Serve);
        assert!(matches!(refused, Err(StoreError::AlreadyServed(_))), "{refused:?}");
        // Another process was faster.
        std::fs::remove_file(lock_path(&database)).unwrap();
        let second = FileLock::acquire(&database, &other, Purpose::Serve).unwrap();
        let lost = first.renew();
        assert!(matches!(&lost, Err(StoreError::InstanceLost(Some(by))) if by.node == other), "{lost:?}");
        second.renew().unwrap();
    }

    #[test]
    fn a_process_that_migrates_is_not_reported_to_serve() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("platform.db");
        let node: NodeName = "ward-7".parse().unwrap();
        let _lock = FileLock::acquire(&database, &node, Purpose::Migrate).unwrap();
        assert_eq!(current_holder(&database), None);
        let refused = FileLock::acquire(&database, &node, Purpose::Serve).unwrap_err();
        let holder = Holder::this_process(node);
        assert!(matches!(&refused, StoreError::Migrating(other) if *other == holder), "{refused:?}");
        assert!(refused.to_string().starts_with("another process migrates this store now: host "));
    }

    #[test]
    fn two_paths_of_one_database_have_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("platform.db");
        std::fs::write(&database, b"").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&database, &link).unwrap();
        assert_eq!(lock_path(&link), lock_path(&database));
    }
    #[test]
    fn the_lock_overwrites_no_file_that_a_link_in_its_place_names() {
        use std::os::unix::fs::symlink;
        type Plant = fn(&Path, &Path) -> io::Result<()>;
        let plants: [(Plant, &str); 2] =
            [(|to, at| symlink(to, at), "symbolic link"), (|to, at| std::fs::hard_link(to, at), "hard link")];
        for (plant, kind) in plants {
            let folder = tempfile::tempdir().unwrap();
            let (database, victim) = (folder.path().join("platform.db"), folder.path().join("victim"));
            std::fs::write(&victim, "ward-7 1 host\n").unwrap();
            plant(&victim, &lock_path(&database)).unwrap();
            let refused =
                FileLock::acquire(&database, &"ward-7".parse().unwrap(), Purpose::Serve).unwrap_err();
            let StoreError::Lock { source, .. } = &refused else { panic!("{refused:?}") };
            assert!(source.to_string().contains(kind), "{source}");
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "ward-7 1 host\n", "{kind}");
        }
    }

    #[test]
    fn a_fifo_or_a_folder_in_the_place_of_the_lock_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("platform.db");
        let made = std::process::Command::new("mkfifo").arg(lock_path(&database)).status().unwrap();
        assert!(made.success());
        let refused = FileLock::acquire(&database, &"ward-7".parse().unwrap(), Purpose::Serve);
        assert!(matches!(refused, Err(StoreError::Lock { .. })), "{refused:?}");
        assert_eq!(current_holder(&database), None);
        std::fs::remove_file(lock_path(&database)).unwrap();
        std::fs::create_dir(lock_path(&database)).unwrap();
        let refused = FileLock::acquire(&database, &"ward-7".parse().unwrap(), Purpose::Serve);
        assert!(matches!(refused, Err(StoreError::Lock { .. })), "{refused:?}");
    }
}
