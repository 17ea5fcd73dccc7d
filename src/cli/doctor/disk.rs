//! The disks below the platform's folders, the time of a synchronised write, and of a query.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::check_finding::Finding;
use crate::config::Config;
use crate::finding::{Code, SetupCode};
use crate::model::{Clock, size_text};
use crate::store::{OwnChain, Store};

/// Free space, the time of a synchronised write, and of a round trip to the database.
pub(super) async fn look(config: &Config, clock: &Clock) -> Vec<Finding> {
    let store = Store::file_at(&config.store.url).and_then(|file| Some(file.parent()?.to_owned()));
    let folders = [
        ("the store", store.clone()),
        ("audit.state-directory", Some(config.audit.state_directory.clone())),
        ("revocation.directory", Some(config.revocation.directory.clone())),
    ];
    let mut findings = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for (name, folder) in folders {
        let Some(folder) = folder.map(in_this_folder).filter(|folder| !seen.contains(folder)) else {
            continue;
        };
        findings.extend(free(name, &folder, config.store.min_free_percent));
        seen.push(folder);
    }
    if let Some(folder) = store.map(in_this_folder) {
        findings.push(synchronised(&folder, clock));
    }
    findings.extend(round_trip(config, clock).await);
    findings
}

/// The folder of a file without one is this one.
fn in_this_folder(folder: PathBuf) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

fn free(name: &str, folder: &Path, min_free_percent: u64) -> Option<Finding> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let (free, all) =
        (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    let text = format!("{} of {} free at {name}, {}", size_text(free), size_text(all), folder.display());
    let is_full = free < all / 100 * min_free_percent;
    Some(if is_full {
        Finding::error("disk", Code::DiskFilling.code(), text)
    } else {
        Finding::ok("disk", text)
    })
}

/// How long a commit waits for the disk: the median of some writes to a file that is removed again.
fn synchronised(folder: &Path, clock: &Clock) -> Finding {
    match measure(folder, clock) {
        Ok(median) => slow("disk", "a synchronised write", median, MAX_SYNC_TIME),
        Err(error) => {
            let text = format!("a file cannot be written to {}: {error}", folder.display());
            Finding::warning("disk", Code::StoreUnavailable.code(), text)
        }
    }
}

fn measure(folder: &Path, clock: &Clock) -> io::Result<Duration> {
    let path = folder.join(format!(".pcd-platform-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let mut write = || {
        let started = clock.instant();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        Ok(clock.instant().saturating_duration_since(started))
    };
    let times: io::Result<Vec<Duration>> = (0..WRITES).map(|_| write()).collect();
    fs::remove_file(&path)?;
    let mut times = times?;
    times.sort_unstable();
    Ok(times.get(WRITES / 2).copied().unwrap_or_default())
}

/// How long the database takes for a query of one row.
async fn round_trip(config: &Config, clock: &Clock) -> Option<Finding> {
    let chain = OwnChain::containing(config.store.node.clone(), None);
    // What is wrong with the store is a finding already.
    let plan = Store::plan_migration(&config.store.url).await.ok()?;
    if plan.is_pending() {
        return None;
    }
    let store = Store::open_to_read(chain, &config.store.url, clock.clone()).await.ok()?;
    let mut median = Vec::new();
    for _ in 0..QUERIES {
        let started = clock.instant();
        if store.confirmed_clock().await.is_ok() {
            median.push(clock.instant().saturating_duration_since(started));
        }
    }
    store.close().await;
    median.sort_unstable();
    let median = median.get(median.len() / 2)?;
    Some(slow("database", "a round trip", *median, MAX_ROUND_TRIP))
}

fn slow(what: &'static str, of: &str, median: Duration, limit: Duration) -> Finding {
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let text = format!("{of} takes {:.1} ms", milliseconds(median));
    if median <= limit {
        return Finding::ok(what, text);
    }
    let text = format!("{text}, more than {:.0} ms: devices wait that much longer", milliseconds(limit));
    Finding::warning(what, SetupCode::StoreSlow.code(), text)
}

const WRITES: usize = 9;
const QUERIES: usize = 5;
/// Beyond this a commit keeps devices waiting noticeably.
const MAX_SYNC_TIME: Duration = Duration::from_millis(50);
const MAX_ROUND_TRIP: Duration = Duration::from_millis(20);
