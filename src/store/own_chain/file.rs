//! The file, outside of the database, in which a node remembers the end of its chain.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::ChainHead;
use crate::filesystem::replace_file;
use crate::model::NodeName;

/// The file of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndFile {
    path: PathBuf,
    node: NodeName,
}

/// What a node remembers of its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RememberedEnd {
    /// The last row that is known to be written.
    pub end: ChainHead,
    /// The last row that the platform's key has signed.
    pub signed: Option<ChainHead>,
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    node: String,
    /// As `NUMBER:HASH`.
    end: String,
    signed: Option<String>,
}

impl EndFile {
    /// The file of `node` in `folder`. Several nodes can share a folder.
    #[must_use]
    pub fn new(folder: &Path, node: &NodeName) -> Self {
        Self { path: folder.join(format!("chain-{node}.json")), node: node.clone() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn read(&self) -> io::Result<Option<RememberedEnd>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let content: Content = serde_json::from_slice(&text)?;
        let damaged = |_| io::Error::new(ErrorKind::InvalidData, "a chain head in it cannot be read");
        if content.node != self.node.as_str() {
            return Err(io::Error::new(ErrorKind::InvalidData, "it belongs to another node"));
        }
        let signed = content.signed.map(|head| head.parse().map_err(damaged)).transpose()?;
        Ok(Some(RememberedEnd { end: content.end.parse().map_err(damaged)?, signed }))
    }

    /// Whether other users than its owner may read or write it: then it proves less.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
    }

    /// Takes the right to write into its folder from other accounts, where the folder belongs to this one:
    /// who can write there can replace the file, and the socket for people. Whether there was such a right.
    /// Kubernetes gives a volume that it mounts again to a group (fsGroup).
    ///
    /// # Errors
    /// When the permissions cannot be changed.
    pub fn close_folder(&self) -> io::Result<bool> {
        let Some(folder) = self.path.parent() else { return Ok(false) };
        let metadata = match fs::metadata(folder) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let (mode, own) = (metadata.mode() & 0o7777, rustix::process::geteuid().as_raw());
        // A folder in which each file belongs to its owner, such as /tmp, is none of the platform's.
        if metadata.uid() != own || mode & 0o022 == 0 || mode & 0o1000 != 0 {
            return Ok(false);
        }
        fs::set_permissions(folder, Permissions::from_mode(mode & !0o022))?;
        Ok(true)
    }

    /// Copies it to a new file beside it, for its owner only. Returns its path.
    ///
    /// # Errors
    /// When it cannot be read, or the copy cannot be written.
    pub fn keep_copy(&self, now: Timestamp) -> io::Result<PathBuf> {
        let name = format!("chain-{}.replaced-{}.json", self.node, now.as_millisecond());
        let copy = self.path.with_file_name(name);
        replace_file(&copy, &fs::read(&self.path)?, 0o700)?;
        Ok(copy)
    }

    /// Replaces it atomically; it is durable on return.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, remembered: &RememberedEnd) -> io::Result<()> {
        let content = Content {
            node: self.node.to_string(),
            end: remembered.end.to_string(),
            signed: remembered.signed.map(|head| head.to_string()),
        };
        replace_file(&self.path, &serde_json::to_vec(&content)?, 0o700)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_chain_is_remembered_in_a_file_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let node: NodeName = "ward-7".parse().unwrap();
        let file = EndFile::new(&folder.path().join("data/audit"), &node);
        assert_eq!(file.read().unwrap(), None);
        let end = ChainHead::START.next(&node, Timestamp::UNIX_EPOCH, "event", "{}");
        for signed in [None, Some(end)] {
            let remembered = RememberedEnd { end, signed };
            file.write(&remembered).unwrap();
            assert_eq!(file.read().unwrap(), Some(remembered));
            let copy = file.keep_copy(Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(fs::read(&copy).unwrap(), fs::read(file.path()).unwrap());
            assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
        assert!(!file.is_open_to_others());
        let other = EndFile { node: "other".parse().unwrap(), ..file.clone() };
        assert!(other.read().is_err());
        fs::write(file.path(), "{\"node\":\"ward-7\"").unwrap();
        assert!(file.read().is_err());
    }

    #[test]
    fn a_folder_in_which_others_can_write_is_closed_to_them() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("audit");
        let file = EndFile::new(&folder, &"ward-7".parse().unwrap());
        assert!(!file.close_folder().unwrap(), "there is none yet");
        fs::create_dir(&folder).unwrap();
        for (mode, closed, then) in [
            // What fsGroup makes of a volume.
            (0o2770, true, 0o2750),
            (0o777, true, 0o755),
            (0o750, false, 0o750),
            (0o1777, false, 0o1777),
        ] {
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            assert_eq!(file.close_folder().unwrap(), closed, "{mode:o}");
            assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, then, "{mode:o}");
        }
    }
}
