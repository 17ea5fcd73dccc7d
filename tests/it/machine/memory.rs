//! The memory of the control group is nearly used up.
//!
//! The kernel's own limit, with sessions until it is reached, on a machine where control groups can be made:
//!
//!     cargo test --all-features --test it machine::memory -- --ignored --nocapture
//!
//! `PCD_TEST_SESSION_MIB=40` sets the room for sessions, `PCD_TEST_BINARY` another program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pcd_platform::pki::KeyType;

use super::{admitted, ask, shortage};
use crate::harness::{
    Credential, Device, Platform, Site, Wire, eventually, framed, message, runtime, tool, where_one_may_mount,
};

/// Control groups in which one writes what is used.
struct Groups(PathBuf);

impl Groups {
    /// Version 2, as the container of a platform sees its own.
    fn mount() -> Self {
        let root = PathBuf::from("/sys/fs/cgroup");
        let words = ["-t", "tmpfs", "tmpfs", root.to_str().unwrap()];
        let output = tool("mount", "mount").args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let groups = Self(root);
        std::fs::write(groups.0.join("memory.max"), "1000000000\n").unwrap();
        std::fs::write(groups.0.join("memory.stat"), "anon 1\nactive_file 100000000\ninactive_file 0\n")
            .unwrap();
        groups.used(100);
        groups
    }

    /// How many megabytes are used, without 100 of files.
    fn used(&self, megabytes: u64) {
        let bytes = (megabytes + 100) * 1_000_000;
        std::fs::write(self.0.join("memory.current"), format!("{bytes}\n")).unwrap();
    }
}

fn is_short(platform: &Platform) -> bool {
    let (status, body) = platform.get("/readyz");
    let reason = shortage(&body);
    assert_eq!(status == 503, reason.is_some(), "{body}");
    reason.is_some_and(|reason| reason.contains("memory"))
}

#[test]
fn while_memory_is_short_open_sessions_go_on_and_new_ones_wait() {
    where_one_may_mount(
        "machine::memory::while_memory_is_short_open_sessions_go_on_and_new_ones_wait",
        || {
            let groups = Groups::mount();
            let site = Site::new();
            let platform = site.start();
            let own = admitted(&site, &platform, "DEVICE");
            let mut open: Vec<_> = (0..2).map(|_| Wire::connect(&site, platform.address, &own)).collect();
            assert_eq!(ask(&mut open[0], &message("DEVICE", "1")), "CA");
            groups.used(845);
            std::thread::sleep(Duration::from_secs(1));
            assert!(!is_short(&platform));
            groups.used(900);
            eventually("/readyz says so", || is_short(&platform));
            let large = [&message("DEVICE", "2")[..], "NTE|1||x\r".repeat(20_000).as_bytes()].concat();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    let mut device = Device::connect(&site, platform.address, &own).unwrap();
                    device.code(message("DEVICE", "3"))
                });
                assert_eq!(ask(&mut open[0], &message("DEVICE", "4")), "CA", "a message of an open session");
                open[1].try_write(&framed(&large)).unwrap();
                assert!(open[1].is_quiet(Duration::from_secs(1)), "a large frame waits");
                assert!(!waiting.is_finished());
                // The memory of a session that ends is used again.
                open.swap_remove(0).close();
                assert_eq!(waiting.join().unwrap(), "CA", "in place of the one that has ended");
            });
            assert!(is_short(&platform));
            groups.used(700);
            assert_eq!(open[0].verdict(), ("CA".to_owned(), "2".to_owned()), "the large frame is read now");
            eventually("connections are taken", || !is_short(&platform));
            let more =
                [Wire::connect(&site, platform.address, &own), Wire::connect(&site, platform.address, &own)];
            assert_eq!(platform.metric("pcd_memory_limit_bytes"), 1e9);
            assert_eq!(platform.metric(r#"pcd_accept_pauses_total{reason="memory"}"#), 1.0);
            drop(more);
        },
    );
}

/// A control group of the kernel with a limit, of the version that the machine has.
#[derive(Debug)]
struct KernelGroup {
    folder: PathBuf,
    file: &'static str,
}

impl KernelGroup {
    fn new() -> Self {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let version_1 = groups.lines().find_map(|line| line.split_once(":memory:/"));
        let version_2 = groups.lines().find_map(|line| line.split_once("0::/"));
        let (top, own, file) = match (version_1, version_2) {
            (Some((_, own)), _) => ("/sys/fs/cgroup/memory", own, "memory.limit_in_bytes"),
            (None, Some((_, own))) => ("/sys/fs/cgroup", own, "memory.max"),
            (None, None) => panic!("this machine has no control groups"),
        };
        let folder = Path::new(top).join(own).join(format!("pcd-test-{}", std::process::id()));
        let group = Self { folder, file };
        let made = std::fs::create_dir(&group.folder).and_then(|()| group.set(1 << 30));
        made.unwrap_or_else(|error| {
            panic!("run as root where control groups may be made: {group:?}: {error}")
        });
        group
    }

    fn set(&self, bytes: u64) -> std::io::Result<()> {
        std::fs::write(self.folder.join(self.file), bytes.to_string())
    }

    fn script(&self) -> String {
        format!("echo $$ > {}/cgroup.procs; exec \"$@\"", self.folder.display())
    }
}

impl Drop for KernelGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Bytes for sessions, besides what the platform takes without them in whatever build. Above its mark there
/// is room for what comes in between two looks at the memory.
fn for_sessions() -> u64 {
    std::env::var("PCD_TEST_SESSION_MIB").map_or(128, |mib| mib.parse::<u64>().unwrap()) << 20
}

/// Peers without an entry in the directory, as fast as two cores let them.
fn flood_with_refused(site: &Site, platform: &Platform, time: Duration) -> usize {
    let stranger = site.certificate("STRANGER", KeyType::Ecc);
    let (runtime, at_once) = (runtime(), Duration::from_secs(2));
    let end = std::time::Instant::now() + time;
    let flood = || {
        let mut refused = 0;
        while std::time::Instant::now() < end {
            refused += usize::from(
                Device::connect_on(&runtime, site, platform.address, &stranger, None, at_once).is_err(),
            );
        }
        refused
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(flood)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Opens sessions until none is taken any more; how many that were.
fn fill(site: &Site, platform: &Platform, own: &Credential, open: &mut Vec<Device>) -> usize {
    let (at_once, runtime) = (Duration::from_secs(5), runtime());
    while open.len() < 10_000 {
        match Device::connect_on(&runtime, site, platform.address, own, None, at_once) {
            Ok(device) => open.push(device),
            Err(_) => break,
        }
    }
    open.len()
}

#[test]
#[ignore = "makes a control group: the command is at the top of this file"]
fn the_kernel_does_not_kill_a_platform_with_too_many_sessions() {
    let group = KernelGroup::new();
    let site = Site::new()
        .launched_by(&group.script())
        .with("interface-a", "sessions-per-device = 100000")
        .with("interface-a", "new-sessions-per-device = 1000000")
        .with("interface-a", "shared-addresses = [\"127.0.0.0/8\"]");
    let platform = site.start();
    let own = admitted(&site, &platform, "DEVICE");
    let mut open = Vec::new();
    let mut first = Device::connect(&site, platform.address, &own).unwrap();
    let used = || platform.metric("pcd_memory_used_bytes") as u64;
    eventually("its memory is known", || used() > 0);
    let limit = used() + for_sessions();
    group.set(limit).unwrap();
    eventually("the limit is known", || platform.metric("pcd_memory_limit_bytes") <= limit as f64);
    let count = fill(&site, &platform, &own, &mut open);
    assert!(is_short(&platform), "{count} sessions");
    assert_eq!(first.code(message("DEVICE", "1")), "CA");
    println!("{count} sessions, {} of {} MiB", used() >> 20, limit >> 20);
    let refused = flood_with_refused(&site, &platform, Duration::from_secs(10));
    println!("{refused} refused, {} of {} MiB", used() >> 20, limit >> 20);
    assert_eq!(first.code(message("DEVICE", "5")), "CA", "after the flood");
    // All leave and come again: what they held is used again.
    drop(open.drain(..));
    eventually("they have left", || platform.metric("pcd_connections_active") == 1.0);
    let again = fill(&site, &platform, &own, &mut open);
    println!("{again} sessions after all had left");
    assert!(again * 10 >= count * 9);
    assert_eq!(first.code(message("DEVICE", "2")), "CA");
    drop((open, first));
    assert!(platform.stop().status.success());
    drop(group);
}
