//! Which socket the running platform serves: written down at its start, beside what it remembers of its audit
//! chain, so that commands find it after `admin.socket` was changed in the file.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::filesystem::create_folder;
use crate::model::NodeName;

/// Notes that this process serves `socket`; `None`: none.
///
/// # Errors
/// When the note cannot be written.
pub fn note_socket(folder: &Path, node: &NodeName, socket: Option<&Path>) -> io::Result<()> {
    let note = file(folder, node);
    match socket {
        Some(socket) => {
            // What is remembered of the audit chain may be written there later only.
            create_folder(folder, 0o700)?;
            let written = note.with_extension("new");
            fs::write(&written, std::path::absolute(socket)?.as_os_str().as_encoded_bytes())?;
            fs::rename(written, note)
        }
        None => match fs::remove_file(note) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        },
    }
}

/// The socket at which the platform is found: the configured one, unless nothing listens there and something
/// does at the noted one.
#[must_use]
pub fn served_socket(folder: &Path, node: &NodeName, configured: Option<PathBuf>) -> Option<PathBuf> {
    let Some(noted) = noted(folder, node) else { return configured };
    let is_configured = configured.as_ref().is_some_and(|path| {
        let same = std::path::absolute(path).is_ok_and(|path| path == noted);
        same || !is_deserted(path)
    });
    if is_configured || is_deserted(&noted) { configured } else { Some(noted) }
}

fn noted(folder: &Path, node: &NodeName) -> Option<PathBuf> {
    let text = fs::read_to_string(file(folder, node)).ok()?;
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn file(folder: &Path, node: &NodeName) -> PathBuf {
    folder.join(format!("served-{node}"))
}

/// Whether nothing listens there, as far as this account may look.
fn is_deserted(path: &Path) -> bool {
    let found = UnixStream::connect(path);
    found.is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_noted_socket_is_found_only_while_it_is_served_and_the_configured_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let node: NodeName = "main".parse().unwrap();
        let path = |name: &str| folder.path().join(name);
        let found = || served_socket(folder.path(), &node, Some(path("new.sock")));
        assert_eq!(found(), Some(path("new.sock")), "without a note");
        note_socket(folder.path(), &node, Some(&path("old.sock"))).unwrap();
        assert_eq!(found(), Some(path("new.sock")), "nothing runs");
        let old = UnixListener::bind(path("old.sock")).unwrap();
        assert_eq!(found(), Some(path("old.sock")));
        assert_eq!(served_socket(folder.path(), &node, None), Some(path("old.sock")));
        let new = UnixListener::bind(path("new.sock")).unwrap();
        assert_eq!(found(), Some(path("new.sock")));
        drop((old, new));
        std::fs::remove_file(path("new.sock")).unwrap();
        assert_eq!(found(), Some(path("new.sock")), "the platform has ended");
        note_socket(folder.path(), &node, None).unwrap();
        note_socket(folder.path(), &node, None).unwrap();
    }
}
