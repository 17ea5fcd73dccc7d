//! Replaces a small file of the service.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::create::{create_folder, open_or_create};

/// Replaces `file` atomically; it is durable on return, and only its owner may read and write it. Creates the
/// folder around it with `folder_mode`.
pub(crate) fn replace_file(file: &Path, content: &[u8], folder_mode: u32) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(parent) = folder.parent() {
        create_folder(parent, 0o777)?;
    }
    create_folder(folder, folder_mode)?;
    // One process of a node writes it: what is there is the leftover of a crash, or a link that the folder's
    // owner planted, through which nothing may be written.
    let temporary = file.with_extension("tmp");
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut written = open_or_create(&temporary, &options)?;
    written.write_all(content)?;
    written.sync_all()?;
    fs::rename(&temporary, file)?;
    File::open(folder)?.sync_all()
}
