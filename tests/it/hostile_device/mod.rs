//! One authorized device that is broken or malicious: what it costs the platform and the other devices.

mod fairness;
mod limits;
mod memory;
mod pages;

use std::time::Duration;

use pcd_platform::pki::KeyType;

use crate::harness::{Credential, Platform, Site, Wire, framed, message};

/// A device in the directory, with its certificate.
fn admitted(site: &Site, platform: &Platform, name: &str) -> Credential {
    platform.admit(name, &[]);
    site.certificate(name, KeyType::Ecc)
}

/// A message of `name` with this MSH-10 that is about `bytes` long.
fn large(name: &str, id: &str, bytes: usize) -> Vec<u8> {
    let note = format!("NTE|1||{}\r", "x".repeat(1000));
    [&message(name, id)[..], note.repeat(bytes / note.len()).as_bytes()].concat()
}

/// A number from the environment, which makes a test larger or a measurement longer.
fn requested(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Resident memory of the platform, in bytes.
fn resident(platform: &Platform) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

/// Sends a message and returns MSA-1 of its answer.
fn ask(wire: &mut Wire, message: &[u8]) -> String {
    wire.write(&framed(message));
    wire.verdict().0
}

const TICK: Duration = Duration::from_millis(50);
