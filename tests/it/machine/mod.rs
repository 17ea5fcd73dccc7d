//! Faults of the machine and of its network: lost links, no free descriptors, no memory, a name service that
//! does not answer, and all devices that connect again at once.

mod half_open;
mod memory;
mod name_service;
mod open_files;
mod reconnect;

use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Credential, Platform, Site, Wire, framed};

/// A device in the directory, with its certificate.
fn admitted(site: &Site, platform: &Platform, name: &str) -> Credential {
    platform.admit(name, &[]);
    site.certificate(name, KeyType::Ecc)
}

/// Sends a message and returns MSA-1 of its answer.
fn ask(wire: &mut Wire, message: &[u8]) -> String {
    wire.write(&framed(message));
    wire.verdict().0
}

/// What the check `accepting` of `/readyz` says; `None` while it is fulfilled.
fn shortage(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).unwrap();
    let accepting = &body["checks"]["accepting"];
    let reason = accepting["reason"].as_str().map(str::to_owned);
    assert_eq!(accepting["ok"], reason.is_none(), "{body}");
    reason
}

/// The processor time that the platform has taken since its start.
fn processor_time(platform: &Platform) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", platform.pid())).unwrap();
    // proc(5): utime and stime are fields 14 and 15, in hundredths of a second; field 2 may contain blanks.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// The share of one processor that the platform takes while nothing is asked of it.
fn load(platform: &Platform) -> f64 {
    let (began, before) = (Instant::now(), processor_time(platform));
    std::thread::sleep(Duration::from_secs(1));
    (processor_time(platform) - before).as_secs_f64() / began.elapsed().as_secs_f64()
}
