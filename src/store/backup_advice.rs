//! What to do when a copy of the store cannot be written.

/// What to do when a copy cannot be written.
pub(super) fn backup_advice(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{
        InvalidFilename, InvalidInput, PermissionDenied, ReadOnlyFilesystem, StorageFull,
    };
    match source.kind() {
        StorageFull => "name a file on another disk, or remove older copies",
        InvalidFilename => "give the copy a name of its own, such as platform-copy.db",
        InvalidInput => "name a file in a folder of the machine, such as /var/lib/pcd-platform of a package",
        PermissionDenied | ReadOnlyFilesystem => {
            "the process that writes it may not write there; a running platform writes the copy itself, as its user, and its \
             unit lets it write below /var/lib/pcd-platform only (docs/howto/backup-and-restore.md)"
        }
        _ => "name a file that does not exist, in a directory with free space",
    }
}
