//! Whether there is room for a copy.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::place::folder_of;
use crate::model::size_text;
use crate::store::records::size::DiskSize;
use crate::store::sqlite::disk;

/// Requires that a copy of `bytes` has room in the folder of `to`, and that on the disk of the store
/// `keep_percent` of its bytes stay free afterwards: a copy must not take the room of the next messages.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`], with the figures.
pub(super) fn require(bytes: u64, store: &Path, to: &Path, keep_percent: u64) -> io::Result<()> {
    let folder = folder_of(to);
    // What cannot be looked at is found when the copy is written.
    let (Ok(own), Ok(other)) = (fs::metadata(store), fs::metadata(folder)) else { return Ok(()) };
    let Ok(room) = disk::free(folder) else { return Ok(()) };
    let percent = if own.dev() == other.dev() { keep_percent } else { 0 };
    match missing(bytes, room, percent) {
        None => Ok(()),
        Some(keep) => {
            let (bytes, free) = (size_text(bytes), size_text(room.free));
            let kept = match keep {
                0 => String::new(),
                keep => format!(
                    ", and {} have to stay free for messages (store.min-free-percent = {percent})",
                    size_text(keep)
                ),
            };
            let what = format!("the copy takes up to {bytes}, {free} are free on its disk{kept}");
            Err(io::Error::new(io::ErrorKind::StorageFull, what))
        }
    }
}

/// The bytes to keep, where a copy leaves less.
fn missing(bytes: u64, room: DiskSize, keep_percent: u64) -> Option<u64> {
    let keep = u128::from(room.bytes) * u128::from(keep_percent) / 100;
    let keep = u64::try_from(keep).unwrap_or(u64::MAX);
    (room.free < bytes.saturating_add(keep)).then_some(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_leaves_the_room_that_messages_need() {
        let room = DiskSize { free: 300, bytes: 1000 };
        assert_eq!(missing(250, room, 5), None);
        assert_eq!(missing(251, room, 5), Some(50));
        assert_eq!(missing(300, room, 0), None);
        assert_eq!(missing(301, room, 0), Some(0));
        assert_eq!(missing(u64::MAX, DiskSize { free: 1, bytes: u64::MAX }, 100), Some(u64::MAX));
    }

    #[test]
    fn a_refusal_has_the_figures() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        fs::write(&store, "").unwrap();
        let to = folder.path().join("copy.db");
        require(1, &store, &to, 0).unwrap();
        let refused = require(u64::MAX / 2, &store, &to, 5).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(refused.to_string().contains("store.min-free-percent = 5"), "{refused}");
    }
}
