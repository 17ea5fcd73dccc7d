//! The path validator: certificates that a CA below the root has signed, with any extensions, and chains of
//! any bytes. No panic, a bounded cost, and a critical extension that the platform does not process refuses
//! the path.

#![no_main]

#[path = "cost.rs"]
mod cost;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pcd_platform::config::{Config, Overrides};
use pcd_platform::metrics::Metrics;
use pcd_platform::model::Clock;
use pcd_platform::revocation::Engine;
use pcd_platform::tls::fuzzing::PathValidator;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

struct Scene {
    root: CertificateParams,
    keys: [KeyPair; 3],
    validator: PathValidator,
    clock: Clock,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
    let root = authority("Root");
    let (clock, dir) = (Clock::system(), std::env::temp_dir().join(format!("path-{}", std::process::id())));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("root.pem"), root.self_signed(&keys[0]).unwrap().pem()).unwrap();
    let text = "[tls]\nclient-trust-anchors = [\"root.pem\"]\necc = { chain = \"none\", key = \"none\" }\n";
    let config = Config::parse(text, &dir.join("platform.toml"), &Overrides::default()).unwrap();
    let revocation = Engine::open(&config.revocation, Metrics::new().unwrap(), clock.clone()).unwrap();
    let validator = PathValidator::new(&config, revocation, &clock).unwrap();
    Scene { root, keys, validator, clock }
});

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An extension with any content: those that path validation reads, and one that is not known.
fn extension(which: u8, content: &[u8]) -> CustomExtension {
    let known = [32, 33, 36, 54, 30, 17, 18, 31];
    let number = known.get(usize::from(which & 0x0f));
    let oid = number.map_or(vec![1, 2, 3, 4], |number| vec![2, 5, 29, *number]);
    let mut extension = CustomExtension::from_oid_content(&oid, content.to_vec());
    extension.set_criticality(which & 0x80 != 0);
    extension
}

fn is_unknown_and_critical(which: u8) -> bool {
    which & 0x80 != 0 && which & 0x0f >= 8
}

fn signed(input: (u8, &[u8], u8, &[u8])) {
    let (of_ca, ca_content, of_leaf, leaf_content) = input;
    let Scene { root, keys: [root_key, ca_key, leaf_key], validator, clock } = &*SCENE;
    let mut ca = authority("Issuing CA");
    ca.custom_extensions = vec![extension(of_ca, ca_content)];
    let mut leaf = named("PUMP");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.custom_extensions = vec![extension(of_leaf, leaf_content)];
    let ca_der = ca.signed_by(ca_key, &Issuer::from_params(root, root_key)).unwrap().der().to_vec();
    let leaf_der = leaf.signed_by(leaf_key, &Issuer::from_params(&ca, ca_key)).unwrap().der().to_vec();
    let length = ca_der.len() + leaf_der.len();
    let chain = [leaf_der, ca_der];
    let result = cost::bounded(length, || validator.validate(&chain, clock.now()));
    if is_unknown_and_critical(of_ca) || is_unknown_and_critical(of_leaf) {
        assert!(result.is_err(), "a critical extension is skipped");
    }
}

fuzz_target!(|input: (bool, u8, &[u8], u8, &[u8])| {
    let (is_signed, of_ca, ca_content, of_leaf, leaf_content) = input;
    if is_signed {
        return signed((of_ca, ca_content, of_leaf, leaf_content));
    }
    let chain = [leaf_content.to_vec(), ca_content.to_vec()];
    let length = ca_content.len() + leaf_content.len();
    let result = cost::bounded(length, || SCENE.validator.validate(&chain, SCENE.clock.now()));
    assert!(result.is_err(), "a forgery");
});
