//! Why a file cannot be used, in words that name the file, its owner and who asks.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// A file or folder that this process may not use as it has to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct AccessProblem {
    path: PathBuf,
    is_folder: bool,
    owner: u32,
    group: u32,
    mode: u32,
    user: u32,
}

impl AccessProblem {
    fn new(path: &Path, metadata: &fs::Metadata) -> Self {
        Self {
            path: path.to_owned(),
            is_folder: metadata.is_dir(),
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode() & 0o7777,
            user: rustix::process::geteuid().as_raw(),
        }
    }
}

impl fmt::Display for AccessProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, is_folder, owner, group, mode, user } = self;
        let (path, user) = (path.display(), named(*user));
        let what = if *is_folder { "write to" } else { "read and write" };
        write!(
            f,
            "{user} may not {what} {path}: it belongs to {} (group {group}), mode {mode:04o}; \
             run the command as its owner, or give it to the user that runs the platform: chown {} {path}",
            named(*owner),
            user.trim_start_matches("uid ")
        )
    }
}

/// The first of the files of the SQLite store `database`, or its folder, that this process may not read and
/// write.
pub(super) fn problem(database: &Path) -> Option<AccessProblem> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let files = ["", "-wal", "-shm"].map(|ending| {
        let mut path = database.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    });
    files
        .iter()
        .find_map(|file| denied(file, false))
        .or_else(|| denied(folder.unwrap_or(Path::new(".")), true))
}

/// The nearest folder on the way to the file `database` when this process is root's and the folder is another
/// user's: what root creates there, that user cannot open.
pub(super) fn foreign_folder(database: &Path) -> Option<AccessProblem> {
    let folder = nearest_folder(database);
    let metadata = fs::metadata(folder).ok()?;
    let problem = AccessProblem::new(folder, &metadata);
    (rustix::process::geteuid().is_root() && problem.owner != 0).then_some(problem)
}

/// The nearest folder on the way to the file `database`, when this process may not write to it.
pub(super) fn cannot_create(database: &Path) -> Option<AccessProblem> {
    denied(nearest_folder(database), true)
}

fn nearest_folder(database: &Path) -> &Path {
    let folder =
        database.ancestors().skip(1).find(|folder| !folder.as_os_str().is_empty() && folder.exists());
    folder.unwrap_or(Path::new("."))
}

fn denied(path: &Path, is_folder: bool) -> Option<AccessProblem> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return denied(path.parent()?, true),
        Err(_) => return None,
    };
    if is_folder && !metadata.is_dir() {
        return None;
    }
    let wanted =
        if is_folder { Access::WRITE_OK | Access::EXEC_OK } else { Access::READ_OK | Access::WRITE_OK };
    match access(path, wanted) {
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Some(AccessProblem::new(path, &metadata)),
        _ => None,
    }
}

/// A user by name, as far as the machine's own list has it.
fn named(user: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == user).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {user}"))
}
