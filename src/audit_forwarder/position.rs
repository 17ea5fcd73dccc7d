//! The position of the repository in this node's trail, in a file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audit::ChainHead;
use crate::filesystem::replace_file;
use crate::model::NodeName;

/// The last received row.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    node: String,
    /// The row, as `NUMBER:HASH`.
    head: String,
}

impl Position {
    pub(super) fn new(node: &NodeName, place: &ChainHead) -> Self {
        Self { node: node.to_string(), head: place.to_string() }
    }

    /// The chain head, if it belongs to this node.
    pub(super) fn head_of(&self, node: &NodeName) -> Option<ChainHead> {
        if self.node == node.as_str() { self.head.parse().ok() } else { None }
    }

    /// Reads the file; `None` when it is missing or unreadable: then the whole trail is sent again.
    pub(super) fn read(file: &Path) -> io::Result<Option<Self>> {
        match fs::read(file) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file atomically; it is durable on return.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        replace_file(file, &serde_json::to_vec(self)?, 0o777)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_position_parses_and_belongs_to_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/position.json");
        assert_eq!(Position::read(&file).unwrap(), None);
        let (here, there): (NodeName, NodeName) = ("here".parse().unwrap(), "there".parse().unwrap());
        let place = ChainHead::START.next(&here, Timestamp::UNIX_EPOCH, "event", "{}");
        let position = Position::new(&here, &place);
        position.write(&file).unwrap();
        position.write(&file).unwrap();
        assert_eq!(Position::read(&file).unwrap(), Some(position));
        let read = Position::read(&file).unwrap().unwrap();
        assert_eq!(read.head_of(&here), Some(place));
        assert_eq!(read.head_of(&there), None);
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, file.with_extension("tmp")).unwrap();
        read.write(&file).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "a planted link is not followed");
        assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 1, "nothing is left beside it");

        // An incomplete file counts as missing.
        fs::write(&file, "{\"node\":").unwrap();
        assert_eq!(Position::read(&file).unwrap(), None);
    }
}
