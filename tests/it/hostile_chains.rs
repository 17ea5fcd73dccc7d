//! Certificates that a peer or a former operator has chosen to harm the platform (A6, A8).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustix::process::Signal;

use crate::harness::{
    Credential, Device, SOON, Site, alert, eventually, finish, message, s_client, wait_for,
};
use crate::openssl::openssl;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Writes a chain and the key of its first certificate.
pub(crate) fn write(folder: &Path, name: &str, chain: &[String], key: &KeyPair) -> Credential {
    let own =
        Credential { chain: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
    std::fs::write(&own.chain, chain.concat()).unwrap();
    std::fs::write(&own.key, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    own
}

/// A device certificate below a CA of which `cas` certificates exist, with other keys each. The last one
/// lists `purposes` extended key usages.
pub(crate) fn hostile(folder: &Path, name: &str, cas: usize, purposes: u64) -> Credential {
    let leaf_key = KeyPair::generate().unwrap();
    let mut chain = Vec::new();
    for number in 0..=cas {
        let ca_key = KeyPair::generate().unwrap();
        let issuer_params = params("Hostile CA");
        let issuer = Issuer::from_params(&issuer_params, &ca_key);
        let (mut own, key) = if number == 0 {
            (params("PUMP"), KeyPair::from_pem(&leaf_key.serialize_pem()).unwrap())
        } else {
            let mut own = params("Hostile CA");
            own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (own, KeyPair::generate().unwrap())
        };
        own.extended_key_usages = if number == cas {
            let other = |number| ExtendedKeyUsagePurpose::Other(vec![1, 1, number % 128]);
            (0..purposes).map(other).chain([ExtendedKeyUsagePurpose::ClientAuth]).collect()
        } else {
            vec![ExtendedKeyUsagePurpose::ClientAuth]
        };
        chain.push(own.signed_by(&key, &issuer).unwrap().pem());
    }
    write(folder, name, &chain, &leaf_key)
}

// A8: the cost of verifying a chain is bounded before any path is built.
#[test]
fn hostile_chains_do_not_delay_genuine_devices() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new();
    let platform = site.start();
    let names = ["D1", "D2", "D3", "D4", "D5"];
    let devices = names.map(|name| {
        platform.admit(name, &[]);
        site.certificate(name, KeyType::Ecc)
    });
    let refused = || platform.metric("pcd_handshakes_total{reason=\"oversized-chain\",result=\"refused\"}");
    let attacks = [("cas", 10, 8_000), ("purposes", 7, 10_000), ("many", 60, 0), ("two", 3, 0)];
    let attacks = attacks.map(|(name, cas, purposes)| hostile(folder.path(), name, cas, purposes));
    thread::scope(|scope| {
        let (site, address) = (&site, platform.address);
        // Each command writes the same file of roots first.
        let commands: Vec<_> = attacks.iter().map(|own| s_client(site, address, Some(own), &[])).collect();
        let attack = |command| scope.spawn(move || finish(command, b"", Some(b"never")));
        let hostile: Vec<_> = commands.into_iter().map(attack).collect();
        // Each of them is being verified, or was.
        eventually("the platform has the hostile chains", || {
            platform.metric("pcd_incomplete_connections") + refused() >= 4.0
        });
        let start = Instant::now();
        for (name, own) in names.iter().zip(&devices) {
            let mut device = Device::connect(site, address, own).unwrap();
            assert_eq!(device.code(message(name, "1")), "CA");
        }
        // Unbounded, one chain takes minutes; a busy machine takes ten seconds for five devices.
        assert!(start.elapsed() < SOON, "five devices took {:?}", start.elapsed());
        for (attack, own) in hostile.into_iter().zip(&attacks) {
            let output = attack.join().unwrap();
            assert_eq!(alert(&output), Some(46), "{own:?}: {}", output.text());
        }
    });
    wait_for("they are counted", refused, |refused| *refused == 4.0);
}

/// Signs a device certificate for `name` with the key of another device's certificate.
fn forge(folder: &Path, name: &str, signer: &Credential) -> Credential {
    let signer_pem = std::fs::read_to_string(&signer.chain).unwrap();
    let key = KeyPair::from_pem(&std::fs::read_to_string(&signer.key).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&signer_pem, key).unwrap();
    let own_key = KeyPair::generate().unwrap();
    let mut own = params(name);
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let chain = [own.signed_by(&own_key, &issuer).unwrap().pem()];
    write(folder, "forged", &chain, &own_key)
}

// A6: an operator installs the certificate of a device as a root, and the holder of its key forges others.
#[test]
fn a_device_certificate_that_is_installed_as_a_root_certifies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new();
    let device = site.certificate("DEVICE", KeyType::Ecc);
    let anchor = folder.path().join("device.pem");
    let leaf = openssl("x509 -in {} -out {}", &[&device.chain, &anchor]);
    assert!(leaf.ok, "{}", leaf.text);
    let roots: Vec<_> = site.trust_anchors().into_iter().chain([anchor]).collect();
    let site =
        site.without("tls", "client-trust-anchors").with("tls", &format!("client-trust-anchors = {roots:?}"));
    let forged = forge(folder.path(), "VICTIM", &device);
    let platform = site.start();
    platform.admit("VICTIM", &[]);
    platform.admit("DEVICE", &[]);
    let output = finish(s_client(&site, platform.address, Some(&forged), &[]), b"", Some(b"never"));
    assert_eq!(alert(&output), Some(48), "{}", output.text());
    let mut genuine = Device::connect(&site, platform.address, &device).unwrap();
    assert_eq!(genuine.code(message("DEVICE", "1")), "CA");
    let (status, out, _) = platform.cli().try_run(&["check"]);
    assert_eq!(status.code(), Some(1), "{out}");
    assert!(out.contains("\"CN=DEVICE") && out.contains("is not a CA certificate"), "{out}");
    assert!(platform.log().contains("an installed root is not used"), "{}", platform.log());
}

// A8, A9.4
#[test]
fn a_session_ends_when_its_root_is_removed_or_its_certificate_expires() {
    let site = Site::new().with("revocation", "check-interval = \"200ms\"\nclock-skew = \"1s\"");
    let platform = site.start();
    let long = site.certificate("LONG", KeyType::Rsa);
    platform.admit("SHORT", &[]);
    platform.admit("LONG", &[]);
    // The last thing before the sessions: it is to be valid when they begin.
    let soon = Clock::system().now().checked_sub(SignedDuration::from_secs(24 * 3600 - 15)).unwrap();
    let order = CertificateOrder {
        not_before: Some(soon),
        days: 1,
        ..CertificateOrder::new("SHORT", Role::Device, KeyType::Ecc)
    };
    let short = site.issue(&order);
    let mut sessions = [("SHORT", &short), ("LONG", &long)].map(|(name, own)| {
        let mut device = Device::connect(&site, platform.address, own).unwrap();
        assert_eq!(device.code(message(name, "1")), "CA");
        device
    });
    let ends = || platform.cli().json(&["audit", "list", "--event", "session-ended"]);
    eventually("the session of the expired certificate has ended", || ends().len() == 1);
    assert_eq!(ends()[0]["details"]["why"], "expired", "{:?}", ends());
    assert_eq!(sessions[1].code(message("LONG", "2")), "CA", "the other one goes on");
    let roots = site.trust_anchors();
    let site = site
        .without("tls", "client-trust-anchors")
        .without("tls", "rsa")
        .with("tls", &format!("client-trust-anchors = [{:?}]", roots[0]));
    site.write_configuration();
    platform.signal(Signal::HUP);
    eventually("the session of the removed root has ended", || ends().len() == 2);
    assert!(ends().iter().any(|row| row["details"]["why"] == "untrusted-issuer"), "{:?}", ends());
}
