//! Known devices whose certificates are not issued for what devices do (A8, RFC 5280 4.2.1.3, 4.2.1.12).

use std::os::unix::fs::PermissionsExt as _;

use pcd_platform::pki::{Authority, KeyType};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};

use crate::harness::{Credential, Device, Platform, Site, authority, eventually, message};

/// A certificate of the test PKI for such uses.
fn issue(site: &Site, name: &str, usage: KeyUsagePurpose, purpose: ExtendedKeyUsagePurpose) -> Credential {
    let (ca, key) = authority(Authority::ComponentCaEcc);
    let (ca, key) = (std::fs::read_to_string(ca).unwrap(), std::fs::read_to_string(key).unwrap());
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&key).unwrap()).unwrap();
    let (mut params, own_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![usage];
    params.extended_key_usages = vec![purpose];
    let (chain, key) = (format!("{name}.pem"), format!("{name}.key"));
    let own = Credential { chain: site.path().join(chain), key: site.path().join(key) };
    std::fs::write(&own.chain, params.signed_by(&own_key, &issuer).unwrap().pem() + &ca).unwrap();
    std::fs::write(&own.key, own_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    own
}

/// What `check` says about certificates of devices.
fn findings(platform: &Platform) -> Vec<String> {
    let all = platform.cli().json(&["check"]);
    let of_devices = all.iter().filter(|finding| finding["what"] == "device certificate");
    of_devices
        .map(|finding| {
            assert_eq!(finding["level"], "warning");
            finding["detail"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn check_lists_known_devices_whose_key_may_not_sign_and_says_what_to_do() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    use KeyUsagePurpose::{DigitalSignature, KeyEncipherment};
    for site in Site::on_each_store() {
        let site = site.with("tls", "key-usage-exceptions = [\"OLD\"]");
        let platform = site.start();
        for name in ["OLD", "PUMP", "SERVER"] {
            platform.admit(name, &[]);
        }
        assert!(findings(&platform).is_empty());
        let connect = |own: &Credential| Device::connect(&site, platform.address, own);
        let old = issue(&site, "OLD", KeyEncipherment, ClientAuth);
        let mut device = connect(&old).unwrap();
        assert_eq!(device.code(message("OLD", "1")), "CA", "by the exception");
        let refused = [
            issue(&site, "PUMP", KeyEncipherment, ClientAuth),
            issue(&site, "SERVER", DigitalSignature, ServerAuth),
            issue(&site, "STRANGER", KeyEncipherment, ClientAuth),
        ];
        for own in &refused {
            assert!(connect(own).and_then(|mut device| device.send(message("PUMP", "1"))).is_err());
        }
        let counter = "pcd_handshakes_total{reason=\"wrong-purpose\",result=\"refused\"}";
        eventually("three are refused", || platform.metric(counter) == 3.0);
        eventually("they are on record", || findings(&platform).len() == 3);
        let known = findings(&platform);
        for (finding, beginning, end) in [
            (&known[0], "OLD: the key usage of its certificate", "remove it from there afterwards"),
            (&known[1], "PUMP: the key usage of its certificate", "until then by tls.key-usage-exceptions"),
            (&known[2], "SERVER: the extended key usage of its certificate", "issue a new certificate"),
        ] {
            assert!(finding.starts_with(beginning) && finding.ends_with(end), "{finding}");
        }
        let rows = platform.cli().json(&["audit", "list", "--event", "connection-accepted"]);
        assert_eq!(rows[0]["details"]["certificate"]["key-usage"], "keyEncipherment");

        // With another certificate, or out of the directory, it is no finding any more.
        let renewed = site.certificate("PUMP", KeyType::Ecc);
        assert_eq!(connect(&renewed).unwrap().code(message("PUMP", "2")), "CA");
        platform.cli().run(&["device", "remove", "SERVER"]);
        eventually("one is left", || findings(&platform).len() == 1);
        assert!(findings(&platform)[0].starts_with("OLD: "), "{:?}", findings(&platform));
    }
}
