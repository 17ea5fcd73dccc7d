//! Certificates and CRLs without end: 99991231235959Z (RFC 5280 section 4.1.2.5, IEEE 802.1AR).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use crate::harness::{Cli, Credential, Site};
use crate::revocation::connects;

/// A root, its CRL and a certificate of a device, all without end.
struct Endless {
    root: std::path::PathBuf,
    crl: std::path::PathBuf,
    device: Credential,
}

impl Endless {
    fn new(folder: &Path, device: &str) -> Self {
        let (begin, end) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(9999, 12, 31) + Duration::from_secs(86_399));
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            (params.not_before, params.not_after) = (begin, end);
            params
        };
        let mut ca = params("Endless root");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let root = ca.self_signed(&key).unwrap();
        let issuer = Issuer::new(ca, key);
        let mut own = params(device);
        own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let own_key = KeyPair::generate().unwrap();
        let leaf = own.signed_by(&own_key, &issuer).unwrap();
        let crl = CertificateRevocationListParams {
            this_update: begin,
            next_update: end,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let crl = crl.signed_by(&issuer).unwrap();
        let file = |name: &str, contents: String| {
            let file = folder.join(name);
            std::fs::write(&file, contents).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            file
        };
        Self {
            root: file("endless-root.pem", root.pem()),
            crl: file("endless.crl", crl.pem().unwrap()),
            device: Credential {
                chain: file("endless.pem", leaf.pem()),
                key: file("endless.key", own_key.serialize_pem()),
            },
        }
    }
}

#[test]
fn a6_a_root_a_crl_and_a_device_certificate_without_end_work_and_are_shown_as_no_expiry() {
    let folder = tempfile::tempdir().unwrap();
    let endless = Endless::new(folder.path(), "ENDLESS");
    let site = Site::new();
    let roots: Vec<_> = site.trust_anchors().into_iter().chain([endless.root.clone()]).collect();
    let site = site
        .without("tls", "client-trust-anchors")
        .with("tls", &format!("client-trust-anchors = {roots:?}"))
        .with("revocation", &format!("installed-crls = [{:?}]", endless.crl));
    let cli = Cli::of(&site);
    let (status, stdout, stderr) = cli.try_run(&["check"]);
    let line =
        stdout.lines().find(|line| line.contains("Endless root")).unwrap_or_else(|| panic!("{stdout}"));
    assert!(line.contains("no expiry"), "{line}");
    assert!(status.success() && !stdout.contains("error"), "{stdout}{stderr}");
    for file in [&endless.root, &endless.crl, &endless.device.chain] {
        let shown = cli.run(&["pki", "inspect", file.to_str().unwrap()]);
        assert!(shown.contains("no expiry") && !shown.contains("9999-"), "{shown}");
    }
    let platform = site.start();
    platform.admit("ENDLESS", &[]);
    connects(&site, &platform, &endless.device, "ENDLESS").unwrap();
    let known: serde_json::Value = serde_json::from_str(&platform.get("/api/certificates").1).unwrap();
    let crls = known["crls"].as_array().unwrap();
    assert!(crls.iter().any(|crl| crl["next-update"] == "no expiry"), "{known}");
    let row = crate::revocation::last(&platform, "connection-accepted");
    assert_eq!(row["revocation"][0]["next-update"], "no expiry", "{row}");
}
