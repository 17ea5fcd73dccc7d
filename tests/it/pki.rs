//! The test PKI as OpenSSL sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{
    Authority, CertificateOrder, Issued, KeyFamily, KeyType, PkiError, RequestOrder, RevocationReason, Role,
    TestPki,
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
        let transcript = openssl(&line, &[&self.root(root), &issued.chain, &issued.chain]);
        if transcript.ok { Ok(()) } else { Err(transcript.text) }
    }

    /// All CRLs and both roots in one PEM file, as `openssl verify` wants them.
    fn crls(&self) -> PathBuf {
        let mut bundle = String::new();
        for authority in Authority::ALL {
            let transcript = openssl("crl -inform DER -in {}", &[&self.pki.crl(authority)]);
            assert!(transcript.ok, "{}", transcript.text);
            bundle += &transcript.text;
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
fn tests_can_order_certificates_that_no_ca_should_issue() {
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

    let unnamed = order(&|order| order.common_names.clear()).unwrap();
    assert_eq!(first(&unnamed).device_id(), Err(NameError::Missing));
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

    let purpose = |text: &str| Some(vec![KeyPurpose::Other(text.to_owned())]);
    for text in ["", "1", "3.1", "1.40.1", "1.x"] {
        let refused = order(&|order| order.purposes = purpose(text));
        assert!(matches!(refused, Err(PkiError::ObjectIdentifier(_))), "{text}");
    }
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
    assert!(matches!(fixture.pki.publish_crls(0), Err(PkiError::Validity(0))));
    fixture.pki.publish_crls(7).unwrap();
    assert!(verify(&revoked).text.contains("certificate revoked"), "{}", verify(&revoked).text);
    assert!(verify(&good).ok, "{}", verify(&good).text);

    let path = fixture.pki.crl(Authority::ComponentCaRsa);
    let transcript = openssl(
        "crl -inform DER -noout -text -CAfile {} -in {}",
        &[&fixture.pki.certificate(Authority::ComponentCaRsa), &path],
    );
    assert!(transcript.text.contains("verify OK"), "{}", transcript.text);
    assert!(
        transcript.text.to_lowercase().contains(&serial.to_string())
            && transcript.text.contains("Key Compromise")
    );
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
    let transcript = openssl(line, &[&fixture.crls(), &device.chain, &device.chain]);
    assert!(transcript.text.contains("certificate revoked"), "{}", transcript.text);
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
fn revocations_at_the_same_time_are_all_kept() {
    let fixture = Fixture::new();
    let revoke = |number: usize| {
        let order = CertificateOrder::new(format!("pump-{number}"), Role::Device, KeyType::Ecc);
        let chain = fs::read(fixture.pki.issue(&order).unwrap().chain).unwrap();
        fixture.pki.revoke(&chain, RevocationReason::Unspecified).unwrap();
        fixture.pki.publish_crls(7).unwrap();
    };
    std::thread::scope(|scope| {
        for number in 0..4 {
            let revoke = &revoke;
            scope.spawn(move || revoke(number));
        }
    });
    let crl = CrlFacts::read(&fs::read(fixture.pki.crl(Authority::ComponentCaEcc)).unwrap()).unwrap();
    assert_eq!((crl.revoked.len(), crl.number), (4, Some(vec![5])));
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
    assert_eq!(mode(&issued.key), 0o600);
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

/// A request that OpenSSL has made for a new key.
fn openssl_request(folder: &Path, key: &str, subject: &str) -> Vec<u8> {
    let (out, keyout) = (folder.join("theirs.csr"), folder.join("theirs.key"));
    let line = format!(
        "req -new -nodes -newkey {key} -subj {subject} -addext subjectAltName=DNS:ward3.example,IP:192.0.2.7 -out {{}} -keyout {{}}"
    );
    let transcript = openssl(&line, &[&out, &keyout]);
    assert!(transcript.ok, "{}", transcript.text);
    fs::read(out).unwrap()
}

// A0
#[test]
fn requests_of_openssl_are_signed() {
    let fixture = Fixture::new();
    for (key, family, kind) in [
        ("ec -pkeyopt ec_paramgen_curve:P-256", KeyFamily::Ecc, KeyKind::EcP256),
        // The digest of the request's signature says nothing about the curve.
        ("ec -pkeyopt ec_paramgen_curve:P-384 -sha256", KeyFamily::Ecc, KeyKind::EcP384),
        ("ec -pkeyopt ec_paramgen_curve:P-521 -sha512", KeyFamily::Ecc, KeyKind::EcP521),
        ("rsa:2048", KeyFamily::Rsa, KeyKind::Rsa { bits: 2048 }),
        (
            "rsa:2048 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
            KeyFamily::Rsa,
            KeyKind::Rsa { bits: 2048 },
        ),
    ] {
        let request = openssl_request(fixture.dir.path(), key, "/C=DE/O=Ward/CN=gateway-7");
        let chain = fixture.dir.path().join("signed.pem");
        fs::write(&chain, fixture.pki.sign(&request, Role::Gateway, 30).unwrap()).unwrap();
        let signed = Issued { key: fixture.dir.path().join("theirs.key"), chain };
        assert_eq!(fixture.verifies(&signed, family, "sslclient"), Ok(()), "{key}");
        let leaf = facts(&signed).remove(0);
        assert_eq!((leaf.key, leaf.subject.to_string()), (kind, "CN=gateway-7,O=Ward,C=DE".to_owned()));
        assert_eq!(leaf.dns_names, ["ward3.example"]);
        assert_eq!(leaf.not_after.duration_since(leaf.not_before), SignedDuration::from_hours(30 * 24));
        let public = |line: &str, path: &Path| openssl(line, &[path]).text;
        let of_key = public("pkey -pubout -in {}", &signed.key);
        assert_eq!(public("x509 -noout -pubkey -in {}", &signed.chain), of_key);
    }
}

#[test]
fn a_request_gives_its_requester_no_rights_of_his_choice() {
    let fixture = Fixture::new();
    let dir = fixture.dir.path();
    let sign = |request: &[u8], role| fixture.pki.sign(request, role, 30);
    let wishful = "ec -pkeyopt ec_paramgen_curve:P-256 -addext basicConstraints=critical,CA:TRUE -addext extendedKeyUsage=serverAuth";
    let chain = sign(&openssl_request(dir, wishful, "/CN=pump"), Role::Device).unwrap();
    let der = pem::certificates(chain.as_bytes()).unwrap().remove(0);
    let leaf = CertificateFacts::read(&der).unwrap();
    assert!(!leaf.is_ca && leaf.purposes == [KeyPurpose::ClientAuth]);

    let unnamed = openssl_request(dir, "rsa:2048", "/O=Ward");
    assert!(matches!(sign(&unnamed, Role::Device), Err(PkiError::Name(NameError::Missing))));
    let twice = openssl_request(dir, "rsa:2048", "/OU=a/OU=b/CN=host");
    assert!(matches!(sign(&twice, Role::Platform), Err(PkiError::Attribute(oid)) if oid == "2.5.4.11"));
    for weak in ["rsa:1024", "rsa:2048 -sha1", "ed25519", "ec -pkeyopt ec_paramgen_curve:secp256k1"] {
        let refused = sign(&openssl_request(dir, weak, "/CN=pump"), Role::Device);
        assert!(matches!(refused, Err(PkiError::RequestKey(..))), "{weak}: {refused:?}");
    }
    // The last octets of a request belong to its signature.
    let mut forged = pem::request(&openssl_request(dir, "rsa:2048", "/CN=pump")).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(sign(&forged, Role::Device), Err(PkiError::RequestSignature)));
    assert!(matches!(sign(chain.as_bytes(), Role::Device), Err(PkiError::X509(_))));
}

// A11
#[test]
fn our_requests_are_read_by_openssl_and_signed_by_our_ca() {
    let fixture = Fixture::new();
    let out = fixture.dir.path().join("requests");
    for (key, signature) in
        [(KeyFamily::Ecc, "ecdsa-with-SHA256"), (KeyFamily::Rsa, "sha256WithRSAEncryption")]
    {
        let order = RequestOrder {
            common_name: "platform.example".parse().unwrap(),
            subject: "O=St. Elsewhere,C=DE".parse().unwrap(),
            key,
            sans: vec!["platform.example".to_owned(), "192.0.2.7".to_owned()],
        };
        let requested = order.make(&out).unwrap();
        let transcript = openssl("req -verify -noout -text -nameopt RFC2253 -in {}", &[&requested.request]);
        for words in [
            "verify OK",
            "Subject: CN=platform.example,O=St. Elsewhere,C=DE",
            "DNS:platform.example, IP Address:192.0.2.7",
            signature,
        ] {
            assert!(transcript.text.contains(words), "{words:?} is not in {}", transcript.text);
        }
        let request = fs::read(&requested.request).unwrap();
        assert!(!String::from_utf8(request.clone()).unwrap().contains("PRIVATE"));
        assert_eq!(fs::metadata(&requested.key).unwrap().permissions().mode() & 0o777, 0o600);
        let chain = out.join("chain.pem");
        fs::write(&chain, fixture.pki.sign(&request, Role::Platform, 30).unwrap()).unwrap();
        let signed = Issued { chain, key: requested.key.clone() };
        assert_eq!(fixture.verifies(&signed, key, "sslserver"), Ok(()));

        let before = fs::read(&requested.key).unwrap();
        assert!(matches!(order.make(&out), Err(PkiError::Exists(path)) if path == requested.key));
        assert_eq!(fs::read(&requested.key).unwrap(), before);
    }
}

// A0: what is to be refused has to be recognised first.
#[test]
fn weak_and_foreign_algorithms_are_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let (out, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
    for (options, kind, signature) in [
        ("rsa:1024 -sha1", KeyKind::Rsa { bits: 1024 }, SignatureAlgorithm::RsaPkcs1(Digest::Sha1)),
        ("rsa:1024 -md5", KeyKind::Rsa { bits: 1024 }, SignatureAlgorithm::RsaPkcs1(Digest::Md5)),
        ("rsa:1111 -sha512", KeyKind::Rsa { bits: 1111 }, SignatureAlgorithm::RsaPkcs1(Digest::Sha512)),
        (
            "rsa:1024 -sha384 -sigopt rsa_padding_mode:pss",
            KeyKind::Rsa { bits: 1024 },
            SignatureAlgorithm::RsaPss(Digest::Sha384),
        ),
        (
            "rsa:1024 -sha1 -sigopt rsa_padding_mode:pss",
            KeyKind::Rsa { bits: 1024 },
            SignatureAlgorithm::RsaPss(Digest::Sha1),
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-256 -sha1",
            KeyKind::EcP256,
            SignatureAlgorithm::Ecdsa(Digest::Sha1),
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:secp256k1",
            KeyKind::Other,
            SignatureAlgorithm::Ecdsa(Digest::Sha256),
        ),
        ("ed25519", KeyKind::Other, SignatureAlgorithm::Ed25519),
        ("ed448", KeyKind::Other, SignatureAlgorithm::Other),
    ] {
        let line = format!("req -x509 -nodes -newkey {options} -subj /CN=pump -out {{}} -keyout {{}}");
        let transcript = openssl(&line, &[&out, &key]);
        assert!(transcript.ok, "{options}: {}", transcript.text);
        let der = pem::certificates(&fs::read(&out).unwrap()).unwrap().remove(0);
        let facts = CertificateFacts::read(&der).unwrap();
        assert_eq!((facts.key, facts.signature_algorithm), (kind, signature), "{options}");
    }
}

// What is in an OCSP response, in words: by OpenSSL's responder.
#[test]
fn an_ocsp_response_is_shown_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let own = TestPki::init(&at("pki"), "http://127.0.0.1:8575", &Clock::system()).unwrap();
    let issue = |name| own.issue(&CertificateOrder::new(name, Role::Device, KeyType::Ecc)).unwrap().chain;
    let serial = |chain: &Path| {
        let der = pcd_platform::x509::pem::certificates(&std::fs::read(chain).unwrap()).unwrap().remove(0);
        pcd_platform::x509::CertificateFacts::read(&der).unwrap().serial.to_string()
    };
    let [good, stolen, unknown] = ["GOOD", "STOLEN", "UNKNOWN"].map(issue);
    let index = format!(
        "V\t400101000000Z\t\t{}\tunknown\t/CN=x\nR\t400101000000Z\t260101000000Z,keyCompromise\t{}\tunknown\t/CN=y\n",
        serial(&good).to_uppercase(),
        serial(&stolen).to_uppercase()
    );
    std::fs::write(at("index.txt"), index).unwrap();
    let (request, response) = (at("request.der"), at("response.der"));
    let ca = own.certificate(Authority::ComponentCaEcc);
    let transcript = openssl(
        "ocsp -issuer {} -cert {} -cert {} -cert {} -reqout {}",
        &[&ca, &good, &stolen, &unknown, &request],
    );
    assert!(transcript.ok, "{}", transcript.text);
    let (key, index) = (ca.with_extension("key"), at("index.txt"));
    let line = "ocsp -index {} -CA {} -rsigner {} -rkey {} -nmin 30 -reqin {} -respout {}";
    let transcript = openssl(line, &[&index, &ca, &ca, &key, &request, &response]);
    assert!(transcript.ok, "{}", transcript.text);

    let inspect = |json: &[&str], file: &Path| {
        let words = [json, &["pki", "inspect"]].concat();
        let output = crate::harness::binary().args(words).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = inspect(&[], &response);
    for words in ["ocsp-response", "successful", "good from", "unknown from", "fresh", "ECDSA with"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.contains("revoked at 2026-01-01T00:00:00Z (keyCompromise)"), "{text}");
    let sheet: serde_json::Value = serde_json::from_str(&inspect(&["--json"], &response)).unwrap();
    let serials = sheet["responses"].as_array().unwrap().iter().map(|answer| answer["serial"].clone());
    assert_eq!(serials.collect::<Vec<_>>(), [serial(&good), serial(&stolen), serial(&unknown)]);
    // An error of a responder is a response as well.
    std::fs::write(&response, [0x30, 3, 0x0a, 1, 3]).unwrap();
    assert!(inspect(&[], &response).contains("tryLater"));
}

// A stranger's certificate that an operator looks at must not write lines of its own, or obey the terminal.
#[test]
fn inspect_shows_no_control_character_of_a_certificate() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stranger.pem");
    let text = |text: &str| rcgen::string::Ia5String::try_from(text).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::DnsName(text("\u{1b}[31m\r\nfake: ok"))];
    let url = "http://\u{1b}]0;pwned\u{7}/\n/ca.crl".to_owned();
    params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec![url] }];
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    let output = crate::harness::binary().args(["pki", "inspect"]).arg(&file).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && shown.contains("\\u{1b}[31m\\r\\nfake: ok"), "{shown:?}");
    assert!(shown.contains("pwned") && !shown.lines().any(|line| line.starts_with("fake")), "{shown:?}");
    assert!(!shown.chars().any(|shown| shown.is_control() && shown != '\n'), "{shown:?}");
}
