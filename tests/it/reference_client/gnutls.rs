//! `gnutls-serv --ocsp-response`: one response in TLS 1.2, one for each certificate in TLS 1.3.

use pcd_platform::config::TlsVersion::{Tls12, Tls13};
use pcd_platform::pki::KeyType;
use pcd_platform::tls::Staples;

use super::staple::{Kind, Of};
use super::{FAULTS, Running, Scene};
use crate::harness::{fixed_address, tool};

/// `checks`: it gives each response to the certificate that it is about; otherwise it takes any one response
/// for its own certificate.
fn server(scene: &Scene, staples: &[(Of, Kind)], checks: bool) -> Running {
    let address = fixed_address();
    // It writes where it listens to stderr.
    drop(tool("gnutls-serv", "gnutls-bin"));
    let mut server = tool("sh", "dash");
    server.args(["-c", "exec gnutls-serv \"$@\" 2>&1", "gnutls-serv", "--echo", "--require-client-cert"]);
    server.args(["--verify-client-cert", "--port"]).arg(address.port().to_string());
    server.arg("--x509cafile").arg(scene.site.trust_bundle());
    server.arg("--x509certfile").arg(&scene.platform.chain).arg("--x509keyfile").arg(&scene.platform.key);
    if !checks {
        server.arg("--ignore-ocsp-response-errors");
    }
    for (of, kind) in staples {
        let file = scene.site.path().join(format!("{of:?}.der"));
        std::fs::write(&file, scene.staples.make(*of, *kind).unwrap()).unwrap();
        server.arg("--ocsp-response").arg(file);
    }
    let address = address.to_string();
    Running::start(server, move |line| line.contains("IPv4").then(|| address.clone()))
}

#[test]
fn b18_gnutls_is_accepted_in_tls_1_3_and_staples_too_little_in_tls_1_2() {
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let scene = Scene::new(key);
        let server = server(&scene, &[(Of::Leaf, Kind::Good), (Of::Ca, Kind::Good)], true);
        scene.echo(&server.address, Tls13, Staples::Require, "alarm\n").unwrap();
        let refused = scene.echo(&server.address, Tls12, Staples::Require, "alarm\n").unwrap_err();
        assert!(refused.contains("no status for CN="), "{refused}");
        scene.echo(&server.address, Tls12, Staples::Accept, "alarm\n").unwrap();
    }
}

/// B14, B18
#[test]
fn b18_gnutls_with_one_bad_staple_is_refused() {
    [KeyType::Ecc, KeyType::Rsa].into_iter().for_each(one_bad_staple);
}

fn one_bad_staple(key: KeyType) {
    let scene = Scene::new(key);
    for present in [Of::Leaf, Of::Ca] {
        let server = server(&scene, &[(present, Kind::Good)], true);
        let refused = scene.echo(&server.address, Tls13, Staples::Require, "alarm\n").unwrap_err();
        assert!(refused.contains("no status for CN="), "{key:?}, {present:?} alone: {refused}");
    }
    for (kind, why) in FAULTS.into_iter().filter(|(kind, _)| *kind != Kind::Missing) {
        let server = server(&scene, &[(Of::Leaf, kind)], false);
        for version in [Tls12, Tls13] {
            let refused = scene.echo(&server.address, version, Staples::Accept, "alarm\n").unwrap_err();
            assert!(refused.contains(why), "{key:?}, {kind:?} {version:?}: {refused}");
        }
    }
}
