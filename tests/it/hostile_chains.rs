//! Certificates that a peer or a former operator has chosen to harm the platform (A6, A8).

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::harness::{Credential, Device, Site, alert, finish, message, s_client};

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Writes a chain and the key of its first certificate.
fn write(folder: &Path, name: &str, chain: &[String], key: &KeyPair) -> Credential {
    let own =
        Credential { chain: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
    std::fs::write(&own.chain, chain.concat()).unwrap();
    std::fs::write(&own.key, key.serialize_pem()).unwrap();
    own
}

/// A device certificate below a CA of which `cas` certificates exist, with other keys each. The last one
/// lists `purposes` extended key usages.
fn hostile(folder: &Path, name: &str, cas: usize, purposes: u64) -> Credential {
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
    let attacks = [("cas", 10, 8_000), ("purposes", 7, 10_000), ("many", 60, 0), ("two", 3, 0)];
    let attacks = attacks.map(|(name, cas, purposes)| hostile(folder.path(), name, cas, purposes));
    thread::scope(|scope| {
        let (site, address) = (&site, platform.address);
        let hostile: Vec<_> = attacks
            .iter()
            .map(|own| {
                scope.spawn(move || finish(s_client(site, address, Some(own), &[]), b"", Some(b"never")))
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        for (name, own) in names.iter().zip(&devices) {
            let mut device = Device::connect(site, address, own).unwrap();
            assert_eq!(device.code(message(name, "1")), "CA");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "five devices took {:?}", start.elapsed());
        for (attack, own) in hostile.into_iter().zip(&attacks) {
            let output = attack.join().unwrap();
            assert_eq!(alert(&output), Some(46), "{own:?}: {}", output.text());
        }
    });
    let refused = platform.metric("pcd_handshakes_total{reason=\"oversized-chain\",result=\"refused\"}");
    assert_eq!(refused, 4.0);
}
