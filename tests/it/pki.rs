//! The test PKI as OpenSSL sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{
    Authority, CertificateOrder, Issued, KeyFamily, KeyType, PkiError, RevocationReason, Role, TestPki,
};
use pcd_platform::x509::{
    CertificateFacts, CrlFacts, Digest, KeyKind, KeyPurpose, NameError, SignatureAlgorithm, pem,
};
use tempfile::TempDir;

use crate::openssl::openssl;

const BASE: &str = "http://127.0.0.1:8575";

struct Fixture {
    pki: TestPki,
    dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = TestPki::init(&dir.path().join("pki"), BASE, &Clock::system()).unwrap();
        Self { pki, dir }
    }

    fn root(&self, family: KeyFamily) -> PathBuf {
        let [ecc, rsa] = self.pki.trust_anchors();
        if family == KeyFamily::Ecc { ecc } else { rsa }
    }

    fn issue(&self, role: Role, key: KeyType) -> Issued {
        self.pki.issue(&CertificateOrder::new("00A037EB2175780F", role, key)).unwrap()
    }

    /// `openssl verify` with this chain for one purpose; the chain file is leaf and intermediates at once.
    fn verifies(&self, issued: &Issued, root: KeyFamily, purpose: &str) -> Result<(), String> {
        let line = format!(
            "verify -x509_strict -no-CApath -no-CAstore -purpose {purpose} -CAfile {{}} -untrusted {{}} {{}}"
        );
        let said = openssl(&line, &[&self.root(root), &issued.chain, &issued.chain]);
        if said.ok { Ok(()) } else { Err(said.text) }
    }

    /// All CRLs and both roots in one PEM file, as `openssl verify` wants them.
    fn crls(&self) -> PathBuf {
        let mut bundle = String::new();
        for authority in Authority::ALL {
            let said = openssl("crl -inform DER -in {}", &[&self.pki.crl(authority)]);
            assert!(said.ok, "{}", said.text);
            bundle += &said.text;
        }
        for root in self.pki.trust_anchors() {
            bundle += &fs::read_to_string(root).unwrap();
        }
        let path = self.dir.path().join("crls.pem");
        fs::write(&path, bundle).unwrap();
        path
    }
}

fn facts(issued: &Issued) -> Vec<CertificateFacts> {
    let ders = pem::certificates(&fs::read(&issued.chain).unwrap()).unwrap();
    ders.iter().map(|der| CertificateFacts::read(der).unwrap()).collect()
}

fn text(issued: &Issued) -> String {
    openssl("x509 -noout -text -nameopt RFC2253 -in {}", &[&issued.chain]).text
}

const KEYS: [KeyType; 5] = [KeyType::Ecc, KeyType::EccP384, KeyType::EccP521, KeyType::Rsa, KeyType::Rsa4096];

// A0, A4, A6, B15
#[test]
fn every_chain_leads_to_its_own_root_and_to_no_other() {
    let fixture = Fixture::new();
    for key in KEYS {
        let other = if key.family() == KeyFamily::Ecc { KeyFamily::Rsa } else { KeyFamily::Ecc };
        for (role, purpose) in
            [(Role::Device, "sslclient"), (Role::Gateway, "sslclient"), (Role::Platform, "sslserver")]
        {
            if role != Role::Device && matches!(key, KeyType::Rsa4096 | KeyType::EccP521) {
                continue;
            }
            let issued = fixture.issue(role, key);
            assert_eq!(fixture.verifies(&issued, key.family(), purpose), Ok(()), "{role:?} {key:?}");
            assert!(fixture.verifies(&issued, other, purpose).is_err());
        }
    }
    let device = fixture.issue(Role::Device, KeyType::Ecc);
    let refusal = fixture.verifies(&device, KeyFamily::Ecc, "sslserver").unwrap_err();
    assert!(refusal.contains("unsuitable certificate purpose"), "{refusal}");
}

// A0, A9.2, A10
#[test]
fn a_certificate_says_what_the_specification_wants() {
    let fixture = Fixture::new();
    for (key, kind, usage, signature) in [
        (KeyType::Ecc, KeyKind::EcP256, "Digital Signature\n", SignatureAlgorithm::Ecdsa(Digest::Sha256)),
        (
            KeyType::Rsa,
            KeyKind::Rsa { bits: 2048 },
            "Digital Signature, Key Encipherment\n",
            SignatureAlgorithm::RsaPkcs1(Digest::Sha256),
        ),
    ] {
        let issued = fixture.issue(Role::Platform, key);
        let [leaf, ca] = facts(&issued).try_into().unwrap();
        assert_eq!((leaf.key, leaf.signature_algorithm), (kind, signature));
        assert_eq!(leaf.device_id().unwrap().as_str(), "00A037EB2175780F");
        assert_eq!(leaf.issuer, ca.subject);
        assert!(leaf.subject_key_id.is_some() && ca.authority_key_id.is_some());
        assert_eq!(leaf.authority_key_id, ca.subject_key_id);
        assert_eq!(leaf.dns_names, ["localhost"]);
        assert_eq!(
            leaf.ip_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["127.0.0.1", "::1"]
        );
        assert_eq!(leaf.purposes, [KeyPurpose::ServerAuth, KeyPurpose::ClientAuth]);
        assert_eq!(leaf.ocsp_urls, ["http://127.0.0.1:8575/ocsp"]);
        let name = Authority::issuing(Role::Platform, key.family()).name();
        assert_eq!(leaf.crl_urls().collect::<Vec<_>>(), [format!("{BASE}/crl/{name}.crl")]);
        assert!(!leaf.is_ca && !leaf.must_staple && leaf.is_valid_at(Clock::system().now()));
        assert!((ca.is_ca, ca.path_length) == (true, Some(0)));
        let usage_of_ca = ca.key_usage.unwrap();
        assert!(usage_of_ca.key_cert_sign && usage_of_ca.crl_sign && !usage_of_ca.digital_signature);
        let root = if key == KeyType::Ecc { "root-ecc" } else { "root-rsa" };
        assert_eq!(ca.crl_urls().collect::<Vec<_>>(), [format!("{BASE}/crl/{root}.crl")]);

        // The same certificate, in OpenSSL's words.
        let text = text(&issued);
        for words in [
            format!("X509v3 Key Usage: critical\n                {usage}"),
            "TLS Web Server Authentication, TLS Web Client Authentication".to_owned(),
            "OCSP - URI:http://127.0.0.1:8575/ocsp".to_owned(),
            "X509v3 Basic Constraints: critical\n                CA:FALSE".to_owned(),
            format!("URI:{BASE}/crl/{name}.crl"),
            "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1".to_owned(),
            format!("Subject: {}", leaf.subject),
        ] {
            assert!(text.contains(&words), "{words:?} is not in {text}");
        }
        let serial = openssl("x509 -noout -serial -in {}", &[&issued.chain]).text.to_lowercase();
        assert_eq!(serial.trim(), format!("serial={}", leaf.serial));
        assert_eq!(leaf.serial.as_octets().len(), 16);
        let fingerprint = openssl("x509 -noout -fingerprint -sha256 -in {}", &[&issued.chain]).text;
        let digits = fingerprint.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
        assert_eq!(digits, leaf.fingerprint.to_string());
    }
    let [root, _] = fixture.pki.trust_anchors();
    let root = pem::certificates(&fs::read(root).unwrap()).unwrap();
    let root = CertificateFacts::read(&root[0]).unwrap();
    assert!(root.is_ca && root.ocsp_urls.is_empty() && root.crl_distribution_points.is_empty());
}

#[test]
fn tests_can_order_what_nobody_should_issue() {
    let fixture = Fixture::new();
    let order = |change: &dyn Fn(&mut CertificateOrder)| {
        let mut order = CertificateOrder::new("pump", Role::Device, KeyType::Ecc);
        change(&mut order);
        fixture.pki.issue(&order)
    };
    let first = |issued: &Issued| facts(issued).remove(0);
    let now = Clock::system().now();
    let ago = |days: i64| now - SignedDuration::from_hours(24 * days);

    let expired = order(&|order| (order.not_before, order.days) = (Some(ago(10)), 9)).unwrap();
    assert!(!first(&expired).is_valid_at(now) && first(&expired).is_valid_at(ago(2)));
    assert!(fixture.verifies(&expired, KeyFamily::Ecc, "sslclient").unwrap_err().contains("has expired"));
    let early = order(&|order| order.not_before = Some(ago(-1))).unwrap();
    assert!(!first(&early).is_valid_at(now));
    assert!(fixture.verifies(&early, KeyFamily::Ecc, "sslclient").unwrap_err().contains("not yet valid"));

    let nobody = order(&|order| order.common_names.clear()).unwrap();
    assert_eq!(first(&nobody).device_id(), Err(NameError::Missing));
    let two = order(&|order| order.common_names.push("monitor".to_owned())).unwrap();
    assert_eq!(first(&two).device_id(), Err(NameError::Several(2)));
    assert!(text(&two).contains("CN=monitor,CN=pump"), "{}", text(&two));
    assert!(matches!(
        order(&|order| order.common_names = vec![String::from("a"); 3]),
        Err(PkiError::CommonNames(3))
    ));

    let wrong =
        order(&|order| order.purposes = Some(vec![KeyPurpose::Other("1.3.6.1.4.1.99999.1".to_owned())]))
            .unwrap();
    assert_eq!(first(&wrong).purposes, [KeyPurpose::Other("1.3.6.1.4.1.99999.1".to_owned())]);
    assert!(fixture.verifies(&wrong, KeyFamily::Ecc, "sslclient").is_err());
    let staple = order(&|order| order.must_staple = true).unwrap();
    assert!(first(&staple).must_staple && text(&staple).contains("status_request, status_request_v2"));
    let silent = order(&|order| (order.ocsp_urls, order.crl_urls) = (Some(vec![]), Some(vec![]))).unwrap();
    assert!(first(&silent).ocsp_urls.is_empty() && first(&silent).crl_distribution_points.is_empty());
    assert_eq!(fixture.verifies(&silent, KeyFamily::Ecc, "sslclient"), Ok(()));

    assert!(matches!(order(&|order| order.days = 0), Err(PkiError::Validity(0))));
    assert!(matches!(order(&|order| order.days = u32::MAX), Err(PkiError::Validity(u32::MAX))));
    assert!(matches!(order(&|order| order.sans = vec!["a b".to_owned()]), Err(PkiError::SubjectAltName(_))));
}

// A9, A9.4
#[test]
fn a_revoked_certificate_is_in_the_next_crl() {
    let fixture = Fixture::new();
    let revoked = fixture.issue(Role::Device, KeyType::Rsa);
    let good = fixture.issue(Role::Gateway, KeyType::Rsa);
    let serial = facts(&revoked)[0].serial.clone();
    let verify = |issued: &Issued| {
        let line = "verify -crl_check_all -CAfile {} -untrusted {} {}";
        openssl(line, &[&fixture.crls(), &issued.chain, &issued.chain])
    };
    assert!(verify(&revoked).ok, "{}", verify(&revoked).text);

    let revocation =
        fixture.pki.revoke(&fs::read(&revoked.chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
    assert_eq!((revocation.issuer, &revocation.serial), (Authority::ComponentCaRsa, &serial));
    fixture.pki.publish_crls(7).unwrap();
    assert!(verify(&revoked).text.contains("certificate revoked"), "{}", verify(&revoked).text);
    assert!(verify(&good).ok, "{}", verify(&good).text);

    let path = fixture.pki.crl(Authority::ComponentCaRsa);
    let said = openssl(
        "crl -inform DER -noout -text -CAfile {} -in {}",
        &[&fixture.pki.certificate(Authority::ComponentCaRsa), &path],
    );
    assert!(said.text.contains("verify OK"), "{}", said.text);
    assert!(said.text.to_lowercase().contains(&serial.to_string()) && said.text.contains("Key Compromise"));
    let crl = CrlFacts::read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        crl.revoked.iter().map(|entry| (&entry.serial, entry.reason)).collect::<Vec<_>>(),
        [(&serial, Some(1))]
    );
    assert_eq!(crl.next_update.unwrap().duration_since(crl.this_update), SignedDuration::from_hours(7 * 24));
    let issuer = facts(&revoked).remove(1);
    assert_eq!((&crl.issuer, &crl.authority_key_id), (&issuer.subject, &issuer.subject_key_id));
    // The other authorities revoke nothing.
    for authority in Authority::ALL.into_iter().filter(|authority| *authority != Authority::ComponentCaRsa) {
        assert!(CrlFacts::read(&fs::read(fixture.pki.crl(authority)).unwrap()).unwrap().revoked.is_empty());
    }
}

// A9: an issuing CA can be revoked as well.
#[test]
fn an_issuing_ca_is_revoked_by_its_root() {
    let fixture = Fixture::new();
    let device = fixture.issue(Role::Device, KeyType::Ecc);
    let ca = fs::read(fixture.pki.certificate(Authority::ComponentCaEcc)).unwrap();
    let revocation = fixture.pki.revoke(&ca, RevocationReason::CaCompromise).unwrap();
    assert_eq!(revocation.issuer, Authority::RootEcc);
    fixture.pki.publish_crls(7).unwrap();
    let line = "verify -crl_check_all -CAfile {} -untrusted {} {}";
    let said = openssl(line, &[&fixture.crls(), &device.chain, &device.chain]);
    assert!(said.text.contains("certificate revoked"), "{}", said.text);
}

#[test]
fn revocations_outlive_the_process_and_crl_numbers_only_grow() {
    let fixture = Fixture::new();
    let number = || {
        let der = fs::read(fixture.pki.crl(Authority::RootEcc)).unwrap();
        CrlFacts::read(&der).unwrap().number.unwrap()
    };
    assert_eq!(number(), [1]);
    let chain = fs::read(fixture.issue(Role::Device, KeyType::Ecc).chain).unwrap();
    fixture.pki.revoke(&chain, RevocationReason::Superseded).unwrap();
    let again = TestPki::open(&fixture.dir.path().join("pki"), &Clock::system()).unwrap();
    assert!(matches!(again.revoke(&chain, RevocationReason::Superseded), Err(PkiError::AlreadyRevoked(_))));
    again.publish_crls(1).unwrap();
    assert_eq!(number(), [2]);
    let der = fs::read(again.crl(Authority::ComponentCaEcc)).unwrap();
    assert_eq!(CrlFacts::read(&der).unwrap().revoked.len(), 1);
}

#[test]
fn a_certificate_of_another_pki_is_not_ours_to_revoke() {
    let (ours, theirs) = (Fixture::new(), Fixture::new());
    let chain = fs::read(theirs.issue(Role::Device, KeyType::Ecc).chain).unwrap();
    // The names of both PKIs are the same.
    assert!(matches!(ours.pki.revoke(&chain, RevocationReason::Unspecified), Err(PkiError::Foreign)));
    assert!(matches!(
        ours.pki.revoke(b"no certificate", RevocationReason::Unspecified),
        Err(PkiError::X509(_))
    ));
}

// A11
#[test]
fn every_key_is_for_its_owner_alone() {
    let fixture = Fixture::new();
    let issued = fixture.pki.issue(&CertificateOrder::new("../Ward 3", Role::Gateway, KeyType::Ecc)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&issued.key), mode(&issued.chain)), (0o600, 0o644));
    let folder = fixture.dir.path().join("pki/gateway");
    assert_eq!(issued.key, folder.join("%2E.%2FWard%203.ecc.key"));
    let ca = fixture.dir.path().join("pki/ca");
    assert_eq!(mode(&ca), 0o700);
    for authority in Authority::ALL {
        assert_eq!(mode(&ca.join(authority.name()).with_extension("key")), 0o600);
    }
    let names = |folder: &Path| {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(names(&folder).len(), 2, "no temporary file is left: {:?}", names(&folder));
    let key = openssl("pkey -noout -check -in {}", &[&issued.key]);
    assert!(key.ok, "{}", key.text);
}

#[test]
fn a_pki_is_never_made_over_another() {
    let fixture = Fixture::new();
    let dir = fixture.dir.path().join("pki");
    let before = fs::read(fixture.root(KeyFamily::Ecc)).unwrap();
    assert!(matches!(TestPki::init(&dir, BASE, &Clock::system()), Err(PkiError::Exists(_))));
    assert_eq!(fs::read(fixture.root(KeyFamily::Ecc)).unwrap(), before);
    let nothing = fixture.dir.path().join("nothing");
    assert!(matches!(TestPki::open(&nothing, &Clock::system()), Err(PkiError::NotFound(_))));
    for url in ["https://host", "http://", "127.0.0.1:8575", "http://host/ x", "http:///x"] {
        assert!(matches!(TestPki::init(&nothing, url, &Clock::system()), Err(PkiError::BaseUrl(_))), "{url}");
    }
    assert!(!nothing.exists());
}
