//! Creation of files and folders that the service can use afterwards.
//!
//! An operator starts a command with `sudo`, and the service runs as another user: what root creates in a
//! folder of another user belongs to that user.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, fchown, lchown};
use std::path::Path;

/// Creates a folder, and its parents, with the permissions `mode`. A folder that exists stays as it is.
pub(crate) fn create_folder(folder: &Path, mode: u32) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folder(parent, mode)?;
    }
    match DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => {
            // The owner of the parent can replace the folder by a link at any time: do not follow links.
            give(folder, |user, group| lchown(folder, user, group));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens the file with `options`, or creates it. A file that exists keeps its owner: it may be a link to a
/// file of another user. With [`OpenOptions::create_new`] it is an error that the file exists.
pub(crate) fn open_or_create(path: &Path, options: &OpenOptions) -> io::Result<File> {
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            give(path, |user, group| fchown(&file, user, group));
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Gives what root has created at `path` to the owner and group of the folder around it.
fn give(path: &Path, change_owner: impl FnOnce(Option<u32>, Option<u32>) -> io::Result<()>) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let given = fs::metadata(folder).and_then(|folder| match folder.uid() {
        0 => Ok(()),
        owner => change_owner(Some(owner), Some(folder.gid())),
    });
    if let Err(error) = given {
        // A container without CAP_CHOWN: this process can use the file all the same.
        tracing::warn!(
            path = %path.display(), %error,
            "cannot give a new file to the owner of its folder; only root can use it"
        );
    }
}
