//! Whether another account of the machine can put other files in place of those in a folder.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::access::user_name;

/// Why another account can replace what this process writes into the folder; `None` when none can, or the
/// folder is not there. Root can, and a group is the choice of the folder's owner.
pub(crate) fn changeable_by_others(folder: &Path) -> Option<String> {
    let metadata = fs::metadata(folder).ok()?;
    let shown = folder.display();
    if let Some(owner) = foreign_owner(&metadata) {
        let owner = user_name(owner);
        return Some(format!("{shown} belongs to {owner}, who could replace what is written there"));
    }
    is_open_to_all(&metadata)
        .then(|| format!("each account can write to {shown}, and replace what is written there"))
}

/// Whether each account can rename files of others in the folder: not in one with the sticky bit, such as
/// /tmp.
pub(crate) fn is_open_to_all(folder: &Metadata) -> bool {
    folder.mode() & 0o1002 == 0o002
}

fn foreign_owner(folder: &Metadata) -> Option<u32> {
    let (owner, own) = (folder.uid(), rustix::process::geteuid().as_raw());
    (owner != own && owner != 0).then_some(owner)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn a_folder_that_others_can_change_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(changeable_by_others(&path.join("missing")), None);
        for (mode, is_open) in [(0o700, false), (0o775, false), (0o1777, false), (0o777, true), (0o757, true)]
        {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(changeable_by_others(path).is_some(), is_open, "{mode:o}");
        }
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
            chown(path, Some(65534), None).unwrap();
            assert!(changeable_by_others(path).unwrap().contains(" belongs to "));
        }
    }
}
