//! wolfSSL's server (`tests/peers/wolfssl_platform.c`): a list in TLS 1.2 (`ocsp_multi`, RFC 6961).
//!
//! It looks at the responses itself: it leaves out one whose signer it does not find, and ends the handshake
//! where one is not good. So a client never sees a bad staple of its; that it is not accepted then is shown.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pcd_platform::config::TlsVersion::Tls12;
use pcd_platform::pki::{Authority, KeyType};
use pcd_platform::tls::Staples;

use super::staple::{Kind, Of};
use super::{Running, Scene, faults_with_each_key};
use crate::harness::{authority, command_at, serial, tool};

/// The program, compiled once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let package = "libwolfssl-dev is not installed: apt-get install libwolfssl-dev (tests/run does it)";
    assert!(Path::new("/usr/include/wolfssl/ssl.h").exists(), "{package}");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wolfssl_platform");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/wolfssl_platform.c");
    let mut cc = tool("cc", "build-essential");
    cc.args(["-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source).arg("-lwolfssl");
    let compiled = cc.output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    program
});

fn server(scene: &Scene, leaf: Kind, ca: Kind) -> Running {
    let file = |name: &str| scene.site.path().join(name);
    let mut server = command_at(&PROGRAM);
    // It asks about its own certificate, and so has to know who issued it.
    let issuing = if scene.is_rsa { Authority::PlatformCaRsa } else { Authority::PlatformCaEcc };
    let trusted: Vec<_> = [scene.site.trust_bundle(), authority(issuing).0]
        .iter()
        .flat_map(|part| std::fs::read(part).unwrap())
        .collect();
    std::fs::write(file("trusted.pem"), trusted).unwrap();
    server.arg(file("trusted.pem")).arg(&scene.platform.chain).arg(&scene.platform.key);
    server.arg(serial(&scene.platform));
    for (of, kind) in [(Of::Leaf, leaf), (Of::Ca, ca)] {
        let staple = match kind {
            Kind::Good => Some(scene.staples.good_with_signer(of)),
            _ => scene.staples.make(of, kind),
        };
        match staple {
            Some(staple) => {
                let staple_file = file(&format!("{of:?}.der"));
                std::fs::write(&staple_file, staple).unwrap();
                server.arg(staple_file);
            }
            None => drop(server.arg("-")),
        }
    }
    Running::start(server, |line| Some(line.strip_prefix("listening ")?.to_owned()))
}

#[test]
fn b18_wolfssl_is_accepted_in_tls_1_2() {
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let scene = Scene::new(key);
        let server = server(&scene, Kind::Good, Kind::Good);
        scene.echo(&server.address, Tls12, Staples::Require, "alarm\n").unwrap();
    }
}

/// B14, B18
#[test]
fn b18_wolfssl_with_one_bad_staple_is_not_accepted() {
    for (key, (kind, _)) in faults_with_each_key() {
        let scene = Scene::new(key);
        for (leaf, ca) in [(kind, Kind::Good), (Kind::Good, kind)] {
            let server = server(&scene, leaf, ca);
            let done = scene.echo(&server.address, Tls12, Staples::Require, "alarm\n");
            assert!(done.is_err(), "{key:?}, {leaf:?} {ca:?}");
        }
    }
}
