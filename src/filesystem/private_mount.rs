//! Folders that systemd gives to one service alone (`PrivateTmp=`): no other process sees a file in them, and
//! it goes when the service stops.

use std::fs;
use std::path::Path;

/// Whether a file in `folder` would be seen by this service alone, as far as the kernel says it.
pub(crate) fn is_private_to_service(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| is_private(&mounts, &folder))
}

/// `mounts` is `/proc/PID/mountinfo` (proc(5)): the fourth word is what is mounted, the fifth is where.
fn is_private(mounts: &str, folder: &Path) -> bool {
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(3);
        Some((words.next()?, Path::new(words.next()?)))
    });
    // Of several at one place the last one is seen.
    let on_path = mounted.filter(|(_, place)| folder.starts_with(place));
    on_path.max_by_key(|(_, place)| place.components().count()).is_some_and(|(what, _)| what.contains(PREFIX))
}

/// How systemd names the folders behind `PrivateTmp=` (systemd.exec(5), tmpfiles.d(5)).
const PREFIX: &str = "/systemd-private-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_private_tmp_are_private() {
        let mounts = "\
            28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
            31 28 254:1 / /tmp rw - ext4 /dev/vda1 rw\n\
            32 28 254:1 /tmp/systemd-private-0f-pcd-platform.service-Ab/tmp /tmp rw - ext4 /dev/vda1 rw\n\
            33 28 0:40 /systemd-private-0f-pcd-platform.service-Cd/tmp /var/tmp rw - tmpfs tmpfs rw\n\
            34 32 254:2 / /tmp/disk rw - ext4 /dev/vdb rw\n";
        let is_private = |folder: &str| is_private(mounts, Path::new(folder));
        assert!(is_private("/tmp") && is_private("/tmp/folder") && is_private("/var/tmp"));
        assert!(!is_private("/") && !is_private("/tmpfolder") && !is_private("/tmp/disk/folder"));
        assert!(!super::is_private("no mounts", Path::new("/tmp")));
    }
}
