//! Why a file or folder cannot be used, in words that name it, its owner, this process's user and what to do.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::accounts;

/// A file or folder that this process cannot use as it has to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct AccessProblem {
    path: PathBuf,
    fault: Fault,
    owner: u32,
    group: u32,
    mode: u32,
    user: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// The file cannot be read and written.
    File,
    /// The folder cannot be written to.
    Folder,
    /// This folder is missing, and the nearest one on its path cannot be written to.
    Missing(PathBuf),
    /// The folder is on the path and cannot be searched.
    Search,
    ReadOnly,
    /// The file system holds what the kernel reports, and no files.
    Pseudo,
    NotFolder,
}

impl AccessProblem {
    fn new(path: &Path, metadata: &fs::Metadata, fault: Fault) -> Self {
        Self {
            path: normalised(path),
            fault,
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode() & 0o7777,
            user: rustix::process::geteuid().as_raw(),
        }
    }
}

impl fmt::Display for AccessProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, fault, owner, group, mode, user } = self;
        let (path, owner, is_root) = (path.display(), user_name(*owner), *user == 0);
        let user = user_name(*user);
        match fault {
            Fault::File => write!(f, "user {user} cannot read and write {path}")?,
            Fault::Folder => write!(f, "user {user} cannot write to {path}")?,
            Fault::Missing(folder) => {
                write!(
                    f,
                    "user {user} cannot create folder {}: user {user} cannot write to {path}",
                    folder.display()
                )?;
            }
            Fault::Search => write!(f, "user {user} cannot enter folder {path}")?,
            Fault::ReadOnly => return write!(f, "{path} is on a read-only file system"),
            Fault::Pseudo => return write!(f, "{path} is on a file system that holds no files"),
            Fault::NotFolder => return write!(f, "{path} is not a folder"),
        }
        write!(
            f,
            ", which belongs to {owner} (group {group}), mode {mode:04o}; run the command as user {owner}"
        )?;
        if is_root {
            return Ok(());
        }
        match fault {
            Fault::File => {
                write!(f, ", or give the file to the user that runs the platform: chown {user} {path}")
            }
            Fault::Folder => write!(f, ", or give {user} a folder that holds only data of the platform"),
            Fault::Missing(folder) => {
                write!(f, ", or create the folder {} and give it to {user}", folder.display())
            }
            _ => write!(f, ", or put the data into a folder that {user} can enter"),
        }
    }
}

/// Why this process cannot read and write the file at `path`. `None` when it can, or there is no file.
pub(crate) fn file_problem(path: &Path) -> Option<AccessProblem> {
    match fs::metadata(path) {
        Ok(metadata) => denied(path, &metadata, Access::READ_OK | Access::WRITE_OK, Fault::File),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => unsearchable(path),
        Err(_) => None,
    }
}

/// Why this process cannot create files in `folder`, or the folder if it is missing. Creates nothing.
pub(crate) fn folder_problem(folder: &Path) -> Option<AccessProblem> {
    let here = Path::new(".");
    let folder = if folder.as_os_str().is_empty() { here } else { folder };
    match fs::metadata(folder) {
        Ok(metadata) => return unwritable(folder, &metadata, Fault::Folder),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return unsearchable(folder),
        Err(_) => {}
    }
    let parents = folder.ancestors().skip(1);
    let parents = parents.map(|parent| if parent.as_os_str().is_empty() { here } else { parent });
    let (parent, metadata) =
        parents.filter_map(|parent| Some((parent, fs::metadata(parent).ok()?))).next()?;
    unwritable(parent, &metadata, Fault::Missing(normalised(folder)))
}

fn unwritable(folder: &Path, metadata: &fs::Metadata, fault: Fault) -> Option<AccessProblem> {
    if !metadata.is_dir() {
        return Some(AccessProblem::new(folder, metadata, Fault::NotFolder));
    }
    // The kernel grants root the permission, and refuses the creation.
    if rustix::fs::statfs(folder).is_ok_and(|system| PSEUDO.contains(&system.f_type)) {
        return Some(AccessProblem::new(folder, metadata, Fault::Pseudo));
    }
    denied(folder, metadata, Access::WRITE_OK | Access::EXEC_OK, fault)
}

fn denied(path: &Path, metadata: &fs::Metadata, wanted: Access, fault: Fault) -> Option<AccessProblem> {
    match access(path, wanted) {
        Err(Errno::ACCESS | Errno::PERM) => Some(AccessProblem::new(path, metadata, fault)),
        Err(Errno::ROFS) => Some(AccessProblem::new(path, metadata, Fault::ReadOnly)),
        _ => None,
    }
}

/// The folder on `path` that this process cannot enter.
fn unsearchable(path: &Path) -> Option<AccessProblem> {
    path.ancestors().skip(1).find_map(|folder| {
        let metadata = fs::metadata(folder).ok()?;
        Some(AccessProblem::new(folder, &metadata, Fault::Search))
    })
}

/// The path without links and `..`, as far as it exists: the operator copies it into a command.
fn normalised(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find_map(|parent| {
        let rest = absolute.strip_prefix(parent).ok()?;
        Some((parent.canonicalize().ok()?, rest))
    });
    match found {
        Some((parent, rest)) if rest.as_os_str().is_empty() => parent,
        Some((parent, rest)) => parent.join(rest),
        None => absolute,
    }
}

/// The name of a user in the machine's own list, or its number.
pub(super) fn user_name(user: u32) -> String {
    accounts::user_name(user).unwrap_or_else(|| user.to_string())
}

/// The file systems of /proc and /sys (statfs(2)).
const PSEUDO: [i64; 2] = [0x9fa0, 0x6265_6572];
