//! What the platform takes: memory and disk.

use std::path::Path;
use std::time::Duration;

use crate::harness::Platform;

/// A value of `/proc/PID/status` in KiB.
pub fn memory_kib(platform: &Platform, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Bytes in the folder of a site: the store, the log, and everything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk([u64; 3]);

impl Disk {
    pub fn of(folder: &Path) -> Self {
        let mut disk = Self::default();
        disk.add(folder);
        disk
    }

    fn add(&mut self, folder: &Path) {
        // A file may be gone before it is looked at.
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if metadata.is_dir() {
                self.add(&entry.path());
                continue;
            }
            let kind = match name.as_ref() {
                _ if name.starts_with("platform.db") => 0,
                "log" => 1,
                _ => 2,
            };
            self.0[kind] += metadata.len();
        }
    }
}

/// Growth in the phases of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Growth {
    /// Of the store, of the log, and of everything else.
    pub bytes: [i64; 3],
    pub duration: Duration,
    /// Accepted messages.
    pub messages: u64,
}

impl Growth {
    pub fn add(&mut self, before: Disk, after: Disk, duration: Duration, messages: u64) {
        for (kind, bytes) in self.bytes.iter_mut().enumerate() {
            *bytes += after.0[kind].cast_signed() - before.0[kind].cast_signed();
        }
        self.duration += duration;
        self.messages += messages;
    }
}

/// What was measured from outside.
#[derive(Debug, Default)]
pub struct Observed {
    pub quiet: Growth,
    pub attacked: Growth,
    /// The most resident memory in KiB: in quiet phases, and at all.
    pub quiet_kib: u64,
    pub peak_kib: u64,
}

/// The duration that all but one in a hundred stay below.
pub fn percentile(durations: &mut [Duration], percent: usize) -> Duration {
    durations.sort_unstable();
    let at = (durations.len() * percent / 100).min(durations.len().saturating_sub(1));
    durations.get(at).copied().unwrap_or_default()
}
