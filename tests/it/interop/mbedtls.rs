//! mbed TLS as a device: `tests/peers/mbedtls_device.c`. Of all peers it is the one that can send empty
//! records.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use pcd_platform::pki::KeyType;

use super::conversation::{Peer, in_every_suite};
use super::shared::{Device, Shared};
use super::suite::Suite;
use super::talk::Writing;
use crate::harness::{command_at, tool};

pub struct MbedTls;

/// The program, without arguments.
pub fn program() -> Command {
    command_at(&PROGRAM)
}

/// The compiled program; compiled once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mbedtls_device");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/mbedtls_device.c");
    let compiled = tool("cc", "build-essential")
        .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(source)
        .args(["-lmbedtls", "-lmbedx509", "-lmbedcrypto"])
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "mbed TLS may not be installed: apt-get install libmbedtls-dev (tests/run does it)\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    program
});

impl Peer for MbedTls {
    const NAME: &'static str = "MBEDTLS";
    const WRITING: Writing = Writing::Counted;
    const TLS13: bool = false;
    const EMPTY_RECORDS: bool = true;

    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, _more: &[&str]) -> Command {
        let mut program = program();
        program.arg(&shared.roots).arg(&device.own.chain).arg(&device.own.key);
        program.args([to.ip().to_string(), to.port().to_string(), format!("{:04x}", suite.number)]);
        program
    }
}

#[test]
fn a3_mbedtls_with_an_ecc_certificate_in_every_suite_and_with_empty_records() {
    in_every_suite::<MbedTls>(KeyType::Ecc);
}

#[test]
fn a3_mbedtls_with_an_rsa_certificate_in_every_suite_and_with_empty_records() {
    in_every_suite::<MbedTls>(KeyType::Rsa);
}
