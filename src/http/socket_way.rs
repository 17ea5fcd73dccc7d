//! Whether the group of the socket for people can reach it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::filesystem::{accounts, folder_problem};

/// Why members of `group` cannot connect to the socket at `path`, though they may: a folder on the path that
/// they cannot enter. `None` when they can, or the machine has no such group.
#[must_use]
pub fn unreachable_for(path: &Path, group: &str) -> Option<String> {
    let id = accounts::group_id(group)?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // A folder that the start cannot make is another fault.
    if folder_problem(absolute.parent()?).is_some() {
        return None;
    }
    let (folder, mode) = closed_folder(absolute.parent()?, id)?;
    let advice = if folder.exists() {
        "set admin.socket to a path in a folder that they can enter, such as /run/pcd-platform/admin.sock"
    } else {
        "it is missing, and the start makes it so; with the package `sudo systemd-tmpfiles --create pcd-platform.conf` makes \
         /run/pcd-platform for them"
    };
    Some(format!(
        "members of {group} (admin.socket-group) may connect to {}, and cannot enter the folder {} (mode {mode:04o}): {advice}",
        absolute.display(),
        folder.display()
    ))
}

/// The topmost folder on the way to `folder`, itself included, that this group cannot enter. A folder that is
/// missing is created for this process and its group.
fn closed_folder(folder: &Path, group: u32) -> Option<(PathBuf, u32)> {
    let above: Vec<_> = folder.ancestors().collect();
    above.into_iter().rev().find_map(|folder| {
        let (owner, mode) = match fs::metadata(folder) {
            Ok(known) => (known.gid(), known.mode() & 0o7777),
            Err(_) => (rustix::process::getegid().as_raw(), NEW_FOLDER),
        };
        let enters = mode & 0o001 != 0 || (owner == group && mode & 0o010 != 0);
        (!enters).then(|| (folder.to_owned(), mode))
    })
}

/// The mode of the folder that a start creates for the socket.
pub(super) const NEW_FOLDER: u32 = 0o750;

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_the_group_cannot_enter_is_named() {
        let root = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let (data, run) = (root.path().join("data"), root.path().join("run"));
        for folder in [&data, &run] {
            fs::create_dir(folder).unwrap();
        }
        set(root.path(), 0o755);
        set(&data, 0o700);
        set(&run, 0o755);
        let other = "4000000990";
        let of = |path: &Path| unreachable_for(path, other);
        let why = of(&data.join("audit/admin.sock")).unwrap();
        assert!(why.contains(&format!("cannot enter the folder {} (mode 0700)", data.display())), "{why}");
        assert_eq!(of(&run.join("admin.sock")), None);
        // The missing one is created for this process only.
        let why = of(&run.join("new/admin.sock")).unwrap();
        assert!(why.contains("(mode 0750): it is missing"), "{why}");
        let own = rustix::process::getegid().as_raw().to_string();
        assert_eq!(unreachable_for(&run.join("new/admin.sock"), &own), None);
        assert_eq!(unreachable_for(&data.join("admin.sock"), "no-such-group"), None);
    }
}
