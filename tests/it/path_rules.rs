//! Certificates of PKIs with policies and name constraints, as governments and groups of hospitals run them
//! (A8, RFC 5280 section 6.1).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};

use crate::harness::{Credential, Device, Platform, Site, alert, eventually, finish, message, s_client};

/// A root and an issuing CA with every policy extension, all of them critical, and with name constraints.
struct GovernmentPki {
    ca: CertificateParams,
    ca_key: KeyPair,
    ca_pem: String,
}

fn critical(oid: &[u64], content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(true);
    extension
}

/// certificatePolicies with one policy, 1.3.6.1.4.1.N.
fn policy(number: u8) -> CustomExtension {
    let content = [0x30, 0x0a, 0x30, 0x08, 0x06, 0x06, 0x2b, 6, 1, 4, 1, number];
    critical(&[2, 5, 29, 32], &content)
}

fn organisation(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "DE");
    subject.push(DnType::OrganizationName, name);
    subject
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = organisation("Authority");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl GovernmentPki {
    fn new(root_file: &Path) -> Self {
        let (root, root_key) = (ca_params("Root"), KeyPair::generate().unwrap());
        std::fs::write(root_file, root.self_signed(&root_key).unwrap().pem()).unwrap();
        let (mut ca, ca_key) = (ca_params("Issuing CA"), KeyPair::generate().unwrap());
        ca.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![
                GeneralSubtree::DirectoryName(organisation("Hospital")),
                GeneralSubtree::Rfc822Name(".hospital.example".to_owned()),
            ],
            excluded_subtrees: Vec::new(),
        });
        ca.custom_extensions = vec![
            policy(7),
            critical(&[2, 5, 29, 36], &[0x30, 0x06, 0x80, 1, 0, 0x81, 1, 0]), // policyConstraints
            critical(&[2, 5, 29, 54], &[2, 1, 0]),                            // inhibitAnyPolicy
        ];
        let ca_pem = ca.signed_by(&ca_key, &Issuer::from_params(&root, &root_key)).unwrap().pem();
        Self { ca, ca_key, ca_pem }
    }

    /// A device certificate of this organisation, with a mailbox and these extensions.
    fn issue(
        &self,
        folder: &Path,
        cn: &str,
        from: &str,
        mail: &str,
        more: Vec<CustomExtension>,
    ) -> Credential {
        let (mut own, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        own.distinguished_name = organisation(from);
        own.distinguished_name.push(DnType::CommonName, cn);
        own.subject_alt_names = vec![SanType::Rfc822Name(mail.try_into().unwrap())];
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        own.custom_extensions = more;
        let issuer = Issuer::from_params(&self.ca, &self.ca_key);
        let chain = own.signed_by(&key, &issuer).unwrap().pem() + &self.ca_pem;
        let files =
            Credential { chain: folder.join(format!("{cn}.pem")), key: folder.join(format!("{cn}.key")) };
        std::fs::write(&files.chain, chain).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        files
    }
}

/// The row about the refusal for this reason. Rows follow the alert.
fn refusal(platform: &Platform, reason: &str) -> serde_json::Value {
    let mut found = None;
    eventually("the refusal is on record", || {
        let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
        found = rows.into_iter().map(|row| row["details"].clone()).find(|row| row["refusal"] == reason);
        found.is_some()
    });
    found.unwrap()
}

// A8, RFC 5280 6.1
#[test]
fn policies_and_name_constraints_are_processed_and_unknown_extensions_are_named() {
    let site = Site::new();
    let root = site.path().join("government.pem");
    let pki = GovernmentPki::new(&root);
    let roots = [site.trust_anchors(), vec![root]].concat();
    let site = site
        .without("tls", "client-trust-anchors")
        .with("tls", &format!("client-trust-anchors = {roots:?}"))
        .with("revocation", "when-undetermined = \"accept\"");
    let platform = site.start();
    let issue = |cn: &str, from: &str, mail: &str, more| {
        platform.admit(cn, &[]);
        pki.issue(site.path(), cn, from, mail, more)
    };
    let good = issue("GOOD", "Hospital", "a@ward.hospital.example", vec![policy(7)]);
    for version in ["-tls1_2", "-tls1_3"] {
        // The signature of CertificateVerify is verified with a certificate that webpki cannot parse.
        let command = s_client(&site, platform.address, Some(&good), &[version]);
        let output = finish(command, &crate::harness::framed(&message("GOOD", version)), Some(b"MSA|"));
        assert_eq!(alert(&output), None, "{version}: {}", output.text());
    }
    let mut device = Device::connect(&site, platform.address, &good).unwrap();
    assert_eq!(device.code(message("GOOD", "1")), "CA");

    let private = || critical(&[1, 3, 6, 1, 4, 1, 99], &[5, 0]);
    let refused = [
        (issue("POLICY", "Hospital", "a@b.hospital.example", vec![policy(8)]), "certificate-policy", 46),
        (issue("NONE", "Hospital", "a@b.hospital.example", vec![]), "certificate-policy", 46),
        (issue("OUTSIDE", "Clinic", "a@b.hospital.example", vec![policy(7)]), "name-constraints", 46),
        (issue("MAIL", "Hospital", "a@clinic.example", vec![policy(7)]), "name-constraints", 46),
        (
            issue("PRIVATE", "Hospital", "a@b.hospital.example", vec![policy(7), private()]),
            "unsupported-extension",
            43,
        ),
    ];
    let mut counts = std::collections::BTreeMap::new();
    for (own, reason, expected) in &refused {
        let output = finish(s_client(&site, platform.address, Some(own), &[]), b"", Some(b"never"));
        assert_eq!(alert(&output), Some(*expected), "{reason}: {}", output.text());
        let count = counts.entry(reason).or_insert(0.0);
        *count += 1.0;
        let counter = format!("pcd_handshakes_total{{reason=\"{reason}\",result=\"refused\"}}");
        eventually("the refusal is counted", || platform.metric(&counter) == *count);
    }
    let details = refusal(&platform, "unsupported-extension");
    assert_eq!(details["extension"], "1.3.6.1.4.1.99", "{details}");
    assert!(platform.log().contains("1.3.6.1.4.1.99"), "{}", platform.log());
}

// RFC 5280 4.2.1.12: anyExtendedKeyUsage restricts no CA. In a device's certificate it names no use, and an
// application may refuse it.
#[test]
fn a_ca_for_any_purpose_is_accepted_and_a_device_for_any_purpose_is_not() {
    let site = Site::new();
    let file = site.path().join("any.pem");
    let (root, root_key) = (ca_params("Root"), KeyPair::generate().unwrap());
    std::fs::write(&file, root.self_signed(&root_key).unwrap().pem()).unwrap();
    let (mut ca, ca_key) = (ca_params("Issuing CA"), KeyPair::generate().unwrap());
    ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    let ca_pem = ca.signed_by(&ca_key, &Issuer::from_params(&root, &root_key)).unwrap().pem();
    let roots = [site.trust_anchors(), vec![file]].concat();
    let site = site
        .without("tls", "client-trust-anchors")
        .with("tls", &format!("client-trust-anchors = {roots:?}"))
        .with("revocation", "when-undetermined = \"accept\"");
    let platform = site.start();
    let issue = |name: &str, purposes| {
        platform.admit(name, &[]);
        let (mut own, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        own.distinguished_name.push(DnType::CommonName, name);
        own.extended_key_usages = purposes;
        let leaf = own.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap().pem();
        crate::hostile_chains::write(site.path(), name, &[leaf, ca_pem.clone()], &key)
    };
    let client = issue("CLIENT", vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let mut device = Device::connect(&site, platform.address, &client).unwrap();
    assert_eq!(device.code(message("CLIENT", "1")), "CA");
    let any = issue("ANY", vec![ExtendedKeyUsagePurpose::Any]);
    let output = finish(s_client(&site, platform.address, Some(&any), &[]), b"", Some(b"never"));
    assert_eq!(alert(&output), Some(43), "{}", output.text());
    refusal(&platform, "wrong-purpose");
}
