//! How much memory the process may use, and how much of it is used.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of memory that the process may use: the smallest limit of its control groups and the memory of the
/// machine. `None` where neither is known.
pub(in crate::interface_a) fn memory_limit() -> Option<u64> {
    let groups = ControlGroups::of_process().fullest().map(|fullest| fullest.limit);
    groups.into_iter().chain(total()).min()
}

/// The control groups of the process whose memory may be limited, version 1 and 2.
#[derive(Debug)]
pub(super) struct ControlGroups {
    groups: Vec<(PathBuf, &'static Files)>,
}

/// The use of a control group with a limit, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    /// Without the pages of files, which the kernel takes back before it kills a process.
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// The names of the files of one version of control groups.
#[derive(Debug)]
struct Files {
    limit: &'static str,
    used: &'static str,
    /// The fields of `memory.stat` with the pages of files.
    reclaimable: [&'static str; 2],
}

impl ControlGroups {
    pub(super) fn of_process() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::find(Path::new("/sys/fs/cgroup"), &groups)
    }

    /// The groups that `groups` (cgroups(7), `/proc/PID/cgroup`) names, up to the top of each hierarchy. In a
    /// container the path can be that of the host, of which only the top is mounted.
    fn find(root: &Path, groups: &str) -> Self {
        let mut found = Vec::new();
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let (top, files) = if controllers.is_empty() {
                (root.to_owned(), &VERSION_2)
            } else if controllers.split(',').any(|controller| controller == "memory") {
                (root.join(controllers), &VERSION_1)
            } else {
                continue;
            };
            let path = Path::new(path.trim_start_matches('/'));
            found.extend(path.ancestors().map(|group| (top.join(group), files)));
        }
        Self { groups: found }
    }

    /// The use of the group with the least room. `None` where none has a limit.
    pub(super) fn fullest(&self) -> Option<Use> {
        self.groups.iter().filter_map(|(folder, files)| files.read(folder)).min_by_key(|group| group.room())
    }
}

impl Files {
    fn read(&self, folder: &Path) -> Option<Use> {
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        // The top of version 2 has no such file, and "max" is no limit.
        let limit = number(self.limit).filter(|limit| *limit < UNLIMITED)?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let field = |name: &str| {
            let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        let reclaimable: u64 = self.reclaimable.iter().map(|name| field(name)).sum();
        Some(Use { used: number(self.used)?.saturating_sub(reclaimable), limit })
    }
}

impl Use {
    fn room(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Whether more than `percent` of the limit is used, or less than [`LEAST_ROOM`] is left.
    pub(super) fn exceeds(self, percent: u64) -> bool {
        self.used > self.mark(percent)
    }

    /// Whether so much less than at the mark is used that connections can be taken again.
    pub(super) fn has_recovered(self, percent: u64) -> bool {
        self.used <= self.mark(percent).saturating_sub(self.limit / 100 * RECOVERY)
    }

    /// What may be used, in bytes. Of a limit that the program itself nearly takes up, half is left: it
    /// would never take a connection otherwise.
    fn mark(self, percent: u64) -> u64 {
        let room = LEAST_ROOM.min(self.limit / 2);
        (self.limit / 100 * percent).min(self.limit - room)
    }
}

/// Of the machine. Not from /proc/meminfo, which `ProcSubset=pid` hides from a service (systemd.exec(5)).
fn total() -> Option<u64> {
    let machine = rustix::system::sysinfo();
    (machine.totalram as u64).checked_mul(u64::from(machine.mem_unit)).filter(|bytes| *bytes > 0)
}

/// Bytes that stay free whatever the percentage. Between two looks at the memory (250 ms) every turn of a
/// handshake may begin one (256 by default, about 100 KiB each with its buffers, its certificates and the
/// record of its refusal), and a write of the store or a signature take some megabytes.
const LEAST_ROOM: u64 = 32 << 20;

/// Percent of the limit below the mark at which a shortage of memory ends.
const RECOVERY: u64 = 5;

/// The kernel's "no limit" of version 1 is the largest number of whole pages.
const UNLIMITED: u64 = 1 << 60;

const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: ["total_active_file", "total_inactive_file"],
};

const VERSION_2: Files =
    Files { limit: "memory.max", used: "memory.current", reclaimable: ["active_file", "inactive_file"] };

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &Path, files: &Files, limit: &str, used: u64, stat: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(files.limit), format!("{limit}\n")).unwrap();
        fs::write(folder.join(files.used), format!("{used}\n")).unwrap();
        fs::write(folder.join("memory.stat"), stat).unwrap();
    }

    #[test]
    fn the_group_with_the_least_room_counts() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("system.slice");
        let own = slice.join("pcd.service");
        let fullest = |groups: &str| ControlGroups::find(root.path(), groups).fullest();
        assert_eq!(fullest("0::/system.slice/pcd.service\n"), None);
        group(&own, &VERSION_2, "max", 1000, "");
        group(&slice, &VERSION_2, "1048576", 1000, "");
        let found = fullest("1:name=systemd:/\n0::/system.slice/pcd.service\n");
        assert_eq!(found, Some(Use { used: 1000, limit: 1 << 20 }));
        group(&own, &VERSION_2, "524288", 500_000, "anon 1\nactive_file 300000\ninactive_file 100000\n");
        assert_eq!(
            fullest("0::/system.slice/pcd.service\n"),
            Some(Use { used: 100_000, limit: 512 << 10 }),
            "the kernel takes the pages of files back"
        );
        assert_eq!(fullest("0::/\n"), None, "of another group");
    }

    #[test]
    fn control_groups_of_version_1_are_read() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("memory");
        let groups = "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/docker/1\n";
        let fullest = || ControlGroups::find(root.path(), groups).fullest();
        group(&top, &VERSION_1, "9223372036854771712", 5, "");
        assert_eq!(fullest(), None);
        // A container sees its own group as the top.
        let stat = "active_file 1\ntotal_active_file 10\ntotal_inactive_file 20\n";
        group(&top, &VERSION_1, "2048", 1000, stat);
        assert_eq!(fullest(), Some(Use { used: 970, limit: 2048 }));
        group(&top.join("docker/1"), &VERSION_1, "1024", 1000, "");
        assert_eq!(fullest(), Some(Use { used: 1000, limit: 1024 }));
    }

    #[test]
    fn a_small_limit_leaves_room_for_what_comes_between_two_looks() {
        const MIB: u64 = 1 << 20;
        let at = |used: u64, limit: u64| Use { used: used * MIB, limit: limit * MIB };
        for (limit, mark) in [(40, 20), (64, 32), (86, 54), (160, 128), (1000, 850)] {
            assert!(!at(mark - 1, limit).exceeds(85), "{limit}");
            assert!(at(mark + 1, limit).exceeds(85), "{limit}");
            let below = mark - limit / 20;
            assert!(!at(below + 1, limit).has_recovered(85), "{limit}");
            assert!(at(below - 1, limit).has_recovered(85), "{limit}");
        }
        assert!(!Use { used: 0, limit: 0 }.exceeds(85));
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let file = fs::read_to_string("/proc/meminfo").unwrap();
        let line = file.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
        let kibibytes: u64 = line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
        assert_eq!(total(), Some(kibibytes * 1024));
        assert!(memory_limit().is_some_and(|limit| limit <= kibibytes * 1024));
    }
}
