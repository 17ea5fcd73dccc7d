//! The limits of the process: open files, and those of its unit; and whether its clock is synchronised.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use crate::cli::check_finding::Finding;
use crate::config::Config;
use crate::finding::{Code, SetupCode};
use crate::model::size_text;

/// The limits of the platform's process, or of this one if none runs, and the clock.
pub(super) fn look(config: &Config, pid: Option<u32>) -> Vec<Finding> {
    let mut findings = vec![files(config, pid)];
    findings.extend(pid.into_iter().flat_map(|pid| unit(Path::new("/"), pid)));
    findings.push(clock(Path::new("/")));
    findings
}

/// Open files: each connection needs one.
fn files(config: &Config, pid: Option<u32>) -> Finding {
    let text = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
    let (whose, limit) = match text.as_deref().and_then(hard_limit) {
        Some(limit) => ("the platform", limit),
        None => ("this shell", getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)),
    };
    let needed =
        u64::try_from(config.interface_a.max_connections).unwrap_or(u64::MAX).saturating_add(RESERVE);
    let text = format!("the hard limit of open files of {whose} is {limit}");
    if limit >= needed {
        return Finding::ok("limits", text);
    }
    let text = format!("{text}, and interface-a.max-connections needs {needed}");
    Finding::warning("limits", Code::LimitNear.code(), text).with_next_step(MORE_FILES)
}

/// The hard limit of open files in `/proc/PID/limits`.
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

/// What the control group of the process, which systemd makes of its unit, allows and what is used.
fn unit(root: &Path, pid: u32) -> Option<Finding> {
    let groups = fs::read_to_string(root.join(format!("proc/{pid}/cgroup"))).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = root.join("sys/fs/cgroup").join(group);
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (mut parts, mut steps) = (Vec::new(), Vec::new());
    for (what, used, limit, step) in [
        ("memory", number("memory.current"), number("memory.max"), MORE_MEMORY),
        ("tasks", number("pids.current"), number("pids.max"), MORE_TASKS),
    ] {
        let (Some(used), Some(limit)) = (used, limit) else { continue };
        // The cache of the disk counts as memory and goes when there is need.
        let used = if what == "memory" { used.saturating_sub(cache(&folder)) } else { used };
        if used.saturating_mul(5) > limit.saturating_mul(4) {
            steps.push(step);
        }
        let shown = |value: u64| if what == "memory" { size_text(value) } else { value.to_string() };
        parts.push(format!("{what} {} of {}", shown(used), shown(limit)));
    }
    if parts.is_empty() {
        return Some(Finding::ok(
            "limits",
            "the unit of the platform limits neither memory nor tasks".to_owned(),
        ));
    }
    let text = format!("the unit of the platform: {}", parts.join(", "));
    Some(if steps.is_empty() {
        Finding::ok("limits", text)
    } else {
        Finding::warning("limits", Code::LimitNear.code(), text).with_next_step(&steps.join(" "))
    })
}

/// Bytes of the disk's cache in the control group.
fn cache(folder: &Path) -> u64 {
    let text = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let of = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0)
    };
    of("active_file").saturating_add(of("inactive_file"))
}

/// Whether a daemon keeps the clock: systemd-timesyncd says when it is synchronised; of others it is known
/// that they run. A container has the clock of its host.
fn clock(root: &Path) -> Finding {
    if root.join("run/systemd/timesync/synchronized").exists() {
        return Finding::ok("clock", "systemd-timesyncd has synchronised it".to_owned());
    }
    let daemons = ["chrony/chronyd.pid", "chronyd.pid", "ntpd.pid", "openntpd.pid", "ntpd-rs/observe"];
    let daemons = daemons.map(|daemon| root.join("run").join(daemon));
    if let Some(daemon) = daemons.iter().find(|daemon| daemon.exists()) {
        return Finding::ok("clock", format!("a daemon for NTP runs ({})", daemon.display()));
    }
    if ["run/.containerenv", ".dockerenv"].iter().any(|mark| root.join(mark).exists()) {
        let text = "it is the clock of the machine on which this container runs: look there";
        return Finding::ok("clock", text.to_owned());
    }
    let text = "no daemon for NTP is known to have synchronised it".to_owned();
    Finding::warning("clock", SetupCode::ClockUnsynchronised.code(), text)
}

/// What to do about each limit.
const MORE_FILES: &str = "Raise it by LimitNOFILE= of the unit (`systemctl edit pcd-platform`), or by `ulimit -Hn` of \
                          the shell, and restart; or lower interface-a.max-connections.";
const MORE_MEMORY: &str = "Raise MemoryMax= of the unit (`systemctl edit pcd-platform`) and restart; \
                           process_resident_memory_bytes of /metrics shows the course.";
const MORE_TASKS: &str = "Raise TasksMax= of the unit (`systemctl edit pcd-platform`) and restart.";
/// Files that the platform needs besides those of connections.
const RESERVE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_process_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(hard_limit(text), Some(524_288));
        assert_eq!(hard_limit(""), None);
    }

    #[test]
    fn a_unit_that_is_nearly_full_is_a_finding_with_a_next_step_for_each_limit() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("sys/fs/cgroup/system.slice/pcd-platform.service");
        std::fs::create_dir_all(root.path().join("proc/7")).unwrap();
        std::fs::create_dir_all(&group).unwrap();
        let place = "0::/system.slice/pcd-platform.service\n";
        std::fs::write(root.path().join("proc/7/cgroup"), place).unwrap();
        let set = |name: &str, value: &str| std::fs::write(group.join(name), value).unwrap();
        let found = || unit(root.path(), 7).unwrap();
        set("memory.max", "max");
        assert_eq!((found().code, found().next_step), (None, None));
        set("memory.max", "1000000000");
        set("memory.current", "900000000");
        set("memory.stat", "active_file 100000000\ninactive_file 100000000\n");
        set("pids.max", "100");
        set("pids.current", "50");
        assert_eq!(found().code, None, "the cache of the disk goes: {}", found().detail);
        set("pids.current", "81");
        assert_eq!((found().code, found().next_step.as_deref()), (Some("limit-near"), Some(MORE_TASKS)));
        set("memory.stat", "active_file 0\n");
        let step = found().next_step.unwrap();
        assert!(step.contains("MemoryMax=") && step.contains("TasksMax="), "{step}");
    }

    #[test]
    fn a_clock_that_nothing_keeps_is_a_finding() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(clock(root.path()).code, Some("clock-unsynchronised"));
        std::fs::write(root.path().join(".dockerenv"), "").unwrap();
        assert_eq!(clock(root.path()).code, None);
        std::fs::create_dir_all(root.path().join("run/systemd/timesync")).unwrap();
        std::fs::write(root.path().join("run/chronyd.pid"), "1").unwrap();
        assert!(clock(root.path()).detail.contains("chronyd.pid"));
        std::fs::write(root.path().join("run/systemd/timesync/synchronized"), "").unwrap();
        assert!(clock(root.path()).detail.contains("timesyncd"));
    }
}
