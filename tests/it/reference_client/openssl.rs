//! `openssl s_server -status_file`: the response of its own certificate and no other.

use std::path::PathBuf;

use pcd_platform::config::TlsVersion::{self, Tls12, Tls13};
use pcd_platform::pki::KeyType;
use pcd_platform::tls::Staples;

use super::staple::{Kind, Of};
use super::{Running, Scene, faults_with_each_key};
use crate::harness::{Credential, command, finish, tool};

fn server(scene: &Scene, leaf: Kind, more: &[&str]) -> Running {
    let mut server = tool("openssl", "openssl");
    server.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-Verify", "2", "-verify_return_error"]);
    server.arg("-CAfile").arg(scene.site.trust_bundle()).args(more);
    server.arg("-cert").arg(&scene.platform.chain).arg("-cert_chain").arg(&scene.platform.chain);
    server.arg("-key").arg(&scene.platform.key);
    // Without a file it takes a group that has no number in TLS (RFC 7919).
    server.arg("-dhparam").arg(named_group(scene));
    if let Some(staple) = scene.staples.make(Of::Leaf, leaf) {
        let file = scene.site.path().join("leaf.der");
        std::fs::write(&file, staple).unwrap();
        server.arg("-status_file").arg(file);
    }
    Running::start(server, |line| Some(line.strip_prefix("ACCEPT ")?.to_owned()))
}

/// A root with an RSA key of 4096 bits, and a certificate of 127.0.0.1 that it has issued.
fn with_a_large_root(scene: &Scene) -> (PathBuf, Credential) {
    let file = |name: &str| scene.site.path().join(name);
    let run = |words: &[&str]| {
        let mut openssl = command("openssl", "openssl");
        openssl.args(words).current_dir(scene.site.path());
        let done = finish(openssl, b"", None);
        assert!(done.success, "{words:?}: {}", done.text());
    };
    std::fs::write(file("san"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n").unwrap();
    let root = ["-newkey", "rsa:4096", "-keyout", "r.key", "-out", "r.pem", "-subj", "/CN=Large root"];
    run(&[&["req", "-x509", "-nodes", "-days", "9"][..], &root].concat());
    let own = ["-newkey", "rsa:2048", "-keyout", "p.key", "-out", "p.csr", "-subj", "/CN=platform"];
    run(&[&["req", "-nodes"][..], &own].concat());
    let issuing = ["-in", "p.csr", "-CA", "r.pem", "-CAkey", "r.key", "-CAcreateserial", "-out", "p.pem"];
    run(&[&["x509", "-req", "-days", "9", "-extfile", "san"][..], &issuing].concat());
    (file("r.pem"), Credential { chain: file("p.pem"), key: file("p.key") })
}

#[test]
fn b15_a_root_with_an_rsa_key_of_4096_bits_is_a_trust_anchor() {
    let mut scene = Scene::new(KeyType::Rsa);
    let (root, platform) = with_a_large_root(&scene);
    scene.platform = platform;
    let server = server(&scene, Kind::Missing, &[]);
    for version in VERSIONS {
        let connector =
            super::connector_to(std::slice::from_ref(&root), &scene.device, vec![version], Staples::Accept);
        scene.echo_by(&connector, &server.address, "mrala\n").unwrap();
        let others = scene.echo(&server.address, version, Staples::Accept, "mrala\n").unwrap_err();
        assert!(others.contains("untrusted-issuer"), "{others}");
    }
}

fn named_group(scene: &Scene) -> PathBuf {
    let file = scene.site.path().join("ffdhe2048.pem");
    let mut openssl = command("openssl", "openssl");
    openssl.args(["genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out"]);
    openssl.arg(&file);
    let done = finish(openssl, b"", None);
    assert!(file.exists(), "{}", done.text());
    file
}

const VERSIONS: [TlsVersion; 2] = [Tls12, Tls13];

#[test]
fn b18_openssl_that_staples_its_own_certificate_only_is_refused_unless_a_missing_status_is_accepted() {
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let scene = Scene::new(key);
        let server = server(&scene, Kind::Good, &[]);
        for version in VERSIONS {
            let refused = scene.echo(&server.address, version, Staples::Require, "mrala\n").unwrap_err();
            assert!(refused.contains("no status for CN="), "{version:?}: {refused}");
            assert!(refused.contains("CA"), "the issuing CA has none: {refused}");
            scene.echo(&server.address, version, Staples::Accept, "mrala\n").unwrap();
        }
    }
}

// A status that is there and is not good is refused in both modes.
/// B14, B18
#[test]
fn b18_openssl_with_a_bad_staple_is_refused() {
    for (key, (kind, why)) in faults_with_each_key() {
        let scene = Scene::new(key);
        let server = server(&scene, kind, &[]);
        for version in VERSIONS {
            for missing in [Staples::Require, Staples::Accept] {
                let done = scene.echo(&server.address, version, missing, "mrala\n");
                if kind == Kind::Missing && missing == Staples::Accept {
                    done.unwrap();
                    continue;
                }
                let refused = done.unwrap_err();
                assert!(refused.contains(why), "{key:?} {kind:?} {version:?} {missing:?}: {refused}");
            }
        }
    }
}

// A HelloRetryRequest: the second ClientHello has extension 17 as well (RFC 8446 section 4.1.2).
#[test]
fn b18_a_hello_retry_request_changes_nothing() {
    let scene = Scene::new(KeyType::Ecc);
    let server = server(&scene, Kind::Good, &["-groups", "P-521"]);
    let connector = |missing| {
        let versions = vec![Tls12, Tls13];
        super::connector_of(&scene.site, &scene.device, versions, None, missing)
    };
    scene.echo_by(&connector(Staples::Accept), &server.address, "mrala\n").unwrap();
    let refused = scene.echo_by(&connector(Staples::Require), &server.address, "mrala\n").unwrap_err();
    assert!(refused.contains("no status for CN="), "{refused}");
}
