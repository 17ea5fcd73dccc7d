//! Java's own TLS as the platform (`tests/peers/JssePlatform.java`), with
//! `jdk.tls.server.enableStatusRequestExtension`: a list in TLS 1.2 (RFC 6961), one response for each
//! certificate in TLS 1.3. It asks a real OCSP responder.

use std::sync::Arc;

use pcd_platform::config::TlsVersion::{self, Tls12, Tls13};
use pcd_platform::pki::KeyType;
use pcd_platform::revocation::ocsp::Request;

use super::staple::{AT_ONCE, Kind, Of};
use super::{FAULTS, Running, Scene};
use crate::harness::{Server, java};

fn platform(scene: &Scene, leaf: Kind, ca: Kind) -> (Running, Server) {
    let staples: Vec<_> = [(Of::Leaf, leaf), (Of::Ca, ca)]
        .map(|(of, kind)| (scene.staples.serial(of).to_vec(), scene.staples.make(of, kind)))
        .into();
    let answer = move |request: Vec<u8>| {
        let request = Request::read(&request).ok()?;
        let asked = &request.certificates.first()?.serial;
        staples.iter().find(|(serial, _)| serial == asked)?.1.clone()
    };
    let server = Server::start(AT_ONCE, Arc::new(answer));
    // A long path: it asks by POST.
    let responder = server.url(&"x".repeat(250));
    let mut jsse = java(
        "JssePlatform",
        &[],
        &[
            "-Djdk.tls.server.enableStatusRequestExtension=true",
            "-Djdk.tls.stapling.responderOverride=true",
            &format!("-Djdk.tls.stapling.responderURI={responder}"),
        ],
    );
    jsse.arg(scene.whole_chain().pkcs12("platform")).arg(crate::harness::Credential::PASSWORD);
    jsse.arg(scene.site.trust_bundle());
    let running = Running::start(jsse, |line| Some(line.strip_prefix("listening ")?.to_owned()));
    (running, server)
}

/// What the platform can negotiate with a key of this kind.
fn suites(key: KeyType) -> Vec<(TlsVersion, &'static str)> {
    let mut all = vec![(Tls13, "TLS13_AES_256_GCM_SHA384"), (Tls13, "TLS13_AES_128_GCM_SHA256")];
    let of_key = if key == KeyType::Ecc { "_ECDSA_" } else { "_RSA_" };
    all.extend(
        crate::conformance::suites().filter(|suite| suite.contains(of_key)).map(|suite| (Tls12, suite)),
    );
    all
}

#[test]
fn b14_b18_jsse_is_accepted_in_every_suite() {
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let scene = Scene::new(key);
        let (platform, _responder) = platform(&scene, Kind::Good, Kind::Good);
        for (version, suite) in suites(key) {
            let answers = scene.send(&platform.address, version, Some(suite));
            let answers = answers.unwrap_or_else(|error| panic!("{suite}: {error}"));
            assert_eq!(answers[0].code.as_str(), "CA", "{suite}");
        }
    }
}

#[test]
fn b18_jsse_with_one_bad_staple_is_refused() {
    for (kind, why) in FAULTS {
        let scene = Scene::new(KeyType::Ecc);
        for (leaf, ca) in [(kind, Kind::Good), (Kind::Good, kind)] {
            let (platform, _responder) = platform(&scene, leaf, ca);
            for version in [Tls12, Tls13] {
                let refused = scene.send(&platform.address, version, None).unwrap_err().to_string();
                // It looks for the certificate in a response, and staples none that is about another one.
                let why = if kind == Kind::OfAnother { "no status for CN=" } else { why };
                assert!(refused.contains(why), "{leaf:?} {ca:?} {version:?}: {refused}");
            }
        }
    }
}
