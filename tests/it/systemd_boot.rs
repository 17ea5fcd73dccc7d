//! The units under a real systemd, as process 1 of a machine in namespaces. As root, where that can be had:
//!
//!     PCD_SYSTEMD=1 cargo test --all-features --test it systemd_boot:: -- --nocapture
//!
//! Without the variable the test does nothing: a container without the right to mount cannot do it.

use std::process::Command;

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use crate::harness::{establish, message, program};

const NAME: &str = "00A037FFFE000001";

#[test]
fn the_units_serve_under_a_real_systemd_as_the_page_says() {
    if std::env::var_os("PCD_SYSTEMD").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pki = establish(&folder.path().join("pki"), &Clock::system());
    let issued = pki.issue(&CertificateOrder::new(NAME, Role::Device, KeyType::Ecc)).unwrap();
    std::fs::copy(issued.chain, folder.path().join("device.chain.pem")).unwrap();
    std::fs::copy(issued.key, folder.path().join("device.key")).unwrap();
    std::fs::write(folder.path().join("message"), message(NAME, "1")).unwrap();
    std::fs::write(folder.path().join("name"), NAME).unwrap();
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/systemd");
    let output = Command::new("timeout")
        .args(["--signal=KILL", "300", "unshare", "--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup"])
        .args(["--fork", "--kill-child"])
        .arg(format!("{scripts}/boot"))
        .arg(folder.path())
        .arg(format!("{scripts}/driver"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("BINARY", program())
        .output()
        .unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let (log, platform) = (text("driver.log"), text("pcd-platform.log"));
    let held: Vec<_> = log.lines().filter(|line| line.starts_with("HOLDS ")).collect();
    let machine = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(held.len(), 13, "{log}\n{platform}\n{machine}");
    println!("{}", held.join("\n"));
}
