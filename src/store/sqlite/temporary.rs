//! Where SQLite puts its temporary files: sorted rows that do not fit into its cache, the journal of a
//! statement.
//!
//! SQLite takes the first of some folders that it may write to, and at last the working folder. In a
//! container with a read-only root only the volume of the store can be written, and the working folder may be
//! anything.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// The pragma of a connection to the file `store`, and its value; none where SQLite finds a folder.
pub(super) fn setting(store: &Path) -> Option<(&'static str, String)> {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp"].into_iter().map(PathBuf::from);
    of_store(store, named.chain(usual))
}

/// The pragma where none of the folders can be used.
fn of_store(store: &Path, folders: impl IntoIterator<Item = PathBuf>) -> Option<(&'static str, String)> {
    if folders.into_iter().any(|folder| is_usable(&folder)) {
        return None;
    }
    let beside = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match beside.to_str() {
        // It counts for all connections of the process, until another store sets its own.
        Some(folder) if is_usable(beside) => Some(("temp_store_directory", folder.to_owned())),
        // A store that can only be read.
        _ => Some(("temp_store", "memory".to_owned())),
    }
}

/// As SQLite decides (`unixTempFileDir`).
fn is_usable(folder: &Path) -> bool {
    folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_store_takes_temporary_files_where_no_other_does() {
        let folder = tempfile::tempdir().unwrap();
        let (store, missing) = (folder.path().join("platform.db"), folder.path().join("missing"));
        assert_eq!(of_store(&store, [missing.clone(), folder.path().into()]), None);
        let beside = folder.path().to_str().unwrap().to_owned();
        assert_eq!(of_store(&store, [missing.clone()]), Some(("temp_store_directory", beside)));
        let unusable = of_store(&missing.join("platform.db"), [missing]);
        assert_eq!(unusable, Some(("temp_store", "memory".to_owned())));
    }
}
