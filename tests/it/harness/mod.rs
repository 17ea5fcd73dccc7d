//! Starts the real platform on ports that the operating system chooses, with a PKI of its own, and gives
//! tests the hands of a device, an operator and an attacker.
//!
//! What a test starts, it ends: processes are killed by their id when their handle is dropped.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this")]

mod balancer;
#[path = "../../cluster/mod.rs"]
pub mod cluster;
mod device;
mod disk;
mod faulty_disk;
mod java;
mod namespace;
mod openssl;
mod peer;
mod platform;
mod prometheus;
mod responder;
mod rsyslog;
mod site;
mod sockets;
mod stage;
mod wal;
mod wire;

pub use balancer::{Balancer, BalancerKind};
pub use device::{Device, framed, message, runtime};
pub use disk::Disk;
pub use faulty_disk::FaultyDisk;
pub use java::java;
pub use namespace::{ip, on_a_network_of_its_own, where_one_may_mount};
pub use openssl::{alert, s_client};
pub use peer::{Finished, command, command_at, connect_from, finish, tool};
pub use platform::{Cli, Platform, Stopped, binary, complaints, program};
pub use prometheus::monitoring_tool;
pub use responder::{OpensslOcsp, OwnResponder, Server, authority, fixed_address, serial};
pub use rsyslog::Rsyslog;
pub use site::{Credential, Site, establish, pki};
pub use sockets::{has_read_everything, has_unread_answers};
pub use stage::{Own, Stage, gauge, known};
pub use wal::Wal;
pub use wire::{Wire, connector, field};

use std::time::Duration;

/// How long anything may take that should happen at once; generous, because the machine may be busy. Only a
/// fault makes a test wait for so long.
pub const SOON: Duration = Duration::from_secs(60);

/// Waits until `happened` says so; fails the test with `what` if that takes too long.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !happened() {
        assert!(started.elapsed() < SOON, "did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Looks again and again until what it sees `holds`, and returns that; fails the test with `what` and with
/// what it saw last if that takes too long.
pub fn wait_for<T: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> T,
    mut holds: impl FnMut(&T) -> bool,
) -> T {
    let started = std::time::Instant::now();
    loop {
        let seen = look();
        if holds(&seen) {
            return seen;
        }
        assert!(started.elapsed() < SOON, "did not happen in time: {what}; last seen: {seen:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
