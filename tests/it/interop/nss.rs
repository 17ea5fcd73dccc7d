//! NSS's `tstclnt` as a device.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use pcd_platform::pki::KeyType;

use super::conversation::{Peer, in_every_suite};
use super::shared::{Device, Shared};
use super::suite::Suite;
use super::talk::Writing;
use crate::harness::{Credential, command, tool};

pub struct Nss;

const PACKAGE: &str = "libnss3-tools";

impl Peer for Nss {
    const NAME: &'static str = "NSS";
    const WRITING: Writing = Writing::Plain;

    fn command(shared: &Shared, to: SocketAddr, device: &Device, suite: Suite, more: &[&str]) -> Command {
        let version = if suite.is_tls13() { "tls1.3:tls1.3" } else { "tls1.2:tls1.2" };
        let mut tstclnt = command("tstclnt", PACKAGE);
        // Or it measures, for seconds, how fast the file system is.
        tstclnt.env("NSS_SDB_USE_CACHE", "no");
        tstclnt
            .args(["-h", &to.ip().to_string(), "-p", &to.port().to_string()])
            .arg("-d")
            .arg(database(shared, device))
            .args(["-n", &device.name, "-V", version, "-c", &format!(":{:04X}", suite.number)])
            .args(more);
        tstclnt
    }
}

/// NSS keeps keys and trust anchors in a database: made once for each device.
fn database(shared: &Shared, device: &Device) -> PathBuf {
    let folder = shared.site.path().join(format!("nss-{}", device.name));
    if folder.exists() {
        return folder;
    }
    std::fs::create_dir(&folder).unwrap();
    let run = |name: &str, arguments: &[&str]| {
        let ran = tool(name, PACKAGE).arg("-d").arg(&folder).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    run("certutil", &["-N", "--empty-password"]);
    for (name, anchor) in ["ecc-root", "rsa-root"].iter().zip(shared.site.trust_anchors()) {
        run("certutil", &["-A", "-n", name, "-t", "C,,", "-i", &anchor.display().to_string()]);
    }
    let pkcs12 = device.pkcs12();
    run("pk12util", &["-i", &pkcs12.display().to_string(), "-W", Credential::PASSWORD]);
    folder
}

#[test]
fn a3_nss_with_an_ecc_certificate_in_every_suite() {
    in_every_suite::<Nss>(KeyType::Ecc);
}

#[test]
fn a3_nss_with_an_rsa_certificate_in_every_suite() {
    in_every_suite::<Nss>(KeyType::Rsa);
}
