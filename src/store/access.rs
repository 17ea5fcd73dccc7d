//! The files of a SQLite store that this process cannot use.

use std::path::{Path, PathBuf};

use crate::filesystem::{AccessProblem, file_problem, folder_problem};

/// The first of the files of the SQLite store `database`, or its folder, that this process cannot read and
/// write.
pub(super) fn problem(database: &Path) -> Option<AccessProblem> {
    let files = ["", "-wal", "-shm"].map(|ending| {
        let mut path = database.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    });
    files.iter().find_map(|file| file_problem(file)).or_else(|| cannot_create(database))
}

/// Why this process cannot create the file `database`, or a folder on the way to it.
pub(super) fn cannot_create(database: &Path) -> Option<AccessProblem> {
    folder_problem(database.parent().unwrap_or(Path::new("")))
}
