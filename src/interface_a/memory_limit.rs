//! How much memory the process may use.

use std::fs;
use std::path::Path;

/// Bytes of memory that the process may use: the smallest limit of its control groups (cgroup v2,
/// `memory.max`) and the memory of the machine (`MemTotal`). `None` where neither can be read.
pub(super) fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    smallest_limit(Path::new("/sys/fs/cgroup"), &groups).into_iter().chain(total(&memory)).min()
}

/// The smallest `memory.max` from the group of the process to the root of the hierarchy at `root`.
fn smallest_limit(root: &Path, groups: &str) -> Option<u64> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |group: &Path| {
        // The root has no such file, and "max" is no limit.
        fs::read_to_string(root.join(group).join("memory.max")).ok()?.trim().parse().ok()
    };
    Path::new(group).ancestors().filter_map(limit).min()
}

fn total(memory: &str) -> Option<u64> {
    let line = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_of_the_control_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("system.slice/pcd.service");
        fs::create_dir_all(&own).unwrap();
        let limit = |groups: &str| smallest_limit(root.path(), groups);
        assert_eq!(limit("0::/system.slice/pcd.service\n"), None);
        fs::write(own.join("memory.max"), "max\n").unwrap();
        fs::write(own.parent().unwrap().join("memory.max"), "1048576\n").unwrap();
        assert_eq!(limit("1:name=systemd:/\n0::/system.slice/pcd.service\n"), Some(1 << 20));
        fs::write(own.join("memory.max"), "524288\n").unwrap();
        assert_eq!(limit("0::/system.slice/pcd.service\n"), Some(512 << 10));
        assert_eq!(limit("4:memory:/v1\n"), None);
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(total("MemTotal:        8192 kB\nMemFree: 1 kB\n"), Some(8 << 20));
        assert_eq!(total(""), None);
        assert!(memory_limit().is_some());
    }
}
