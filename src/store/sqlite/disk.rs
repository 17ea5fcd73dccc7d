//! The size of the files of the store, and of their disk.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::store::records::size::DiskSize;

/// Bytes of the database with its write-ahead log, and the disk that holds them.
pub(in crate::store) fn measure(path: &Path) -> io::Result<(u64, DiskSize)> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        fs::metadata(PathBuf::from(name)).map_or(0, |file| file.len())
    };
    let bytes = fs::metadata(path)?.len() + beside("-wal") + beside("-shm");
    Ok((bytes, free(path)?))
}

/// The disk of a file or folder.
pub(super) fn free(path: &Path) -> io::Result<DiskSize> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(DiskSize {
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}
