//! Java's own TLS as a device: `tests/peers/JsseDevice.java`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use pcd_platform::pki::KeyType;

use crate::conversation::{Peer, in_every_suite};
use crate::harness::{command, tool};
use crate::shared::{Device, Shared};
use crate::suite::Suite;
use crate::talk::Writing;

pub struct Jsse;

/// Where the compiled class is; compiled once.
static CLASSES: LazyLock<PathBuf> = LazyLock::new(|| {
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/JsseDevice.java");
    let compiled =
        tool("javac", "default-jdk-headless").arg("-d").arg(&classes).arg(source).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    classes
});

impl Peer for Jsse {
    const NAME: &'static str = "JSSE";
    const WRITING: Writing = Writing::Counted;
    const TLS13_PADDING: usize = 16;

    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, more: &[&str]) -> Command {
        let mut java = command("java", "default-jdk-headless");
        // It lives for a second: the first compiler is enough.
        java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]).args(more);
        java.arg("-cp").arg(&*CLASSES).arg("JsseDevice");
        java.arg(device.pkcs12()).arg(Device::PASSWORD).arg(&shared.roots);
        java.args([to.ip().to_string(), to.port().to_string()]);
        java.arg(if suite.is_tls13() { "TLSv1.3" } else { "TLSv1.2" }).arg(format!("TLS_{}", suite.name));
        java
    }
}

#[test]
fn a3_jsse_with_an_ecc_certificate_in_every_suite() {
    in_every_suite::<Jsse>(KeyType::Ecc);
}

#[test]
fn a3_jsse_with_an_rsa_certificate_in_every_suite() {
    in_every_suite::<Jsse>(KeyType::Rsa);
}
